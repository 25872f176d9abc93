/** The trace that a request belongs to, and the step of it that it comes from (W3C Trace Context). */
export interface TraceContext {
  traceparent: string
  tracestate?: string
}

const TRACEPARENT =
  /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:(?<!^00.*)-[!-~]{1,200})?$/
const TRACESTATE = /^[\t\x20-\x7e]{1,512}$/

/** The trace that two headers tell. What is no trace is none: it is never a reason to refuse a request. */
export function readTraceContext(
  traceparent: string | undefined,
  tracestate: string | undefined,
): TraceContext | undefined {
  if (traceparent === undefined || !TRACEPARENT.test(traceparent)) return undefined
  return { traceparent, ...(tracestate !== undefined && TRACESTATE.test(tracestate) && { tracestate }) }
}

/** Whether its caller keeps the trace: if not, nobody else needs to. */
export function isSampled({ traceparent }: TraceContext): boolean {
  return (Number.parseInt(traceparent.slice(53, 55), 16) & 1) === 1
}

/** What names one step of a trace. */
export interface SpanName {
  traceId: string
  spanId: string
}

export function spanIn({ traceparent }: TraceContext): SpanName {
  return { traceId: traceparent.slice(3, 35), spanId: traceparent.slice(36, 52) }
}

/** What a step of a trace that is sampled tells the next one. */
export function traceparentOf({ traceId, spanId }: SpanName): string {
  return `00-${traceId}-${spanId}-01`
}
