import { setTimeout as delay } from 'node:timers/promises'
import type { Batch, EachBatchPayload, Kafka } from 'kafkajs'
import { Fault, type FaultClass } from '../domain/fault.ts'
import type { Logger } from '../logger.ts'
import { unlessAborted, within } from '../within.ts'
import { alignment, LogMismatch } from './alignment.ts'
import { backlog } from './backlog.ts'
import { type Chunk, chunksOf, passage } from './chunks.ts'
import { commitsBeside } from './commits.ts'
import { kafkaRefusal } from './failure.ts'
import { openLanes } from './lanes.ts'
import type { LogOffsets } from './log-offsets.ts'
import { causes, PublishFailure } from './publish.ts'
import type { Settle, Step } from './settle.ts'
import { settleTogether } from './together.ts'
import { watch } from './watch.ts'

export interface ConsumerParts {
  /** One that waits out an outage: to leave the group costs as long as a session. */
  kafka: Kafka
  clusterId: string
  topic: string
  group: string
  /** Settles chunks of several partitions; throws when that cannot be done now, and is asked again then. */
  settle: Settle
  progress: {
    read(clusterId: string, topic: string): Promise<Map<number, bigint>>
  }
  readOffsets: () => Promise<LogOffsets>
  /** Where the logs end for those who write: that is not settled either, though it cannot be read yet. */
  readEnds: () => Promise<Map<number, bigint>>
  /** How far the group has committed each partition. */
  readCommitted: () => Promise<Map<number, bigint>>
  log: Logger
  onStep: (step: Step) => void
  /** Told how many offsets were settled. */
  onSettled: (records: number) => void
  /** Told each step that failed with nobody to blame but the infrastructure, and is tried again. */
  onRetry: (faultClass: FaultClass) => void
  /** Called when the consumer can do no more, which it never should. */
  onCrash: (error: Error) => void
  /** Aborted when nobody waits for the start any more. */
  signal?: AbortSignal | undefined
}

/** How a consumer stands now. */
export interface ConsumerState {
  /** How many partitions it consumes. */
  assigned: number
  /** How many of them wait on purpose, or stand still. */
  waiting: number
  /** Of each partition, how many of its records are not settled. */
  lag: ReadonlyMap<number, number>
  /** Of the records in hand and those that wait; 0 when there is none. */
  oldestPendingSeconds: number
}

export interface RunningConsumer {
  state(): ConsumerState
  /** Why it does not go on, a reason for each partition that waits, or for the whole; empty when all is well. */
  troubles(): string[]
  /** Finishes the chunk in hand, commits, and leaves the group. */
  close(): Promise<void>
}

const LAST_COMMIT_MS = 1_000

/** How long what is being settled is waited for before, and the farewell to the group may take after. */
const SETTLE_MS = 3_000
const LEAVE_MS = 2_000

/** Until then nothing more is taken, and what is fetched all the same is not fetched all the time. */
const CLOSING_PAUSE_MS = 100

const HEARTBEAT_MS = 2_000

/** How long a start waits for the group; after that it goes on, and readiness tells. */
const JOIN_WAIT_MS = 30_000

/**
 * Consumes the request topic, chunk by chunk, many partitions at a time: settle first, and only then the offset. Rejects
 * when Kafka refuses it from the start; later it waits until it is let in again.
 */
