import type { KafkaMessage } from 'kafkajs'
import { isPrincipal } from '../domain/access.ts'
import type { Rejection } from '../domain/body.ts'
import { fingerprintOfBytes } from '../domain/fingerprint.ts'
import { eventRequestId, isUuid, positionalRequestId } from '../domain/ids.ts'
import type { Log } from '../domain/progress.ts'
import type { InvalidRequest, RegistrationRequest } from '../domain/request.ts'
import type { TraceContext } from '../domain/trace-context.ts'
import { utf8Text } from '../domain/utf8.ts'
import type { DeadLetterCause } from './dead-letter.ts'
import { headerBytes, headerText, MAX_TEXT_BYTES } from './headers.ts'
import { undecodableBatch } from './record-batches.ts'
import { type ReplyTo, replyToOf, traceOf } from './reply-to.ts'
import { readRequestEvent, type Unreadable } from './request-event.ts'

/** A record, read. What is unreadable is a dead letter; it has an outcome as well if it brought an id. */
export type Decoded = { trace?: TraceContext | undefined } & (
  | { request: RegistrationRequest; replyTo: ReplyTo; unreadable?: undefined }
  | { request: InvalidRequest; replyTo: ReplyTo; unreadable: DeadLetterCause }
  | { request: null; replyTo?: undefined; unreadable: DeadLetterCause }
)

/** Reads one record of the request topic. Never throws. */
export function decodeRecord(record: KafkaMessage, log: Log): Decoded {
  if (undecodableBatch(record))
    return { request: null, unreadable: { class: 'unreadable', code: 'undecodable batch', detail: null } }
  const event = readRequestEvent(record)
  const { id, body } = event
  const { offset, timestamp } = record
  const principal = principalOf(record)
  const common = {
    requestId: id ? eventRequestId(id.source, id.id) : positionalRequestId({ ...log, offset, timestamp }),
    fingerprint: body.fingerprint,
    principal: principal ?? null,
    acceptedAt: timeOf(record),
  }
  const replyTo = replyToOf(record, event)
  const trace = traceOf(record, event)
  const fault = event.unreadable ?? (principal === undefined ? GARBLED_PRINCIPAL : undefined)
  if (fault) {
    const unreadable: DeadLetterCause = { class: 'unreadable', ...fault }
    if (!id) return { request: null, trace, unreadable }
    return { request: { ...common, ...unjudged(fault, record) }, replyTo, trace, unreadable }
  }
  if (body.kind === 'valid') {
    const key = headerText(record, 'idempotency-key')
    const idempotencyKey = key !== undefined && isUuid(key) ? key.toLowerCase() : null
    return { request: { ...common, idempotencyKey, workflow: body.workflow }, replyTo, trace }
  }
  const { rejection, workflowName, version } = body
  return { request: { ...common, idempotencyKey: null, rejection, workflowName, version }, replyTo, trace }
}

/** How a request is told that is lost before anybody looks at its body, which may be that of a request that is not. */
function unjudged({ code, detail }: Unreadable, { value }: KafkaMessage) {
  const rejection: Rejection = { reason: 'validation-error', errors: [{ pointer: '', detail }] }
  const fingerprint = fingerprintOfBytes(Buffer.concat([Buffer.from(`${code}\n`), value ?? Buffer.alloc(0)]))
  return { fingerprint, idempotencyKey: null, rejection, workflowName: null, version: null }
}

/** Who asked, as the record says; null where it does not say, undefined where that can be nobody's name. */
function principalOf(record: KafkaMessage): string | null | undefined {
  const bytes = headerBytes(record, 'principal')
  if (bytes === undefined) return null
  const text = bytes?.length <= MAX_TEXT_BYTES ? utf8Text(bytes) : undefined
  return isPrincipal(text) ? text : undefined
}

/** What belongs to nobody is for all to read: a name that got lost on the way is not to make it so. */
const GARBLED_PRINCIPAL: Unreadable = {
  code: 'unreadable principal',
  detail: 'has a principal that can name nobody',
}

/** When the record was made, as far as its timestamp is a time at all. */
function timeOf(record: KafkaMessage): Date {
  const ms = Number(record.timestamp)
  return ms > 0 && ms < 253_402_300_800_000 ? new Date(ms) : new Date()
}
