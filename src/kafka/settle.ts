import type { KafkaMessage, Message } from 'kafkajs'
import { Fault } from '../domain/fault.ts'
import type { MakeProblem } from '../domain/problem.ts'
import type { Log, LogProgress } from '../domain/progress.ts'
import type { Registered, RegistrationRequest } from '../domain/request.ts'
import type { TraceContext } from '../domain/trace-context.ts'
import type { Logger } from '../logger.ts'
import type { TellOutcome } from '../outcome-log.ts'
import { type Register, unlessFault } from '../register.ts'
import { registering, requestAttributes, type Span, tracedTogether } from '../span.ts'
import type { Tracing } from '../tracing.ts'
import type { Chunk } from './chunks.ts'
import { type DeadLetterCause, type DeadLetterClass, deadLetter, smallerDeadLetter } from './dead-letter.ts'
import { type Decoded, decodeRecord } from './decode.ts'
import { type Addressed, type Publisher, PublishFailure } from './publish.ts'
import { undecodableBatch } from './record-batches.ts'
import { deadLetterNames, processing, sending } from './record-spans.ts'
import { rememberedRecords } from './remembered.ts'
import { type Replies, replyFor } from './replies.ts'
import type { ReplyTo } from './reply-to.ts'

/** What a worker has done with a chunk, in this order. */
export type Step = 'fetched' | 'stored' | 'parked' | 'announced' | 'settled'

export interface SettleParts {
  register: Register
  moveProgress: (progress: readonly LogProgress[]) => Promise<void>
  /** Where dead letters go. */
  deadLetterTopic: string
  publisher: Pick<Publisher, 'sendAll'>
  replies: Pick<Replies, 'send' | 'topicFor'>
  /** Told each record whose outcome is stored, once however often its reply is tried. */
  tellOutcome: TellOutcome
  /** Told each record that is on the dead-letter topic now. */
  onParked: (deadLetterClass: DeadLetterClass) => void
  makeProblem: MakeProblem
  log: Logger
  tracing?: Tracing | undefined
  onStep: (step: Step) => void
}

/** A chunk, and where it stands in its log. */
export interface PlacedChunk {
  chunk: Chunk
  from: Omit<LogProgress, 'nextOffset'>
  /** How often it is tried with this. */
  attempts: number
}

/** A record in hand, read. */
type Taken = Decoded & { record: KafkaMessage; from: Log; attempts: number; span?: Span }
type Requested = Taken & { request: RegistrationRequest }

