import { ROOT_CONTEXT, SpanKind, SpanStatusCode, TraceFlags, trace } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import {
  detectResources,
  resourceAttributesEnvDetector,
  resourceFromAttributes,
  serviceNameEnvDetector,
} from '@opentelemetry/resources'
import {
  BatchSpanProcessor,
  type ReadableSpan,
  type SpanExporter,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import { spanIn, type TraceContext, traceparentOf } from './domain/trace-context.ts'
import type { Span, SpanStart, SpanKind as StartKind } from './span.ts'

/*
 * Everything of OpenTelemetry's SDK that there is, and a file of its own in a build: it is loaded only where something is
 * traced. It has to bring all that it needs, so it imports no more of ours than a few pure functions.
 */

const KINDS: Record<StartKind, SpanKind> = {
  server: SpanKind.SERVER,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
  internal: SpanKind.INTERNAL,
}

/** A span waits so long for others to be sent with. */
const BATCH_DELAY_MS = 1_000

/** So long one delivery is tried. */
const EXPORT_TIMEOUT_MS = 2_000

/** So many wait for a delivery meanwhile. */
const WAITING_SPANS = 2_048

/** So long the end waits for what is left. */
const CLOSE_TIMEOUT_MS = 2_000

export interface SdkOptions {
  url: string
  serviceName: string
  /** Told of each delivery, with what kept it from arriving. */
  onExport: (error: Error | undefined) => void
  /** Told of each span that there is no room for. */
  onDrop: () => void
}

export function openSdk({ url, serviceName, onExport, onDrop }: SdkOptions) {
  const named = resourceFromAttributes({ 'service.name': serviceName })
  const given = detectResources({ detectors: [resourceAttributesEnvDetector, serviceNameEnvDetector] })
  const exporter = new OTLPTraceExporter({ url, timeoutMillis: EXPORT_TIMEOUT_MS })
  const provider = new TracerProvider({
    resource: named.merge(given),
    spanProcessors: [new Deliveries(exporter, onExport, onDrop)],
  })
  const tracer = provider.getTracer('workflow-registrar')

  /** The state of a trace is the caller's own: it is passed on, and never exported. */
  function begin(
    { name, kind, attributes }: SpanStart,
    parent: TraceContext | undefined,
    isRemote = true,
  ): Span {
    const from = parent
      ? trace.setSpanContext(ROOT_CONTEXT, { ...spanIn(parent), traceFlags: TraceFlags.SAMPLED, isRemote })
      : ROOT_CONTEXT
    const span = tracer.startSpan(name, { kind: KINDS[kind], ...(attributes && { attributes }) }, from)
    const context: TraceContext = {
      traceparent: traceparentOf(span.spanContext()),
      ...(parent?.tracestate !== undefined && { tracestate: parent.tracestate }),
    }
    return {
      context,
      begin: (start) => begin(start, context, false),
      set: (attributes) => void span.setAttributes({ ...attributes }),
      become({ name, attributes }) {
        span.updateName(name)
        span.setAttributes({ ...attributes })
      },
      fail({ type, code }) {
        span.setStatus({ code: SpanStatusCode.ERROR })
        span.setAttributes({ 'error.type': type, 'error.code': code })
      },
      end: () => span.end(),
    }
  }

  async function close() {
    const deadline = Promise.withResolvers<void>()
    const timer = setTimeout(deadline.resolve, CLOSE_TIMEOUT_MS)
    await Promise.race([provider.shutdown().catch(() => {}), deadline.promise])
    clearTimeout(timer)
  }

  return { begin, close }
}

/** Delivers spans together, and tells of those that it has no room for. */
class Deliveries extends BatchSpanProcessor {
  #waiting = 0
  readonly #onDrop: () => void

  constructor(exporter: SpanExporter, onExport: SdkOptions['onExport'], onDrop: SdkOptions['onDrop']) {
    super({
      exporter: {
        export: (spans, done) => {
          this.#waiting -= spans.length
          exporter.export(spans, (result) => {
            onExport(result.error)
            done(result)
          })
        },
        shutdown: () => exporter.shutdown(),
      },
      scheduledDelayMillis: BATCH_DELAY_MS,
      maxQueueSize: WAITING_SPANS,
    })
    this.#onDrop = onDrop
  }

  override onEnd(span: ReadableSpan): void {
    if (this.#waiting < WAITING_SPANS) {
      this.#waiting += 1
      super.onEnd(span)
    } else this.#onDrop()
  }
}
