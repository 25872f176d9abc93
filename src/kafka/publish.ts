import { CompressionTypes, type Kafka, type Message, Partitioners } from 'kafkajs'
import type { Position } from '../domain/accepted-at.ts'
import { gather } from '../gather.ts'
import { unlessAborted, within } from '../within.ts'
import { partitionOf } from './murmur2.ts'

export interface Addressed {
  topic: string
  message: Message
  /** What to send instead where the topic does not take it for its size; undefined when there is nothing less. */
  smaller?: (() => Addressed | undefined) | undefined
}

/** The records were not acknowledged. Whether they were kept is not known: they may still arrive. */
export class PublishFailure extends Error {
  override readonly name = 'PublishFailure'
}

/** The record was for a partition that its topic does not have. Comes as the cause of a `PublishFailure`. */
export class NoSuchPartition extends Error {
  override readonly name = 'NoSuchPartition'
}

export interface Publisher {
  /** Resolves when all in-sync replicas have the record. Calls of one turn go together. Throws `PublishFailure`. */
  send(topic: string, message: Message): Promise<Position>
  /**
   * The same for many, in as few produces as their size allows. What is too large goes as its smaller self. Answers
   * those that their topic does not take in any size.
   */
  sendAll(records: readonly Addressed[], options?: { compress: boolean }): Promise<Addressed[]>
  /** Waits for what is under way, then disconnects. */
  close(): Promise<void>
}

/**
 * Publishes with acks from all in-sync replicas and a deadline.
 *
 * Never with `idempotent`: after a lost answer kafkajs 2.2.4 uses a sequence number twice, and the broker drops
 * records that it has acknowledged. A resend can therefore double a record; request ids make that harmless.
 */
export async function openPublisher(
  kafka: Kafka,
  options: {
    timeoutMs: number
    retries?: number
    /** From then on nothing is waited for: neither an acknowledgement, nor the farewell. */
    givenUp?: AbortSignal
  },
): Promise<Publisher> {
  const chosen = new WeakMap<Message, number>()
  const producer = kafka.producer({
    allowAutoTopicCreation: false,
    ...(options.retries !== undefined && { retry: { retries: options.retries } }),
    // kafkajs tells the first offset of each partition only: who knows which record went where knows its offset too.
    createPartitioner: () => {
      const choose = Partitioners.DefaultPartitioner()
      return (args) => {
        const { topic, message, partitionMetadata } = args
        const { length } = partitionMetadata
        const keyed = () => (message.key ? partitionOf(message.key, length) : choose(args))
        const partition = chosen.get(message) ?? message.partition ?? keyed()
        // Nor does it tell of a record for a partition that is not there: it leaves that out, and says nothing.
        if (partition < 0 || partition >= length)
          throw new NoSuchPartition(`${topic} has no partition ${partition}`)
        chosen.set(message, partition)
        return partition
      }
    },
  })
  await producer.connect()

  const underWay = new Set<Promise<unknown>>()

  async function produce(
    records: readonly Addressed[],
    compression = CompressionTypes.None,
  ): Promise<Position[]> {
    const topics = Map.groupBy(records, (record) => record.topic)
    const topicMessages = [...topics].map(([topic, group]) => ({
      topic,
      messages: group.map((record) => record.message),
    }))
    const sent = producer.sendBatch({ topicMessages, acks: -1, timeout: options.timeoutMs, compression })
    underWay.add(sent)
    sent.catch(() => {}).finally(() => underWay.delete(sent))
    const answers = await inTime(unlessAborted(options.givenUp, sent), options.timeoutMs)
    const next = new Map(
      answers.map((answer) => [`${answer.topicName}/${answer.partition}`, BigInt(answer.baseOffset!)]),
    )
    return records.map(({ topic, message }) => {
      const partition = chosen.get(message)!
      const offset = next.get(`${topic}/${partition}`)!
      next.set(`${topic}/${partition}`, offset + 1n)
      return { partition, offset }
    })
  }

  const send = gather<Addressed & { deadline: number }, Position>({
    run: (records) => produce(records),
    sizeOf,
    maxItems: 200,
    maxSize: MAX_BYTES,
    maxInFlight: 4,
    lingerMs: 50, // one at a time is faster, but no partition that does not answer may hold up the others
    isExpired: ({ deadline }) => performance.now() > deadline,
  })

  /** Sends what fits, smaller where it must be, and answers those that fit in no size. */
  function fitting({ compress }: { compress: boolean }) {
    const compression = compress ? CompressionTypes.GZIP : CompressionTypes.None
    /** What each topic is known to refuse by itself; of what is compressed no size tells that. */
    const refusedBytes = new Map<string, number>()
    const isKnownTooLarge = (record: Addressed) =>
      !compress && sizeOf(record) >= (refusedBytes.get(record.topic) ?? MAX_RECORD_BYTES)

    return sendFitting

    async function sendFitting(records: readonly Addressed[]): Promise<Addressed[]> {
      const byFate = Map.groupBy(records, isKnownTooLarge)
      const left = await sendSmaller(byFate.get(true) ?? [])
      return [...left, ...(await sendWhole(byFate.get(false) ?? []))]
    }

    async function sendWhole(records: readonly Addressed[]): Promise<Addressed[]> {
      const [first] = records
      if (!first) return []
      try {
        await produce(records, compression)
        return []
      } catch (error) {
        if (!isTooLarge(error)) throw error
        if (records.length === 1) {
          refusedBytes.set(first.topic, sizeOf(first))
          return sendSmaller(records)
        }
        const half = records.length >> 1
        const left = await sendFitting(records.slice(0, half))
        return [...left, ...(await sendFitting(records.slice(half)))]
      }
    }

    async function sendSmaller(records: readonly Addressed[]): Promise<Addressed[]> {
      const smaller = new Map<Addressed, Addressed>()
      const left: Addressed[] = []
      for (const record of records) {
        const less = record.smaller?.()
        if (less) smaller.set(less, record)
        else left.push(record)
      }
      if (smaller.size > 0)
        for (const less of await sendFitting([...smaller.keys()])) left.push(smaller.get(less)!)
      return left
    }
  }

  return {
    // The deadline counts from here: a record may wait for others before it is under way.
    send: (topic, message) =>
      inTime(send({ topic, message, deadline: performance.now() + options.timeoutMs }), options.timeoutMs),
    async sendAll(records, { compress } = { compress: false }) {
      const sendFitting = fitting({ compress })
      const left: Addressed[] = []
      for (const some of bySize(records)) left.push(...(await sendFitting(some)))
      return left
    },
    close: () => unlessAborted(options.givenUp, leave()).catch(() => {}),
  }

  async function leave() {
    await within(options.timeoutMs, Promise.allSettled(underWay)).catch(() => {})
    await producer.disconnect()
  }
}

