import { once } from 'node:events'
import { createServer, type OutgoingHttpHeaders, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Logger } from '../logger.ts'

export interface MetricsServer {
  /** Where the metrics are. */
  url: string
  close(): Promise<void>
}

export interface MetricsServerParts {
  host: string
  port: number
  /** All metrics, as they are now. */
  text: () => Promise<string>
  contentType: string
  log: Pick<Logger, 'error'>
}

const PATH = '/metrics'

/** Whoever asks for metrics is quick, and asks for little. */
const REQUEST_TIMEOUT_MS = 5_000
const HEAD_BYTES = 8 * 1024
const CONNECTIONS = 32

/** Answers `GET /metrics`, and nothing else. Rejects when it cannot listen. */
export async function serveMetrics({
  host,
  port,
  text,
  contentType,
  log,
}: MetricsServerParts): Promise<MetricsServer> {
  const server = createServer(
    {
      maxHeaderSize: HEAD_BYTES,
      requestTimeout: REQUEST_TIMEOUT_MS,
      headersTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: REQUEST_TIMEOUT_MS,
    },
    (request, response) => {
      // A body is never read: what may follow is no request.
      if (request.headers['content-length'] ?? request.headers['transfer-encoding'])
        response.setHeader('connection', 'close')
      if (request.url?.split('?', 1)[0] !== PATH) return refuse(response, 404)
      if (request.method !== 'GET') return refuse(response, 405, { allow: 'GET' })
      text().then(
        (all) => response.writeHead(200, { 'content-type': contentType }).end(all),
        (error) => {
          log.error({ err: error }, 'cannot tell the metrics')
          refuse(response, 500)
        },
      )
    },
  )
  server.maxConnections = CONNECTIONS
  server.listen({ host, port })
  await once(server, 'listening')
  return {
    url: `${originOf(server)}${PATH}`,
    async close() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

function refuse(response: ServerResponse, status: number, headers: OutgoingHttpHeaders = {}) {
  response.writeHead(status, { 'content-length': 0, ...headers }).end()
}

function originOf(server: Server): string {
  const { address, family, port } = server.address() as AddressInfo
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`
}
