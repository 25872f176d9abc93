import type { KafkaMessage } from 'kafkajs'
import type { MakeProblem } from '../domain/problem.ts'
import type { Log, LogProgress } from '../domain/progress.ts'
import type { Registered } from '../domain/request.ts'
import type { Logger } from '../logger.ts'
import { logOutcome } from '../outcome-log.ts'
import type { Register } from '../register.ts'
import type { Chunk } from './chunks.ts'
import { type DeadLetterCause, deadLetter, decodeRecord, replyMessage } from './messages.ts'
import type { Addressed, Publisher } from './publish.ts'
import { undecodableBatch } from './record-batches.ts'
import type { TopicNames } from './topics.ts'

/** What a worker has done with a chunk, in this order. */
export type Step = 'fetched' | 'stored' | 'parked' | 'announced' | 'resolved'

export interface SettleParts {
  register: Register
  moveProgress: (progress: LogProgress) => Promise<void>
  publisher: Pick<Publisher, 'park' | 'sendAll'>
  topics: TopicNames
  makeProblem: MakeProblem
  log: Logger
  onStep: (step: Step) => void
}

/** Settles one chunk: decode, register, then park and reply. When it returns, the chunk's offset is safe to commit. */
export function settleWith({
  register,
  moveProgress,
  publisher,
  topics,
  makeProblem,
  log,
  onStep,
}: SettleParts) {
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
    const replies: Addressed[] = []
    for (const { record, request, unreadable } of decoded) {
      const outcome = request ? outcomes.next().value : undefined
      const cause = unreadable ?? causeOf(outcome)
      if (cause) letters.push(park(record, from, cause, attempts, outcome?.requestId))
      if (!outcome) continue
      logOutcome(log, 'async', outcome)
      replies.push({ topic: topics.replies, message: replyMessage(outcome, makeProblem) })
    }
    await publisher.park(letters)
    onStep('parked')
    await publisher.sendAll(replies)
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
    return { topic: topics.deadLetters, message: deadLetter(record, from, { cause, attempts, requestId }) }
  }
}

function causeOf(outcome: Registered | undefined): DeadLetterCause | undefined {
  return outcome?.outcome === 'failed' ? { class: 'failed', code: outcome.failure } : undefined
}