/** However small they are packed, a broker takes no batch beyond its limit, which is 1 MiB unless it was set. */
const MAX_BYTES = 256 * 1024

/** A record that is larger is not even tried: of some a broker says nothing but ends the connection. */
const MAX_RECORD_BYTES = 2 * 1024 * 1024

function* bySize(records: readonly Addressed[]): Generator<Addressed[]> {
  let some: Addressed[] = []
  let bytes = 0
  for (const record of records) {
    const size = sizeOf(record)
    if (some.length > 0 && bytes + size > MAX_BYTES) {
      yield some
      some = []
      bytes = 0
    }
    some.push(record)
    bytes += size
  }
  if (some.length > 0) yield some
}

/** About what a record takes on its way. */
function sizeOf({ message: { key, value, headers } }: Addressed): number {
  let bytes = 64 + lengthOf(key) + lengthOf(value)
  for (const name in headers) {
    const values = headers[name]
    if (Array.isArray(values)) for (const one of values) bytes += lengthOf(name) + lengthOf(one)
    else bytes += lengthOf(name) + lengthOf(values)
  }
  return bytes
}

const lengthOf = (text: string | Buffer | null | undefined) => (text ? Buffer.byteLength(text) : 0)

/** Whether the broker refused records for their size. */
function isTooLarge(error: unknown): boolean {
  return causes(error).some((cause) => TOO_LARGE.has((cause as { type?: unknown }).type))
}

/** An error and what caused it, the innermost last. */
export function causes(error: unknown): Error[] {
  return error instanceof Error ? [error, ...causes(error.cause)] : []
}

const TOO_LARGE: ReadonlySet<unknown> = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE'])

async function inTime<T>(sent: Promise<T>, timeoutMs: number): Promise<T> {
  try {
    return await within(timeoutMs, sent)
  } catch (error) {
    throw error instanceof PublishFailure
      ? error
      : new PublishFailure('Kafka did not take the records', { cause: error })
  }
}