function isRequested(taken: Taken): taken is Requested {
  return taken.request !== null
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
  tellOutcome,
  onParked,
  makeProblem,
  log,
  tracing,
  onStep,
}: SettleParts): Settle {
  /** The records that are parked, though their chunk is not settled yet. */
  const parkedBefore = rememberedRecords()
  /** Those that were told of. */
  const toldBefore = rememberedRecords()

  return async function settle(placed) {
    onStep('fetched')
    const decoded = placed.flatMap(({ chunk, from, attempts }) =>
      chunk.records.map((record) => begun({ record, from, attempts, ...decodeRecord(record, from) })),
    )
    await tracedTogether(spansOf(decoded), () => settleDecoded(placed, decoded))
  }

  /** With a span where the record is in a trace; of its own it begins none. */
  function begun(taken: Taken): Taken {
    const span = taken.trace && tracing?.begin(processing(taken.from, taken.record), taken.trace)
    return span ? { ...taken, span } : taken
  }

  function spansOf(traced: readonly { span?: Span | undefined }[]): Span[] {
    return tracing ? traced.flatMap(({ span }) => span ?? []) : []
  }

  async function settleDecoded(placed: readonly PlacedChunk[], decoded: readonly Taken[]) {
    const progress = placed.map(({ chunk: { nextOffset }, from }) => ({ ...from, nextOffset }))
    const requested = decoded.filter(isRequested)
    const registered = await tracedTogether(
      spansOf(decoded).map((span) => span.begin(registering(requested.length))),
      () => registerAll(requested, progress),
    )
    if (requested.length === 0) await moveProgress(progress)
    onStep('stored')

    const outcomes = registered.values()
    const letters: Letter[] = []
    const answered: Answered[] = []
    for (const { record, from, attempts, request, unreadable, replyTo, trace, span } of decoded) {
      const outcome = request ? outcomes.next().value : undefined
      const cause = unreadable ?? causeOf(outcome)
      const { partition } = from
      if (outcome) span?.set(requestAttributes('async', outcome))
      if (cause) span?.fail(deadLetterNames(cause))
      if (cause && !parkedBefore.has(partition, record))
        letters.push({
          letter: park(record, from, cause, attempts, outcome?.requestId),
          ...{ record, partition, class: cause.class },
        })
      if (!outcome || !replyTo) continue
      if (!toldBefore.has(partition, record)) tellOutcome(log, outcome)
      answered.push({ outcome, replyTo, trace, span })
    }
    try {
      await parkAll(letters)
      onStep('parked')
      await reply(answered)
    } catch (error) {
      for (const { record, from } of decoded) toldBefore.add(from.partition, record)
      throw error
    }
    for (const { from } of placed) {
      parkedBefore.forget(from.partition)
      toldBefore.forget(from.partition)
    }
    onStep('announced')
  }

  /** Throws what keeps any of them from an outcome. Those that have one by then are told of, as they are stored. */
  async function registerAll(requested: readonly Requested[], progress: readonly LogProgress[]) {
    const answers = await register(
      requested.map(({ request }) => request),
      progress,
    )
    if (answers.some((answer) => answer instanceof Fault))
      for (const [index, { record, from }] of requested.entries()) {
        const answer = answers[index]!
        if (answer instanceof Fault || toldBefore.has(from.partition, record)) continue
        tellOutcome(log, answer)
        toldBefore.add(from.partition, record)
      }
    return answers.map(unlessFault)
  }

  async function parkAll(letters: readonly Letter[]) {
    const left = new Set(
      await publisher.sendAll(
        letters.map(({ letter }) => letter),
        { compress: true },
      ),
    )
    for (const { letter, record, partition, class: deadLetterClass } of letters) {
      if (left.has(letter)) continue
      parkedBefore.add(partition, record)
      onParked(deadLetterClass)
    }
    if (left.size > 0) throw new PublishFailure(`The topic ${deadLetterTopic} takes no dead letter at all`)
  }

  async function reply(answered: readonly Answered[]) {
    const due = answered.map(({ outcome, replyTo, trace, span }) => {
      const sent = span?.begin(sending(replies.topicFor(replyTo.destination)))
      return replyFor({ settled: outcome, replyTo, trace: sent?.context ?? trace, makeProblem }, sent)
    })
    await tracedTogether(spansOf(due), () => replies.send(due))
  }

  function park(
    record: KafkaMessage,
    from: Log,
    cause: DeadLetterCause,
    attempts: number,
    requestId?: string,
  ) {
    const { topic, partition } = from
    const level = undecodableBatch(record) ? 'error' : 'warn' // many requests may be in it
    if (!toldBefore.has(partition, record))
      log[level]({ topic, partition, offset: record.offset, request_id: requestId, ...cause }, 'dead letter')
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

/** A record on its way to the dead-letter topic. */
interface Letter {
  letter: Addressed
  record: KafkaMessage
  partition: number
  class: DeadLetterClass
}

/** A request whose outcome is due to whoever sent it. */
interface Answered {
  outcome: Registered
  replyTo: ReplyTo
  trace: TraceContext | undefined
  span: Span | undefined
}

function causeOf(outcome: Registered | undefined): DeadLetterCause | undefined {
  return outcome?.outcome === 'failed' ? { class: 'failed', code: outcome.failure, detail: null } : undefined
}
