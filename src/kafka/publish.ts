import { CompressionTypes, type Kafka, type Message, Partitioners } from 'kafkajs'
import type { Position } from '../domain/accepted-at.ts'
import { gather } from '../gather.ts'
import { within } from '../within.ts'

export interface Addressed {
  topic: string
  message: Message
}

/** Whether the records were kept is not known. They may still arrive. */
export class PublishFailure extends Error {
  override readonly name = 'PublishFailure'
}

export interface Publisher {
  /** Resolves when all in-sync replicas have the record. Calls of one turn go together. Throws `PublishFailure`. */
  send(topic: string, message: Message): Promise<Position>
  /** The same for many, one after the other, as few produces as their size allows. */
  sendAll(records: readonly Addressed[]): Promise<void>
  /** The same for dead letters, packed. One that is too large even so goes without its value, which a header tells. */
  park(records: readonly Addressed[]): Promise<void>
  /** Waits for what is under way, then disconnects. */
  close(): Promise<void>
}

/**
 * Publishes with acks from all in-sync replicas and a deadline.
 *
 * Never with `idempotent`: after a lost answer kafkajs 2.2.4 uses a sequence number twice, and the broker drops
 * records that it has acknowledged. A resend can therefore double a record; request ids make that harmless.
 */
export async function openPublisher(kafka: Kafka, options: { timeoutMs: number }): Promise<Publisher> {
  const partitionOf = new WeakMap<Message, number>()
  const producer = kafka.producer({
    allowAutoTopicCreation: false,
    // kafkajs tells the first offset of each partition only: who knows which record went where knows its offset too.
    createPartitioner: () => {
      const choose = Partitioners.DefaultPartitioner()
      return (args) => {
        const partition = partitionOf.get(args.message) ?? choose(args)
        partitionOf.set(args.message, partition)
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
    const answers = await inTime(sent, options.timeoutMs)
    const next = new Map(
      answers.map((answer) => [`${answer.topicName}/${answer.partition}`, BigInt(answer.baseOffset!)]),
    )
    return records.map(({ topic, message }) => {
      const partition = partitionOf.get(message)!
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
    isExpired: ({ deadline }) => performance.now() > deadline,
  })

  async function park(records: readonly Addressed[]): Promise<void> {
    if (records.length === 0) return
    try {
      await produce(records, CompressionTypes.GZIP)
    } catch (error) {
      if (!isTooLarge(error)) throw error
      const [only] = records
      if (records.length > 1) for (const record of records) await park([record])
      else if (only?.message.value) await park([withoutValue(only)])
      else if (only && isWithForeign(only)) await park([withOurHeaders(only)])
      else throw error
    }
  }

  return {
    park,
    // The deadline counts from here: a record may wait for others before it is under way.
    send: (topic, message) =>
      inTime(send({ topic, message, deadline: performance.now() + options.timeoutMs }), options.timeoutMs),
    async sendAll(records) {
      for (const some of bySize(records)) await produce(some)
    },
    async close() {
      await within(options.timeoutMs, Promise.allSettled(underWay)).catch(() => {})
      await producer.disconnect()
    },
  }
}

/** However small they are packed, a broker takes no batch beyond its limit, which is 1 MiB unless it was set. */
const MAX_BYTES = 256 * 1024

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

function sizeOf({ message: { key, value, headers = {} } }: Addressed): number {
  const texts = [key, value, ...Object.entries(headers).flat(2)]
  return texts.reduce<number>((sum, text) => sum + (text ? Buffer.byteLength(text) : 0), 64)
}

/** Whether the broker refused records for their size. */
export function isTooLarge(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if ((cause as { type?: unknown }).type === 'MESSAGE_TOO_LARGE') return true
  return false
}

/** The header that tells how long the value was which a dead letter had to go without. */
export const VALUE_BYTES = 'dead-letter-value-bytes'

function withoutValue({ topic, message: { value, ...message } }: Addressed): Addressed {
  const headers = { ...message.headers, [VALUE_BYTES]: String(value?.length) }
  return { topic, message: { ...message, value: null, headers } }
}

function isWithForeign({ message: { key, headers = {} } }: Addressed): boolean {
  return key != null || Object.keys(headers).some((name) => !name.startsWith('dead-letter-'))
}

/** All that is left of a dead letter whose key and headers alone are too large: why it is here, and where it was. */
function withOurHeaders({ topic, message }: Addressed): Addressed {
  const ours = Object.entries(message.headers ?? {}).filter(([name]) => name.startsWith('dead-letter-'))
  return { topic, message: { value: null, headers: Object.fromEntries(ours) } }
}

async function inTime<T>(sent: Promise<T>, timeoutMs: number): Promise<T> {
  try {
    return await within(timeoutMs, sent)
  } catch (error) {
    throw error instanceof PublishFailure
      ? error
      : new PublishFailure('Kafka did not take the records', { cause: error })
  }
}
