import { isSampled, type TraceContext } from './domain/trace-context.ts'
import type { Logger } from './logger.ts'
import type { Span, SpanStart } from './span.ts'

/** Undefined wherever nothing is traced. Who passes a span on says so: no context is kept behind the scenes. */
export interface Tracing {
  /**
   * Begins a span that goes on with the caller's trace, or a trace of its own where there is no caller's. Undefined where
   * that is not sampled.
   */
  begin(start: SpanStart, caller: TraceContext | undefined): Span | undefined
  /** Sends what has not been sent yet, unless the collector is away, as far as that can be done in time. Never rejects. */
  close(): Promise<void>
}

export interface TracingOptions {
  /** Where traces go, as OTLP over HTTP; undefined: nothing is traced, and none of the SDK is loaded. */
  endpoint: string | undefined
  log: Pick<Logger, 'info' | 'warn'>
  serviceName?: string
}

/** What is not delivered is lost: a collector that is away costs a line in the log, and nothing else waits for it. */
export async function openTracing({
  endpoint,
  log,
  serviceName = 'workflow-registrar',
}: TracingOptions): Promise<Tracing | undefined> {
  if (endpoint === undefined) return undefined
  const { openSdk } = await import('./tracing-sdk.ts')
  let isLosing = false
  const sdk = openSdk({
    url: `${endpoint.replace(/\/+$/, '')}/v1/traces`,
    serviceName,
    onExport(error) {
      if (error && !isLosing) log.warn({ err: error }, 'traces are lost: the collector does not take them')
      if (!error && isLosing) log.info('the collector takes traces again')
      isLosing = error !== undefined
    },
  })
  return {
    begin: (start, caller) => (caller && !isSampled(caller) ? undefined : sdk.begin(start, caller)),
    close: async () => (isLosing ? undefined : sdk.close()),
  }
}