export async function startConsumer(parts: ConsumerParts): Promise<RunningConsumer> {
  const {
    kafka,
    clusterId,
    topic,
    group,
    settle,
    progress,
    readOffsets,
    readEnds,
    readCommitted,
    log,
    onStep,
    onSettled,
    onRetry,
    onCrash,
    signal,
  } = parts
  const consumer = kafka.consumer({
    groupId: group,
    allowAutoTopicCreation: false,
    sessionTimeout: 8_000, // so long the partitions of a killed worker wait for the next one
    rebalanceTimeout: 60_000,
    heartbeatInterval: HEARTBEAT_MS,
    maxWaitTimeInMs: 100,
    maxBytes: FETCH_BYTES,
    retry: {
      initialRetryTime: 100,
      maxRetryTime: 1_000,
      retries: 1_000_000_000,
      restartOnFailure: async (error) => error.name.startsWith('KafkaJS'), // anything else is a fault of our own
    },
  })
  const waits = new Map<number, Wait>()
  const readProgress = () => progress.read(clusterId, topic)
  const settleOne = settleTogether(settle)
  const lanes = openLanes(settleChunk)
  const pending = backlog()
  const aligned = alignment({
    read: readProgress,
    readCommitted,
    seek,
    drop: lanes.drop,
    isBusy: lanes.isBusy,
  })
  const commits = commitsBeside((offsets) => {
    const partitions = Array.from(offsets, ([partition, offset]) => ({
      partition,
      offset: offset.toString(),
    }))
    return commitOffsets?.({ topics: [{ topic, partitions }] })
  })
  let commitOffsets: EachBatchPayload['commitOffsetsIfNecessary'] | undefined
  let assigned: readonly number[] | undefined
  let memberships = 0
  let rebalancing = false
  let closing = false
  let isStarting = true
  let refusal: string | undefined
  /** Nothing that was read before counts: what is not committed comes again, here or elsewhere. */
  function startAnew() {
    memberships += 1
    commitOffsets = undefined
    commits.forget()
    aligned.restart()
    lanes.dropAll()
  }

  const { GROUP_JOIN, CRASH, END_BATCH_PROCESS, REBALANCING } = consumer.events

  const firstJoin = Promise.withResolvers<void>()
  consumer.on(GROUP_JOIN, ({ payload }) => {
    firstJoin.resolve()
    refusal = undefined
    assigned = payload.memberAssignment[topic] ?? []
    rebalancing = false
    startAnew()
    pending.assign(assigned)
    // The timer of a wait goes on: the partition is to be resumed should it come back.
    for (const partition of waits.keys()) if (!assigned.includes(partition)) waits.delete(partition)
  })
  consumer.on(REBALANCING, () => {
    rebalancing = true
    void commits.now() // while this member may; some ways into a new assignment are not told of before
  })
  consumer.on(CRASH, ({ payload: { error, restart } }) => {
    const isFirst = assigned === undefined // a group that nobody was in yet is often not there at once
    log[isFirst ? 'debug' : 'warn']({ err: error }, 'the consumer starts again')
    assigned = undefined
    startAnew()
    if (restart) return
    pending.assign([]) // others may have what it had
    const reason = kafkaRefusal(error)
    if (reason && isStarting) return firstJoin.reject(error)
    if (reason && reason !== refusal) log.error({ reason, err: error }, 'the worker waits')
    refusal = reason
    if (!reason && !PASSING.has(causes(error).at(-1)!.name)) return onCrash(error)
    setTimeout(() => closing || run().catch(onCrash), reason ? REFUSED_RESTART_MS : RESTART_MS)
  })
  consumer.on(END_BATCH_PROCESS, async ({ payload: { partition, batchSize, firstOffset, lastOffset } }) => {
    watching.active(partition)
    if (batchSize > 0) return
    const [first, next] = [BigInt(firstOffset ?? lastOffset), BigInt(lastOffset) + 1n]
    const isTaken = await isInLine(partition, { first, next })
    if (isTaken) take(partition, [passage(first, next)], next)
    if (isTaken === undefined) seek(partition, first) // kafkajs has gone past it by itself
  })
  const watching = watch({
    readOffsets,
    readProgress,
    assigned: () => assigned,
    isMember: () => assigned !== undefined && !rebalancing,
    isBusy: (partition) =>
      lanes.isBusy(partition) || (partition === undefined ? waits.size > 0 : waits.has(partition)),
    async onLook(partitions) {
      const ends = await readEnds()
      for (const { partition, settled, high } of partitions) {
        pending.looked(partition, settled, ends.get(partition) ?? high)
        const wait = waits.get(partition)
        if (wait && wait.next <= settled && !lanes.isBusy(partition)) endWait(partition) // by somebody else's doing
      }
      if (!rebalancing) await aligned.sendBack(partitions)
    },
    onStall: onCrash,
  })

  const run = () =>
    consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: PARTITIONS_AT_ONCE,
      eachBatch: takeBatch,
    })
  try {
    await unlessAborted(signal, consumer.connect())
    await consumer.subscribe({ topics: [topic], fromBeginning: true })
    await run()
    await Promise.race([
      firstJoin.promise,
      delay(JOIN_WAIT_MS, undefined, { ref: false, ...(signal && { signal }) }).catch(() => {}),
    ])
  } catch (error) {
    await close()
    throw error
  }
  isStarting = false

  /**
   * Takes over what was fetched, and the next fetch does not wait until it is settled. Never throws what kafkajs would
   * stop for.
   */
  async function takeBatch(payload: EachBatchPayload) {
    const { batch, resolveOffset, heartbeat, isRunning, isStale } = payload
    const { partition } = batch
    const beating = setInterval(() => void heartbeat().catch(() => {}), HEARTBEAT_MS) // the one below tells
    try {
      commits.rethrow()
      const first = fetchedOffset(batch)
      const high = BigInt(batch.highWatermark)
      const next = BigInt(batch.lastOffset()) + 1n
      const isOver = () => !isRunning() || isStale()
      const chunks = [...chunksOf(batch, first)]
      if (!isOver()) pending.fetched(partition, first, high, chunks)
      if (!isOver() && (await isInLine(partition, { first, next }, high)) && !isOver()) {
        commitOffsets = payload.commitOffsetsIfNecessary
        take(partition, chunks, next)
        resolveOffset(batch.lastOffset())
      }
      await (closing ? delay(CLOSING_PAUSE_MS) : lanes.ready())
      await heartbeat()
    } catch (error) {
      if (isRebalance(error)) await lastCommit() // or whoever has the partition next does the same once more
      throw error
    } finally {
      clearInterval(beating)
    }
  }

  /** Commits what is being settled, too, if that does not take long. */
  async function lastCommit() {
    await within(SETTLE_MS, lanes.idle()).catch(() => {})
    await within(LAST_COMMIT_MS, commits.now()).catch(() => {})
  }

  /**
   * Whether what was read of a partition, from `first` on and below `next`, may be taken. If not, another place is read
   * first, or undefined: the partition waits.
   */
  async function isInLine(
    partition: number,
    { first, next }: { first: bigint; next: bigint },
    high?: bigint,
  ): Promise<boolean | undefined> {
    const membership = memberships
    const isMine = () => membership === memberships && assigned?.includes(partition) && !closing
    try {
      return Boolean((await aligned.align(partition, first, high)) && isMine())
    } catch (error) {
      if (!isMine()) return false
      wait(partition, next, error)
      return undefined
    }
  }

  /** Has kafkajs read on from there. While the group rebalances it would remember that for another assignment. */
  function seek(partition: number, offset: bigint) {
    pending.readAgain(partition, offset)
    if (!rebalancing) asMember(() => consumer.seek({ topic, partition, offset: offset.toString() }))
  }

  function take(partition: number, chunks: Iterable<Chunk>, next: bigint) {
    lanes.put(partition, chunks)
    aligned.readTo(partition, next)
  }

  /** Settles a chunk, or has it come again. */
  async function settleChunk(partition: number, chunk: Chunk) {
    const position = aligned.position(partition)
    if (!position) return // it comes again
    const membership = memberships
    const { stored = chunk.firstOffset } = position
    const from = { clusterId, topic, partition, from: position.stored }
    const attempts = (waits.get(partition)?.attempts ?? 0) + 1
    try {
      await settleOne({ chunk, from, attempts })
    } catch (error) {
      if (membership !== memberships || closing) return
      aligned.sendTo(partition, stored < chunk.firstOffset ? stored : chunk.firstOffset)
      return wait(partition, chunk.nextOffset, error)
    }
    if (membership !== memberships || aligned.position(partition) !== position) return
    onStep('settled')
    endWait(partition)
    onSettled(Number(chunk.nextOffset - chunk.firstOffset))
    pending.settled(partition, chunk.nextOffset)
    aligned.settled(partition, chunk.nextOffset)
    commits.soon(partition, chunk.nextOffset)
  }

  /** Pauses a partition with all below `next`, ever longer, until it is read on. Heartbeats go on meanwhile. */
  function wait(partition: number, next: bigint, error: unknown) {
    const earlier = waits.get(partition)
    const delayMs = Math.min((earlier?.delayMs ?? 50) * 2, 2_000)
    const reason = reasonOf(error)
    if (!(error instanceof LogMismatch)) onRetry(faultClassOf(error))
    if (reason !== earlier?.reason) log[levelOf(error)]({ partition, reason, err: error }, 'the worker waits')
    const attempts = (earlier?.attempts ?? 0) + 1
    clearTimeout(earlier?.timer)
    const paused = [{ topic, partitions: [partition] }]
    asMember(() => consumer.pause(paused))
    const timer = setTimeout(() => asMember(() => consumer.resume(paused)), delayMs).unref()
    waits.set(partition, { reason, next, delayMs, attempts, timer })
  }

  function endWait(partition: number) {
    if (waits.delete(partition)) log.info({ partition }, 'the worker goes on')
  }

  async function close() {
    watching.stop()
    closing = true
    lanes.dropAll()
    await lastCommit()
    // Without Kafka there is nothing to take leave of, and the client would go on trying.
    await within(LEAVE_MS, consumer.disconnect()).catch(() => {})
    commits.forget()
  }

  /** Of each partition that does not go on, why. */
  function standing(): Map<number, string[]> {
    const reasons = new Map<number, string[]>()
    for (const [partition, { reason }] of waits)
      reasons.set(partition, [`partition ${partition} waits: ${reason}`])
    for (const [partition, reason] of watching.mismatches())
      reasons.set(partition, [...(reasons.get(partition) ?? []), reason])
    for (const [partition, reason] of watching.standstills())
      if (!reasons.has(partition)) reasons.set(partition, [reason])
    return reasons
  }

  return {
    state: () => ({
      assigned: assigned?.length ?? 0,
      waiting: standing().size,
      lag: pending.lag(),
      oldestPendingSeconds: pending.oldestPendingSeconds(),
    }),
    troubles() {
      const outside = refusal ?? 'the worker is not in its consumer group'
      if (!assigned) return [outside]
      return [
        ...(watching.isOutside() ? [outside] : []),
        ...watching.silences(),
        ...[...standing().values()].flat(),
      ]
    },
    close,
  }
}

