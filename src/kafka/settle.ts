import type { KafkaMessage, Message } from 'kafkajs'
import type { MakeProblem } from '../domain/problem.ts'
import type { Log, LogProgress } from '../domain/progress.ts'
import type { Registered } from '../domain/request.ts'
import type { Logger } from '../logger.ts'
import { logOutcome } from '../outcome-log.ts'
import type { Register } from '../register.ts'
import type { Chunk } from './chunks.ts'
import { type DeadLetterCause, deadLetter, smallerDeadLetter } from './dead-letter.ts'
import { decodeRecord } from './decode.ts'
import { type Addressed, type Publisher, PublishFailure } from './publish.ts'
import { undecodableBatch } from './record-batches.ts'
import { type Replies, type Reply, replyFor } from './replies.ts'

/** What a worker has done with a chunk, in this order. */
export type Step = 'fetched' | 'stored' | 'parked' | 'announced' | 'settled'

export interface SettleParts {
  register: Register
  moveProgress: (progress: readonly LogProgress[]) => Promise<void>
  /** Where dead letters go. */
  deadLetterTopic: string
  publisher: Pick<Publisher, 'sendAll'>
  replies: Pick<Replies, 'send'>
  makeProblem: MakeProblem
  log: Logger
  onStep: (step: Step) => void
}

/** A chunk, and where it stands in its log. */
export interface PlacedChunk {
  chunk: Chunk
  from: Omit<LogProgress, 'nextOffset'>
  /** How often it is tried with this. */
  attempts: number
}

/**
 * Settles chunks of several partitions together: decode, register, then park and reply. When it returns, their offsets
 * are safe to commit; when it throws, none is.
 */
export type Settle = (placed: readonly PlacedChunk[]) => Promise<void>

export function settleWith({
  register,
  moveProgress,
  deadLetterTopic,
  publisher,
  replies,
  makeProblem,
  log,
  onStep,
}: SettleParts): Settle {
  /** Of each partition, the records that are parked, though their chunk is not settled yet. */
  const parkedBefore = new Map<number, Set<string>>()

  return async function settle(placed) {
    onStep('fetched')
    const decoded = placed.flatMap(({ chunk, from, attempts }) =>
      chunk.records.map((record) => ({ record, from, attempts, ...decodeRecord(record, from) })),
    )
    const progress = placed.map(({ chunk: { nextOffset }, from }) => ({ ...from, nextOffset }))
    const requests = decoded.flatMap(({ request }) => request ?? [])
    const registered = await register(requests, progress)
    if (requests.length === 0) await moveProgress(progress)
    onStep('stored')

    const outcomes = registered.values()
    const letters: { letter: Addressed; record: KafkaMessage; partition: number }[] = []
    const due: Reply[] = []
    for (const { record, from, attempts, request, unreadable, replyTo } of decoded) {
      const outcome = request ? outcomes.next().value : undefined
      const cause = unreadable ?? causeOf(outcome)
      const { partition } = from
      if (cause && !parkedBefore.get(partition)?.has(placeOf(record)))
        letters.push({ letter: park(record, from, cause, attempts, outcome?.requestId), record, partition })
      if (!outcome || !replyTo) continue
      logOutcome(log, 'async', outcome)
      due.push(replyFor({ settled: outcome, replyTo, makeProblem }))
    }
    const left = new Set(
      await publisher.sendAll(
        letters.map(({ letter }) => letter),
        { compress: true },
      ),
    )
    for (const { letter, record, partition } of letters)
      if (!left.has(letter))
        parkedBefore.set(partition, (parkedBefore.get(partition) ?? new Set()).add(placeOf(record)))
    if (left.size > 0) throw new PublishFailure(`The topic ${deadLetterTopic} takes no dead letter at all`)
    onStep('parked')
    await replies.send(due)
    for (const { from } of placed) parkedBefore.delete(from.partition)
    onStep('announced')
  }

  function park(
    record: KafkaMessage,
    from: Log,
    cause: DeadLetterCause,
    attempts: number,
    requestId?: string,
  ) {
    const level = undecodableBatch(record) ? 'error' : 'warn' // many requests may be in it
    log[level](
      {
        topic: from.topic,
        partition: from.partition,
        offset: record.offset,
        request_id: requestId,
        ...cause,
      },
      'dead letter',
    )
    return parked(deadLetter(record, from, { cause, attempts, requestId }))
  }

  function parked(message: Message): Addressed {
    const smaller = () => {
      const less = smallerDeadLetter(message)
      return less && parked(less)
    }
    return { topic: deadLetterTopic, message, smaller }
  }
}

function causeOf(outcome: Registered | undefined): DeadLetterCause | undefined {
  return outcome?.outcome === 'failed' ? { class: 'failed', code: outcome.failure, detail: null } : undefined
}

/** A log that was made anew has the same offsets again. */
function placeOf({ offset, timestamp }: KafkaMessage): string {
  return `${offset} ${timestamp}`
}
