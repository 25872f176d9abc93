import pino from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { problemsAt } from '../../src/domain/problem.ts'
import { OVERLOAD_LIMITS } from '../../src/http/overload.ts'
import { buildServer } from '../../src/http/server.ts'
import type { Span } from '../../src/span.ts'
import { until } from '../support/until.ts'

/** The door, and the names of the spans that began at it. */
async function doorWith(parts: Partial<Parameters<typeof buildServer>[0]>) {
  const names: string[] = []
  const span: Span = {
    context: { traceparent: '' },
    begin: () => span,
    ...{ set() {}, become() {}, fail() {}, end() {} },
  }
  const app = await buildServer({
    routes: [
      async (app) => {
        app.post('/api/v1/workflows', { config: { scope: 'workflows:write' } }, async () => ({}))
      },
    ],
    makeProblem: problemsAt('https://problems.test'),
    log: pino({ level: 'silent' }),
    tracing: {
      begin({ name }) {
        names.push(name)
        return span
      },
      close: async () => {},
    },
    ...parts,
  })
  onTestFinished(() => app.close())
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  const ask = async () => (await fetch(`${url}/api/v1/workflows`, { method: 'POST' })).status
  return { names, ask }
}

test('a request that is let in is traced', async () => {
  const { names, ask } = await doorWith({})
  expect(await ask()).toBe(200)
  expect(names).toEqual(['POST /api/v1/workflows'])
})

test('a request that is let in by nobody begins no trace', async () => {
  const { names, ask } = await doorWith({ readToken: () => Promise.reject(new Error('nobody asks')) })
  expect(await ask()).toBe(401)
  expect(names).toEqual([])
})

test('a request that is too much begins no trace', async () => {
  const { names, ask } = await doorWith({ overload: { ...OVERLOAD_LIMITS, heapBytes: 1 } })
  await until('a refusal', async () => (await ask()) === 503)
  const before = names.length
  expect(await ask()).toBe(503)
  expect(names).toHaveLength(before)
})
