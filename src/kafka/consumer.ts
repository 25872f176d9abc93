import type { Batch, EachBatchPayload, Kafka, KafkaMessage } from 'kafkajs'
import { Fault } from '../domain/fault.ts'
import type { MakeProblem } from '../domain/problem.ts'
import type { Log, LogProgress } from '../domain/progress.ts'
import type { Logger } from '../logger.ts'
import { logOutcome } from '../outcome-log.ts'
import type { Register } from '../register.ts'
import { deadLetter, decodeRecord, replyMessage } from './messages.ts'
import { type Publisher, PublishFailure } from './publish.ts'
import type { TopicNames } from './topics.ts'

export interface ConsumerParts {
  kafka: Kafka
  clusterId: string
  topics: TopicNames
  group: string
  register: Register
  publisher: Publisher
  progress: {
    read(clusterId: string, topic: string): Promise<Map<number, bigint>>
    move(progress: LogProgress): Promise<void>
  }
  makeProblem: MakeProblem
  log: Logger
  /** Called when the consumer has stopped for good, which it should never do. */
  onCrash: (error: Error) => void
}

export interface RunningConsumer {
  /** Why it does not go on, one reason for each partition that waits, or one for the whole; empty when all is well. */
  troubles(): string[]
  /** Finishes the chunk in hand, commits, and leaves the group. */
  close(): Promise<void>
}

/** Consumes the request topic: decode, register, park and reply, and only then the offset. */
export async function startConsumer(parts: ConsumerParts): Promise<RunningConsumer> {
  const { kafka, clusterId, topics, group, register, publisher, progress, makeProblem, log } = parts
  const consumer = kafka.consumer({
    groupId: group,
    allowAutoTopicCreation: false,
    sessionTimeout: 30_000,
    rebalanceTimeout: 60_000,
    heartbeatInterval: 3_000,
    maxWaitTimeInMs: 100,
    retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries: 8 },
  })
  const waits = new Map<number, Wait>()
  let alignment = newAlignment()
  let joined = false

  consumer.on(consumer.events.GROUP_JOIN, () => {
    joined = true
    alignment = newAlignment()
  })
  consumer.on(consumer.events.CRASH, ({ payload: { error, restart } }) => {
    joined = false
    if (!restart) parts.onCrash(error)
  })

  await consumer.connect()
  await consumer.subscribe({ topics: [topics.requests], fromBeginning: true })
  await consumer.run({ eachBatchAutoResolve: false, eachBatch: settleBatch })

  /** Never throws what kafkajs would stop for: a chunk that cannot be settled now waits, and comes again. */
  async function settleBatch({
    batch,
    resolveOffset,
    heartbeat,
    isRunning,
    isStale,
    pause,
  }: EachBatchPayload) {
    const partitionLog: Log = { clusterId, topic: batch.topic, partition: batch.partition }
    for (const chunk of chunksOf(batch)) {
      if (!isRunning() || isStale()) return
      try {
        if (!(await aligned(batch))) return
        await settle(chunk, partitionLog)
      } catch (error) {
        wait(batch.partition, error, pause())
        return
      }
      endWait(batch.partition)
      resolveOffset(chunk.lastOffset)
      await heartbeat()
    }
  }

  /** Settles one chunk; when it returns, its last offset is safe to commit. */
  async function settle({ records, nextOffset }: Chunk, partitionLog: Log): Promise<void> {
    const decoded = records.map((record) => ({ record, ...decodeRecord(record, partitionLog) }))
    const requests = decoded.flatMap(({ request }) => request ?? [])
    const settled = await register(requests, { ...partitionLog, nextOffset })
    if (requests.length === 0) await progress.move({ ...partitionLog, nextOffset })

    const outcomes = settled.values()
    const outgoing = decoded.flatMap(({ record, request, unreadable }) => {
      const outcome = request ? outcomes.next().value : undefined
      if (outcome) logOutcome(log, 'async', outcome)
      if (unreadable) log.warn({ ...partitionLog, offset: record.offset, cause: unreadable }, 'dead letter')
      const cause = unreadable ?? (outcome?.outcome === 'failed' ? 'failed' : undefined)
      return [
        ...(cause ? [{ topic: topics.deadLetters, message: deadLetter(record, partitionLog, cause) }] : []),
        ...(outcome ? [{ topic: topics.replies, message: replyMessage(outcome, makeProblem) }] : []),
      ]
    })
    await publisher.sendAll(outgoing)
  }

  /**
   * Whether this partition is read from where the database knows it settled, or from before. The group may have
   * committed more than a restored database remembers: then it starts again at what the database remembers.
   */
  async function aligned(batch: Batch): Promise<boolean> {
    const { partition } = batch
    if (alignment.done.has(partition)) return true
    alignment.known ??= progress.read(clusterId, topics.requests)
    const mine = alignment
    const known = await alignment.known.catch((error) => {
      mine.known = undefined
      throw error
    })
    const settled = known.get(partition)
    const fetched = BigInt((batch as Batch & { fetchedOffset: string }).fetchedOffset)
    if (settled !== undefined && BigInt(batch.highWatermark) < settled)
      throw new Fault('systemic', { code: 'LOG_TOO_SHORT' })
    if (settled !== undefined && fetched > settled) {
      if (alignment.sought.has(partition)) throw new Fault('systemic', { code: 'LOG_GAP' })
      alignment.sought.add(partition)
      consumer.seek({ topic: topics.requests, partition, offset: settled.toString() })
      return false
    }
    alignment.done.add(partition)
    return true
  }

  /** Pauses a partition, ever longer, until its chunk can be tried again. Heartbeats go on meanwhile. */
  function wait(partition: number, error: unknown, resume: () => void) {
    const earlier = waits.get(partition)
    const delayMs = Math.min((earlier?.delayMs ?? 50) * 2, 2_000)
    const reason = reasonOf(error)
    if (reason !== earlier?.reason) {
      const systemic = !(
        error instanceof PublishFailure ||
        (error instanceof Fault && error.class === 'outage')
      )
      log[systemic ? 'error' : 'warn']({ partition, reason, err: error }, 'the worker waits')
    }
    waits.set(partition, { reason, delayMs, timer: setTimeout(resume, delayMs) })
  }

  function endWait(partition: number) {
    if (waits.delete(partition)) log.info({ partition }, 'the worker goes on')
  }

  return {
    troubles() {
      if (!joined) return ['the worker is not in its consumer group']
      return [...waits].map(([partition, { reason }]) => `partition ${partition} waits: ${reason}`)
    },
    async close() {
      for (const { timer } of waits.values()) clearTimeout(timer)
      await consumer.disconnect()
    },
  }
}

