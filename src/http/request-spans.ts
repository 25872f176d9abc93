import type { FastifyInstance, FastifyRequest } from 'fastify'
import { readTraceContext, type TraceContext } from '../domain/trace-context.ts'
import type { Span } from '../span.ts'
import type { Tracing } from '../tracing.ts'
import { REGISTERING } from './contract/registering.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Of a request at a door that is traced, from when it was let in to its answer. */
    span?: Span
  }
}

/** Nothing else is worth a trace. */
const DOORS: ReadonlySet<string> = new Set(REGISTERING.map(({ method, url }) => `${method} ${url}`))

/** Has each request that a door lets in be a span, in the trace of its caller. */
export function traceRequests(app: FastifyInstance, tracing: Tracing): void {
  app.addHook('onRequest', async (request, reply) => {
    const { method, routeOptions } = request
    const name = `${method} ${routeOptions.url}`
    if (!DOORS.has(name)) return
    const attributes = {
      'http.request.method': method,
      'http.route': routeOptions.url,
      'url.path': routeOptions.url,
      'url.scheme': 'http',
    }
    const span = tracing.begin({ name, kind: 'server', attributes }, traceOf(request))
    if (!span) return
    request.span = span
    // Whether it was answered, or its caller has left before.
    reply.raw.once('close', () => {
      const { statusCode } = reply
      if (!reply.raw.writableFinished) span.fail({ type: 'aborted', code: undefined })
      else span.set({ 'http.response.status_code': statusCode })
      if (statusCode >= 500) span.fail({ type: String(statusCode), code: undefined })
      span.end()
    })
  })
}

/** The trace of the caller. Of several `tracestate` headers the server makes one. */
export function traceOf({ headers: { traceparent, tracestate } }: FastifyRequest): TraceContext | undefined {
  const text = (header: string | string[] | undefined) => header?.toString()
  return readTraceContext(text(traceparent), text(tracestate))
}
