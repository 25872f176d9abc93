import type { FastifyPluginAsync } from 'fastify'
import pino from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { problemsAt } from '../../src/domain/problem.ts'
import { buildServer } from '../../src/http/server.ts'
import { dial, raw } from '../support/raw-http.ts'
import { until } from '../support/until.ts'

const makeProblem = problemsAt('https://problems.test')

/** A server with these routes, and what it told of each request. */
async function serverWith(
  routes: FastifyPluginAsync,
  timeouts: { requestTimeout?: number; headersTimeout?: number } = {},
) {
  const told: { operation: string; status: string; seconds: number | undefined }[] = []
  const app = await buildServer({
    routes: [routes],
    makeProblem,
    log: pino({ level: 'silent' }),
    onAnswered: (operation, status, seconds) => void told.push({ operation, status, seconds }),
  })
  onTestFinished(() => app.close())
  Object.assign(app.server, timeouts)
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  return { url, told, tellsOf: (count: number) => until('all requests', () => told.length >= count) }
}

const CONFIG = { config: { operation: 'doIt' } }

test('a request counts as its operation, with the status that it got', async () => {
  const { url, told, tellsOf } = await serverWith(async (app) => {
    app.get('/it', CONFIG, async () => 'done')
    app.post('/it', CONFIG, async () => Promise.reject(new Error('no')))
  })
  expect((await fetch(`${url}/it`)).status).toBe(200)
  expect((await fetch(`${url}/it`, { method: 'POST' })).status).toBe(500)
  await tellsOf(2)
  expect(told).toMatchObject([
    { operation: 'doIt', status: '200' },
    { operation: 'doIt', status: '500' },
  ])
  for (const { seconds } of told) expect(seconds).toBeGreaterThan(0)
})

test.each([
  ['a URL of nothing', 'GET /somewhere/else', '404'],
  ['a method that is not possible', 'DELETE /it', '405'],
  ['a URL that is none', 'GET /%zz', '400'],
])('%s is no operation, and not in the labels', async (_, head, status) => {
  const { url, told, tellsOf } = await serverWith(async (app) => {
    app.get('/it', CONFIG, async () => 'done')
  })
  await raw(url, `${head} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n`)
  await tellsOf(1)
  expect(told).toEqual([{ operation: 'none', status, seconds: expect.any(Number) }])
})

test('a request counts as aborted when its caller leaves before the answer, and only once', async () => {
  const reached = Promise.withResolvers<void>()
  const gate = Promise.withResolvers<void>()
  const { url, told, tellsOf } = await serverWith(async (app) => {
    app.get('/it', CONFIG, async () => {
      reached.resolve()
      await gate.promise
      return 'done'
    })
  })
  const line = dial(url)
  line.say('GET /it HTTP/1.1\r\nhost: test\r\n\r\n')
  await reached.promise
  line.hangUp()
  await tellsOf(1)
  gate.resolve()
  expect((await fetch(`${url}/it`)).status).toBe(200)
  await tellsOf(2)
  expect(told.map(({ operation, status }) => [operation, status])).toEqual([
    ['doIt', 'aborted'],
    ['doIt', '200'],
  ])
})

test('a request whose body breaks off counts as aborted', async () => {
  const { url, told, tellsOf } = await serverWith(async (app) => {
    app.post('/it', CONFIG, async () => 'done')
  })
  const line = dial(url)
  line.say('POST /it HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\nexpect: 100-continue\r\n')
  line.say('content-length: 100\r\n\r\n{"a":')
  await until('the invitation', () => line.heard().includes('100 Continue'))
  line.hangUp()
  await tellsOf(1)
  expect(told).toMatchObject([{ operation: 'doIt', status: 'aborted' }])
})

test.each([
  ['what is not HTTP', 'hello\r\n\r\n', '400'],
  ['a head that is too large', `GET /it HTTP/1.1\r\nhost: test\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`, '431'],
  ['CONNECT', 'CONNECT it HTTP/1.1\r\nhost: test\r\n\r\n', '404'],
])('%s counts by its answer, as no operation and without a time', async (_, request, status) => {
  const { url, told, tellsOf } = await serverWith(async (app) => {
    app.get('/it', CONFIG, async () => 'done')
  })
  expect(await raw(url, request)).toMatchObject({ status: Number(status) })
  await tellsOf(1)
  expect(told).toEqual([{ operation: 'none', status, seconds: undefined }])
})

test('a body that cannot be read to its end counts by its answer, too', async () => {
  const { url, told, tellsOf } = await serverWith(async (app) => {
    app.post('/it', CONFIG, async () => 'done')
  })
  const head =
    'POST /it HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n'
  expect(await raw(url, `${head}zz\r\n`)).toMatchObject({ status: 400 })
  await tellsOf(1)
  expect(told).toEqual([{ operation: 'doIt', status: '400', seconds: expect.any(Number) }])
})

test('a body or a head that trickles counts as 408, once', async () => {
  const { url, told, tellsOf } = await serverWith(
    async (app) => {
      app.post('/it', CONFIG, async () => 'done')
    },
    { requestTimeout: 200, headersTimeout: 200 },
  )
  const head = 'POST /it HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\ncontent-length: 100\r\n'
  const answers = await Promise.all([raw(url, `${head}\r\n{`), raw(url, head)])
  expect(answers.map(({ status }) => status)).toEqual([408, 408])
  await tellsOf(2)
  expect(told.map(({ operation, status }) => `${operation} ${status}`).sort()).toEqual([
    'doIt 408',
    'none 408',
  ])
})

test('of a pipeline that ends in what is not HTTP each part counts once, with its own answer', async () => {
  const { url, told, tellsOf } = await serverWith(async (app) => {
    app.get('/it', CONFIG, async () => 'done')
  })
  await raw(url, 'GET /it HTTP/1.1\r\nhost: test\r\n\r\nhello\r\n\r\n')
  await tellsOf(2)
  expect(told.map(({ operation, status }) => `${operation} ${status}`)).toEqual(['doIt 200', 'none 400'])
})
