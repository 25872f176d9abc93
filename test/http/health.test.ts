import { expect, onTestFinished, test } from 'vitest'
import { problemsAt } from '../../src/domain/problem.ts'
import { type Check, healthRoutes, type Readiness } from '../../src/http/health.ts'
import { buildServer } from '../../src/http/server.ts'
import { createLogger } from '../../src/logger.ts'
import { get } from '../support/http.ts'

const makeProblem = problemsAt('https://problems.test')

const well: Check = async () => []
const ill =
  (...reasons: string[]): Check =>
  async () =>
    reasons

/** What the readiness of a process with these parts says. */
async function readinessOf(readiness: Readiness) {
  const routes = [healthRoutes({ ...readiness, makeProblem })]
  const app = await buildServer({ routes, makeProblem, log: createLogger('silent') })
  onTestFinished(() => app.close())
  return get(`${await app.listen({ host: '127.0.0.1', port: 0 })}/health/ready`)
}

const sync = ill('PostgreSQL is away')
const async = ill('Kafka is away')

test.each<[string, Readiness, unknown]>([
  ['doors that are open', { doors: { sync: well, async: well } }, { status: 'ready' }],
  [
    'doors of which one is shut',
    { doors: { sync, async: well } },
    { status: 'ready', shut: [{ door: 'sync', reasons: ['PostgreSQL is away'] }] },
  ],
  [
    'doors of which the other is shut',
    { doors: { sync: well, async } },
    { status: 'ready', shut: [{ door: 'async', reasons: ['Kafka is away'] }] },
  ],
  ['a worker that works', { worker: well }, { status: 'ready' }],
  ['a worker beside open doors', { worker: well, doors: { sync: well, async: well } }, { status: 'ready' }],
])('%s can do the job', async (_, readiness, body) => {
  expect(await readinessOf(readiness)).toMatchObject({ status: 200, body })
})

test.each<[string, Readiness, string]>([
  ['doors that are all shut', { doors: { sync, async } }, 'PostgreSQL is away; Kafka is away'],
  ['a worker that does not work', { worker: ill('one', 'two') }, 'one; two'],
  ['a worker beside a shut door', { worker: well, doors: { sync: well, async } }, 'Kafka is away'],
  [
    'doors beside a worker that waits',
    { worker: ill('it waits'), doors: { sync: well, async: well } },
    'it waits',
  ],
  ['one reason for both', { worker: async, doors: { sync: well, async } }, 'Kafka is away'],
])('%s cannot, and the reason is told once', async (_, readiness, detail) => {
  const { status, headers, body } = await readinessOf(readiness)
  expect(status).toBe(503)
  expect(headers.get('content-type')).toContain('application/problem+json')
  expect(body).toMatchObject({ title: 'Service Unavailable', detail })
})
