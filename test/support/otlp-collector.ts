import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { inspect } from './leaks.ts'

/** A span as a collector gets it. */
export interface CollectedSpan {
  name: string
  kind: string
  traceId: string
  spanId: string
  /** Empty where it begins the trace. */
  parentSpanId: string
  attributes: Record<string, unknown>
  failed: boolean
  service: unknown
}

export interface Collector {
  /** What OTEL_EXPORTER_OTLP_ENDPOINT is to be. */
  url: string
  /** Every span so far, in the order that they came. */
  spans: CollectedSpan[]
  /** The headers of each delivery, also of those that it did not answer. */
  deliveries: http.IncomingHttpHeaders[]
  /** All that came, as it was written. */
  text(): string
  /** From now on it takes what comes, and never answers. */
  fallSilent(): void
  close(): Promise<void>
}

/** A collector of traces: OTLP over HTTP, as JSON. */
export async function startCollector(port = 0): Promise<Collector> {
  const spans: CollectedSpan[] = []
  const received: unknown[] = []
  const deliveries: http.IncomingHttpHeaders[] = []
  let isSilent = false
  const server = http.createServer(async (request, response) => {
    deliveries.push(request.headers)
    if (isSilent) return
    const delivery = (await json(request)) as Delivery
    if (request.method !== 'POST' || request.url !== '/v1/traces') return void response.writeHead(404).end()
    inspect('trace', JSON.stringify(delivery))
    received.push(delivery)
    spans.push(...spansIn(delivery))
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${address.port}`,
    spans,
    deliveries,
    text: () => JSON.stringify(received),
    fallSilent() {
      isSilent = true
    },
    async close() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

interface Attribute {
  key: string
  value: Record<string, unknown>
}

interface Delivery {
  resourceSpans: {
    resource: { attributes: Attribute[] }
    scopeSpans: {
      spans: (Pick<CollectedSpan, 'name' | 'traceId' | 'spanId'> & {
        parentSpanId?: string
        kind: number
        attributes: Attribute[]
        status: { code: number }
      })[]
    }[]
  }[]
}

/** As the protocol numbers them, from 1. */
const KINDS = ['internal', 'server', 'client', 'producer', 'consumer']
const ERROR = 2

function spansIn({ resourceSpans }: Delivery): CollectedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map(({ name, traceId, spanId, parentSpanId = '', kind, attributes, status }) => ({
        ...{ name, traceId, spanId, parentSpanId },
        kind: KINDS[kind - 1]!,
        attributes: valuesOf(attributes),
        failed: status.code === ERROR,
        service: valuesOf(resource.attributes)['service.name'],
      })),
    ),
  )
}

function valuesOf(attributes: readonly Attribute[]): Record<string, unknown> {
  return Object.fromEntries(
    attributes.map(({ key, value: { intValue, ...value } }) => [
      key,
      intValue === undefined ? Object.values(value)[0] : Number(intValue),
    ]),
  )
}
