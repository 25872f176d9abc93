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
  /** How much of what begins a trace here is traced, from 0 to 1. */
  ratio?: number
  log: Pick<Logger, 'info' | 'warn'>
  serviceName?: string
}

/** How often it is told, at most, that there is more than can be delivered. */
const DROPPED_INTERVAL_MS = 60_000

/** What is not delivered is lost: a collector that is away costs a line in the log, and nothing else waits for it. */
export async function openTracing({
  endpoint,
  ratio = 1,
  log,
  serviceName = 'workflow-registrar',
}: TracingOptions): Promise<Tracing | undefined> {
  if (endpoint === undefined) return undefined
  const { openSdk } = await import('./tracing-sdk.ts')
  let isLosing = false
  let dropped = 0
  let telling: NodeJS.Timeout | undefined

  function tellDropped() {
    clearTimeout(telling)
    telling = undefined
    if (dropped > 0) log.warn({ spans: dropped }, 'spans are dropped: there are more than can be delivered')
    dropped = 0
  }

  const sdk = openSdk({
    url: `${endpoint.replace(/\/+$/, '')}/v1/traces`,
    serviceName,
    onExport(error) {
      if (error && !isLosing) log.warn({ err: error }, 'traces are lost: the collector does not take them')
      if (!error && isLosing) log.info('the collector takes traces again')
      isLosing = error !== undefined
    },
    onDrop() {
      dropped += 1
      telling ??= setTimeout(tellDropped, DROPPED_INTERVAL_MS).unref()
    },
  })
  return {
    begin(start, caller) {
      const isWanted = caller ? isSampled(caller) : Math.random() < ratio
      return isWanted ? sdk.begin(start, caller) : undefined
    },
    async close() {
      tellDropped()
      if (!isLosing) await sdk.close()
    },
  }
}