interface Wait {
  reason: string
  delayMs: number
  timer: NodeJS.Timeout
}

/** What is known since the group was joined: which partitions were found to go on where the database left off. */
interface Alignment {
  known: Promise<Map<number, bigint>> | undefined
  sought: Set<number>
  done: Set<number>
}

function newAlignment(): Alignment {
  return { known: undefined, sought: new Set(), done: new Set() }
}

function reasonOf(error: unknown): string {
  if (error instanceof Fault) return error.message
  if (error instanceof PublishFailure) return `outage: ${error.message}`
  return 'systemic: UNEXPECTED'
}

interface Chunk {
  records: KafkaMessage[]
  lastOffset: string
  nextOffset: bigint
}

/** At most 500 records and 4 MiB each. The last one ends where the batch does, past records that nobody sees. */
function* chunksOf(batch: Batch): Generator<Chunk> {
  let records: KafkaMessage[] = []
  let bytes = 0
  const chunk = (end: string): Chunk => ({
    records,
    lastOffset: records.at(-1)!.offset,
    nextOffset: BigInt(end) + 1n,
  })
  for (const record of batch.messages) {
    const size = record.value?.length ?? 0
    if (records.length === 500 || (records.length > 0 && bytes + size > 4 * 1024 * 1024)) {
      yield chunk(records.at(-1)!.offset)
      records = []
      bytes = 0
    }
    records.push(record)
    bytes += size
  }
  if (records.length > 0) yield chunk(batch.lastOffset())
}
