import type { Door } from './domain/door.ts'
import type { Outcome } from './domain/outcome.ts'
import type { NamedRequest } from './domain/request.ts'
import type { TraceContext } from './domain/trace-context.ts'
import { type ErrorNames, errorNames } from './logger.ts'

/** What kind of a step a span is, as OpenTelemetry tells them apart. */
export type SpanKind = 'server' | 'producer' | 'consumer' | 'internal'

/** What a span tells beside its name. Never a payload, a header or the message of an error. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean | undefined>>

export interface SpanStart {
  name: string
  kind: SpanKind
  attributes?: SpanAttributes
}

/** A step of a trace that is under way. */
export interface Span {
  /** What is passed on to whoever goes on with the trace. */
  readonly context: TraceContext
  /** Begins a step of this one. */
  begin(start: SpanStart): Span
  set(attributes: SpanAttributes): void
  /** Has it be another step than it began as, of the same kind. */
  become(start: SpanStart): void
  fail(names: Pick<ErrorNames, 'type' | 'code'>): void
  end(): void
}

/** Runs a step as a span, which ends with it; as no span where there is none. */
export function traced<T>(span: Span | undefined, step: () => Promise<T>): Promise<T> {
  return span ? tracedTogether([span], step) : step()
}

/** Runs what is a step of several traces. */
export async function tracedTogether<T>(spans: readonly Span[], step: () => Promise<T>): Promise<T> {
  try {
    return await step()
  } catch (error) {
    const names = errorNames(error)
    for (const span of spans) span.fail(names)
    throw error
  } finally {
    for (const span of spans) span.end()
  }
}

/** The storing of requests. */
export function registering(requests: number): SpanStart {
  return { name: 'register', kind: 'internal', attributes: { 'registrar.batch_size': requests } }
}

/** What a span tells of a request: what a log line tells, too. */
export function requestAttributes(
  door: Door,
  request: Pick<NamedRequest, 'requestId' | 'workflowName' | 'version'> & { outcome?: Outcome },
): SpanAttributes {
  return {
    'registrar.door': door,
    'registrar.request_id': request.requestId,
    'registrar.workflow_name': request.workflowName ?? undefined,
    'registrar.version': request.version ?? undefined,
    'registrar.outcome': request.outcome,
  }
}
