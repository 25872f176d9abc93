import type { IHeaders, Message } from 'kafkajs'
import { documentOf, documentWithoutDetails } from '../domain/document.ts'
import { replyId } from '../domain/ids.ts'
import type { MakeProblem } from '../domain/problem.ts'
import type { Settled } from '../domain/request.ts'
import type { TraceContext } from '../domain/trace-context.ts'
import { EVENT_SOURCE, EVENT_TYPES, type ReplyFallback } from './events.ts'
import type { ReplyTo } from './reply-to.ts'

/** What an ingress has accepted and puts on the request topic. */
export interface AcceptedRequest {
  requestId: string
  idempotencyKey: string | null
  principal: string | null
  workflowName: string
  acceptedAt: Date
  body: Buffer
  trace: TraceContext | undefined
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
      ...(request.principal !== null && { principal: request.principal }),
      ...request.trace,
    },
  }
}

export interface ReplyParts {
  settled: Settled
  replyTo: ReplyTo
  /** The trace that goes on with the reply. */
  trace?: TraceContext | undefined
  makeProblem: MakeProblem
}

/** The reply to a request: its document, with an id that stays the same however often it is sent. */
export function replyMessage({
  settled,
  replyTo: { correlationId, echo },
  trace,
  makeProblem,
}: ReplyParts): Message {
  const { requestId, fingerprint, workflowName, version, completedAt } = settled
  return {
    key: workflowName ?? requestId, // a compacted topic refuses what has none
    value: JSON.stringify(documentOf(settled, makeProblem)),
    headers: {
      ...echo,
      ...trace,
      ...eventHeaders(EVENT_TYPES.completed, replyId(requestId, fingerprint), completedAt),
      ...(workflowName !== null && version !== null && { ce_subject: `${workflowName}@${version}` }),
      ce_correlationid: correlationId ?? requestId,
      ce_causationid: requestId,
      'request-id': requestId,
      outcome: settled.outcome,
    },
  }
}

/** The same reply without its details, which the status has; undefined when it has none. */
export function withoutDetails(parts: ReplyParts): Message | undefined {
  const document = documentOf(parts.settled, parts.makeProblem)
  if (!document.problem?.errors) return undefined
  const whole = replyMessage(parts)
  return {
    ...whole,
    value: JSON.stringify(documentWithoutDetails(document)),
    headers: { ...whole.headers, 'details-omitted': 'true' },
  }
}

/** The least that a reply can be: without its details, and without what its request had it echo. */
export function withoutEcho({ settled, makeProblem }: ReplyParts): Message {
  const replyTo = { destination: undefined, correlationId: undefined, echo: {} }
  const parts = { settled, replyTo, makeProblem }
  const message = withoutDetails(parts) ?? replyMessage(parts)
  return { ...message, headers: { ...message.headers, 'echo-omitted': 'true' } }
}

/** The same reply for the default topic, saying why it is there. */
export function withFallback(message: Message, fallback: ReplyFallback): Message {
  return { ...message, headers: { ...message.headers, 'reply-fallback': fallback } }
}

function eventHeaders(type: string, id: string, time: Date): IHeaders {
  return {
    'content-type': 'application/json',
    ce_specversion: '1.0',
    ce_type: type,
    ce_source: EVENT_SOURCE,
    ce_id: id,
    ce_time: time.toISOString(),
  }
}
