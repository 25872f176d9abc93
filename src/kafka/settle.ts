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
export type Step = 'fetched' | 'stored' | 'parked' | 'announced' | 'resolved'

export interface SettleParts {
  register: Register
  moveProgress: (progress: LogProgress) => Promise<void>
  /** Where dead letters go. */
  deadLetterTopic: string
  publisher: Pick<Publisher, 'sendAll'>
  replies: Pick<Replies, 'send'>
  makeProblem: MakeProblem
  log: Logger
  onStep: (step: Step) => void
}

/** Settles one chunk: decode, register, then park and reply. When it returns, the chunk's offset is safe to commit. */
export function settleWith({
  register,
  moveProgress,
  deadLetterTopic,
  publisher,
  replies,
  makeProblem,
  log,
  onStep,
}: SettleParts) {
  /** Of each partition, the records of a chunk that is not settled yet, though its dead letters are parked. */
  const parkedBefore = new Map<number, Set<string>>()

  return async function settle(
    { records, nextOffset }: Chunk,
    from: Omit<LogProgress, 'nextOffset'>,
    attempts: number,
  ): Promise<void> {
    onStep('fetched')
    const decoded = records.map((record) => ({ record, ...decodeRecord(record, from) }))
    const requests = decoded.flatMap(({ request }) => request ?? [])
    const registered = await register(requests, { ...from, nextOffset })
    if (requests.length === 0) await moveProgress({ ...from, nextOffset })
    onStep('stored')

    const outcomes = registered.values()
    const letters: Addressed[] = []
    const due: Reply[] = []
    for (const { record, request, unreadable, replyTo } of decoded) {
      const outcome = request ? outcomes.next().value : undefined
      const cause = unreadable ?? causeOf(outcome)
      if (cause && !parkedBefore.get(from.partition)?.has(placeOf(record)))
        letters.push(park(record, from, cause, attempts, outcome?.requestId))
      if (!outcome || !replyTo) continue
      logOutcome(log, 'async', outcome)
      due.push(replyFor({ settled: outcome, replyTo, makeProblem }))
    }
    const left = await publisher.sendAll(letters, { compress: true })
    if (left.length > 0) throw new PublishFailure(`The topic ${deadLetterTopic} takes no dead letter at all`)
    onStep('parked')
    parkedBefore.set(from.partition, new Set(records.map(placeOf)))
    await replies.send(due)
    parkedBefore.delete(from.partition)
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
