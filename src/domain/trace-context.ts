/** The trace that a request belongs to (W3C Trace Context). It is carried on as it is: nothing here adds a span. */
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
