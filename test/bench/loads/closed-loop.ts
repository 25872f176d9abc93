import autocannon from 'autocannon'
import { median, quantile } from '../figure.ts'

export interface ClosedLoop {
  url: string
  callers: number
  seconds: number
  /** The body of each request. */
  body: () => string
  headers?: Record<string, string>
  /** What each answer must be. */
  status: number
}

export interface Load {
  answers: number
  perSecond: number
  p50Ms: number
  p99Ms: number
}

/** So many callers, each sending again as soon as it has its answer. Throws when an answer is not as it should be. */
export async function closedLoop({
  url,
  callers,
  seconds,
  body,
  headers = {},
  status,
}: ClosedLoop): Promise<Load> {
  const latencies: number[] = [] // its own histogram has whole milliseconds
  const result = await autocannon({
    url,
    connections: callers,
    duration: seconds,
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    setupClient(client) {
      client.setBody(body())
      client.on('response', (_status, _bytes, latencyMs) => {
        latencies.push(latencyMs)
        client.setBody(body())
      })
    },
  })
  const wrong = Object.entries(result.statusCodeStats ?? {}).filter(([code]) => code !== String(status))
  if (wrong.length > 0 || result.errors > 0)
    throw new Error(
      `${url} answered ${JSON.stringify(result.statusCodeStats)}, and ${result.errors} not at all`,
    )
  return {
    answers: latencies.length,
    perSecond: result.requests.total / result.duration,
    p50Ms: median(latencies),
    p99Ms: quantile(latencies, 0.99),
  }
}
