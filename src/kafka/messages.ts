import type { IHeaders, KafkaMessage, Message } from 'kafkajs'
import { type Rejection, readBody } from '../domain/body.ts'
import { documentOf } from '../domain/document.ts'
import { eventRequestId, isUuid, positionalRequestId, replyId } from '../domain/ids.ts'
import type { MakeProblem } from '../domain/problem.ts'
import type { Log } from '../domain/progress.ts'
import type { InvalidRequest, RegistrationRequest, Settled } from '../domain/request.ts'
import { undecodableBatch } from './record-batches.ts'

/** The types of the two events, as CloudEvents 1.0 names them. Another major version is another type. */
export const EVENT_TYPES = {
  requested: 'io.workflow-registrar.registration.requested.v1',
  completed: 'io.workflow-registrar.registration.completed.v1',
} as const

const SOURCE = '/workflow-registrar'

/** What an ingress has accepted and puts on the request topic. */
export interface AcceptedRequest {
  requestId: string
  idempotencyKey: string | null
  workflowName: string
  acceptedAt: Date
  body: Buffer
}

/** A CloudEvent in binary mode. The record's timestamp is the time of acceptance. */
export function requestMessage(request: AcceptedRequest): Message {
  return {
    key: request.workflowName,
    value: request.body,
    timestamp: String(request.acceptedAt.getTime()),
    headers: {
      ...eventHeaders(EVENT_TYPES.requested, request.requestId, request.acceptedAt),
      ...(request.idempotencyKey && { 'idempotency-key': request.idempotencyKey }),
    },
  }
}

/** The reply to a request: its document, with an id that stays the same however often it is sent. */
export function replyMessage(settled: Settled, makeProblem: MakeProblem): Message {
  const { requestId, fingerprint, workflowName, version, completedAt } = settled
  return {
    key: workflowName,
    value: JSON.stringify(documentOf(settled, makeProblem)),
    headers: {
      ...eventHeaders(EVENT_TYPES.completed, replyId(requestId, fingerprint), completedAt),
      ...(workflowName !== null && version !== null && { ce_subject: `${workflowName}@${version}` }),
      ce_causationid: requestId,
      'request-id': requestId,
      outcome: settled.outcome,
    },
  }
}

function eventHeaders(type: string, id: string, time: Date): IHeaders {
  return {
    'content-type': 'application/json',
    ce_specversion: '1.0',
    ce_type: type,
    ce_source: SOURCE,
    ce_id: id,
    ce_time: time.toISOString(),
  }
}

/** A record, read. What is unreadable is a dead letter; it has an outcome as well if it brought an id. */
export type Decoded =
  | { request: RegistrationRequest; unreadable?: undefined }
  | { request: InvalidRequest | null; unreadable: DeadLetterCause }

/** Reads one record of the request topic. Never throws. */
export function decodeRecord(record: KafkaMessage, log: Log): Decoded {
  if (undecodableBatch(record)) return { request: null, unreadable: unreadable('undecodable batch') }
  const value = record.value ?? Buffer.alloc(0)
  const body = readBody(value)
  const ownId = idOf(record)
  const common = {
    requestId: ownId ?? positionalId(record, log),
    fingerprint: body.fingerprint,
    acceptedAt: timeOf(record),
  }
  const type = header(record, 'ce_type')
  if (type !== undefined && type !== EVENT_TYPES.requested) {
    const rejection: Rejection = {
      reason: 'validation-error',
      errors: [{ pointer: '', detail: `is not an event of type ${EVENT_TYPES.requested}` }],
    }
    const request: InvalidRequest = {
      ...common,
      idempotencyKey: null,
      rejection,
      workflowName: null,
      version: null,
    }
    return { request: ownId ? request : null, unreadable: unreadable('unknown event type') }
  }
  if (body.kind === 'valid') {
    const key = header(record, 'idempotency-key')
    const idempotencyKey = key !== undefined && isUuid(key) ? key.toLowerCase() : null
    return { request: { ...common, idempotencyKey, workflow: body.workflow } }
  }
  const { rejection, workflowName, version } = body
  const request: InvalidRequest = { ...common, idempotencyKey: null, rejection, workflowName, version }
  if (body.kind === 'invalid') return { request }
  return {
    request: ownId ? request : null,
    unreadable: unreadable(record.value === null ? 'tombstone' : 'not JSON'),
  }
}

function positionalId({ offset, timestamp }: KafkaMessage, log: Log): string {
  return positionalRequestId({ ...log, offset, timestamp })
}

/** The request id that a record brings: the id of a CloudEvent, or the header of a plain record. */
function idOf(record: KafkaMessage): string | undefined {
  const eventId = header(record, 'ce_id')
  if (eventId) return eventRequestId(header(record, 'ce_source') ?? '', eventId)
  const requestId = header(record, 'request-id')
  return requestId ? eventRequestId('', requestId) : undefined
}

/** When the record was made, as far as its timestamp is a time at all. */
function timeOf(record: KafkaMessage): Date {
  const ms = Number(record.timestamp)
  return ms > 0 && ms < 253_402_300_800_000 ? new Date(ms) : new Date()
}

function header(record: KafkaMessage, name: string): string | undefined {
  const value = record.headers?.[name]
  return (Array.isArray(value) ? value[0] : value)?.toString()
}

/** Why a record is a dead letter: it could not be read, or the database refused it with `code`. */
export interface DeadLetterCause {
  class: 'unreadable' | 'failed'
  code: string | null
}

function unreadable(code: string): DeadLetterCause {
  return { class: 'unreadable', code }
}

/** The headers of a dead letter, beside those that the record came with. */
export const DEAD_LETTER_HEADERS = {
  class: 'dead-letter-class',
  code: 'dead-letter-code',
  requestId: 'dead-letter-request-id',
  topic: 'dead-letter-topic',
  partition: 'dead-letter-partition',
  offset: 'dead-letter-offset',
  timestamp: 'dead-letter-timestamp',
  /** For a batch that is parked whole, as the raw bytes of the log: where it begins, and how many offsets it takes. */
  baseOffset: 'dead-letter-base-offset',
  count: 'dead-letter-count',
  attempts: 'dead-letter-attempts',
  time: 'dead-letter-time',
} as const

/** A record as it came, with why it is here and where it came from. */
export function deadLetter(
  record: KafkaMessage,
  from: Log,
  {
    cause,
    attempts,
    requestId,
  }: { cause: DeadLetterCause; attempts: number; requestId?: string | undefined },
): Message {
  const batch = undecodableBatch(record)
  const said: Record<keyof typeof DEAD_LETTER_HEADERS, string | null | undefined> = {
    class: cause.class,
    code: cause.code,
    requestId: requestId ?? positionalId(record, from),
    topic: from.topic,
    partition: String(from.partition),
    offset: record.offset,
    timestamp: record.timestamp,
    baseOffset: batch?.baseOffset,
    count: batch?.count.toString(),
    attempts: String(attempts),
    time: new Date().toISOString(),
  }
  const headers = sendable(record.headers ?? {})
  for (const [name, header] of Object.entries(DEAD_LETTER_HEADERS)) {
    const value = said[name as keyof typeof said]
    if (value) headers[header] = value
  }
  return { key: record.key, value: record.value, headers }
}

/** The same headers with an empty value for one that has none, which kafkajs reads but cannot write. */
function sendable(headers: IHeaders): IHeaders {
  const empty = Buffer.alloc(0)
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.map((one) => one ?? empty) : (value ?? empty),
    ]),
  )
}