/** What kafkajs ends for and does not start again, though a broker has only broken off or was slow. */
const PASSING: ReadonlySet<string> = new Set([
  'KafkaJSGroupCoordinatorNotFound',
  'KafkaJSLockTimeout',
  'KafkaJSSASLAuthenticationError', // where it is no refusal, a login was broken off
  'KafkaJSTimeout',
])

/** What a fetch brings of all partitions: enough that none of the statements under way is small. */
const FETCH_BYTES = 4 * 1024 * 1024

/** What comes of them in one fetch is settled together; of more, the others follow. */
const PARTITIONS_AT_ONCE = 100

const RESTART_MS = 200
const REFUSED_RESTART_MS = 2_000

interface Wait {
  reason: string
  /** Once everything below is settled there is nothing left to wait with. */
  next: bigint
  delayMs: number
  attempts: number
  timer: NodeJS.Timeout
}

/**
 * Between a crash and the next start kafkajs has no group, and throws. Then there is nothing to pause or to seek in: the
 * next assignment begins at what is committed.
 */
function asMember(act: () => void) {
  try {
    act()
  } catch (error) {
    if ((error as Error).name !== 'KafkaJSNonRetriableError') throw error
  }
}

function isRebalance(error: unknown): boolean {
  return (error as { type?: unknown }).type === 'REBALANCE_IN_PROGRESS'
}

/** Where the fetch began that brought this batch, which kafkajs keeps but does not declare. */
function fetchedOffset(batch: Batch): bigint {
  return BigInt((batch as Batch & { fetchedOffset: string }).fetchedOffset)
}

function reasonOf(error: unknown): string {
  if (error instanceof Fault || error instanceof LogMismatch) return error.message
  if (error instanceof PublishFailure) return `outage: ${error.message}`
  return 'systemic: UNEXPECTED'
}

function faultClassOf(error: unknown): FaultClass {
  if (error instanceof Fault) return error.class
  return error instanceof PublishFailure ? 'outage' : 'systemic'
}

/** What passes by itself is a warning; what somebody has to mend is an error. */
function levelOf(error: unknown): 'warn' | 'error' {
  return faultClassOf(error) === 'outage' ? 'warn' : 'error'
}
