import { setImmediate as nextTurn } from 'node:timers/promises'
import type { FastifyPluginAsync } from 'fastify'
import pino from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { problemsAt } from '../../src/domain/problem.ts'
import { healthRoutes } from '../../src/http/health.ts'
import { OVERLOAD_LIMITS, type OverloadLimits } from '../../src/http/overload.ts'
import { buildServer } from '../../src/http/server.ts'
import { workflowRequestRoutes } from '../../src/http/workflow-requests.ts'
import { get, post } from '../support/http.ts'
import { expectProblem } from '../support/problems.ts'
import { dial } from '../support/raw-http.ts'
import { until } from '../support/until.ts'
import { aWorkflow } from '../support/workflows.ts'

const KIB = 1024
const makeProblem = problemsAt('https://problems.test')

/** A server with these limits, and a route whose answers wait for `open`. */
async function serverWith(limits: Partial<OverloadLimits>, more: readonly FastifyPluginAsync[] = []) {
  const gate = Promise.withResolvers<void>()
  let waiting = 0
  const app = await buildServer({
    routes: [
      healthRoutes({ makeProblem }),
      async (routes) => {
        routes.post('/echo', async () => ({ ok: true }))
        routes.post('/wait', async () => {
          waiting += 1
          await gate.promise
          return { ok: true }
        })
      },
      ...more,
    ],
    makeProblem,
    log: pino({ level: 'silent' }),
    overload: { ...OVERLOAD_LIMITS, ...limits },
  })
  onTestFinished(async () => {
    gate.resolve()
    await app.close()
  })
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  return {
    app,
    url,
    open: () => gate.resolve(),
    waiting: () => waiting,
    call(text: string) {
      const line = dial(url)
      onTestFinished(() => line.hangUp())
      line.say(text)
      return line
    },
  }
}

/** The beginning of a POST; the server says `100` when it begins to read its body. */
const begin = (headers: string) =>
  `POST /echo HTTP/1.1\r\nhost: test\r\nexpect: 100-continue\r\ncontent-type: application/json\r\n${headers}\r\n\r\n`
const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n'

function expectRefusal(answer: Awaited<ReturnType<typeof post>>) {
  expectProblem(answer, 'unavailable')
  expect(answer.headers.get('retry-after')).toMatch(/^\d+$/)
}

/** Both ways in which a body of 512 KiB comes: the headers, the beginning, and the rest. */
const FRAMINGS = [
  {
    framing: 'with its length',
    headers: `content-length: ${512 * KIB}`,
    beginning: 'x',
    rest: 'x'.repeat(512 * KIB - 1),
  },
  {
    framing: 'in chunks',
    headers: 'transfer-encoding: chunked',
    beginning: '1\r\nx\r\n',
    rest: `${(512 * KIB - 1).toString(16)}\r\n${'x'.repeat(512 * KIB - 1)}\r\n0\r\n\r\n`,
  },
]

test('503 when the bodies in hand leave no room, until they do', async () => {
  const { url, call } = await serverWith({ bodyBytes: 1024 * KIB })
  const hanging = Array.from({ length: 2 }, () => call(begin(`content-length: ${512 * KIB}`)))
  await until('both bodies to be awaited', () => hanging.every((line) => line.heard() === CONTINUE))
  for (const line of hanging) line.say('x'.repeat(512 * KIB - 1))

  const refusal = await until('a refusal', async () => {
    const answer = await post(`${url}/echo`, [0])
    return answer.status === 503 && answer
  })
  expectRefusal(refusal)
  for (const headers of ['content-length: 3', `content-length: ${512 * KIB}`]) {
    const refused = call(begin(headers))
    await until('a refusal before the body', () => refused.heard().startsWith('HTTP/1.1 503 '))
    await until('the connection to be closed', () => refused.isClosed())
  }
  expect(await get(`${url}/health/live`)).toMatchObject({ status: 200 })
  expectProblem(await post(`${url}/nothing`, {}), 'not-found')

  hanging[0]!.say('x')
  await until('its answer', () => hanging[0]!.heard().includes('HTTP/1.1 200 OK'))
  expect((await post(`${url}/echo`, {})).status).toBe(200)
  expect((await post(`${url}/echo`, 'x'.repeat(512 * KIB))).status).toBe(200)
})

test.for(FRAMINGS)(
  'a large body $framing that hardly comes takes no room',
  async ({ headers, beginning }) => {
    const { url, call } = await serverWith({ bodyBytes: 1024 * KIB })
    const hanging = Array.from({ length: 8 }, () => call(begin(headers)))
    await until('all bodies to be awaited', () => hanging.every((line) => line.heard() === CONTINUE))
    for (const line of hanging) line.say(beginning)
    expect((await post(`${url}/echo`, {})).status).toBe(200)
    expect((await post(`${url}/echo`, 'x'.repeat(512 * KIB))).status).toBe(200)
  },
)

test('a small body counts as soon as it is announced', async () => {
  const { url, call } = await serverWith({ bodyBytes: 16 * KIB })
  const hanging = Array.from({ length: 2 }, () => call(begin(`content-length: ${8 * KIB}`)))
  await until('both bodies to be awaited', () => hanging.every((line) => line.heard() === CONTINUE))
  expectRefusal(await post(`${url}/echo`, {}))
  hanging[0]!.say('x'.repeat(8 * KIB))
  await until('its answer', () => hanging[0]!.heard().includes('HTTP/1.1 200 OK'))
  expect((await post(`${url}/echo`, 'x'.repeat(8 * KIB))).status).toBe(200)
})

test.for(FRAMINGS)(
  '503 as soon as a body $framing finds no room; the rest is read off, and nothing of it counts',
  async ({ headers, beginning, rest }) => {
    const server = await serverWith({ bodyBytes: 512 * KIB })
    const { url, call } = server
    const line = call(begin(headers))
    await until('the body to be awaited', () => line.heard() === CONTINUE)
    const other = post(`${url}/wait`, 'x'.repeat(512 * KIB))
    await until('the other one to be in hand', () => server.waiting() === 1)

    line.say(beginning)
    await until('a refusal', () => line.heard().startsWith(`${CONTINUE}HTTP/1.1 503 `))
    expect(line.heard()).toContain('/problems/unavailable')
    line.say(rest)
    line.say('GET /health/live HTTP/1.1\r\nhost: test\r\n\r\n')
    await until('the next answer', () => line.heard().includes('HTTP/1.1 200 OK'))
    expect(line.heard().split('HTTP/1.1 ')).toHaveLength(4)

    server.open()
    expect((await other).status).toBe(200)
    expect((await post(`${url}/echo`, 'x'.repeat(512 * KIB))).status).toBe(200)
  },
)

test.for(FRAMINGS)('a body $framing is no longer counted when its caller went away', async ({ headers }) => {
  const { url, call } = await serverWith({ bodyBytes: 512 * KIB })
  const bytes = 512 * KIB - 1
  const isChunked = headers.includes('chunked')
  for (let count = 0; count < 3; count += 1) {
    const hanging = call(begin(headers))
    await until('the body to be awaited', () => hanging.heard() === CONTINUE)
    hanging.say(`${isChunked ? `${bytes.toString(16)}\r\n` : ''}${'x'.repeat(bytes)}`)
    await until('no room', async () => (await post(`${url}/echo`, {})).status === 503)
    hanging.hangUp()
    await until('room', async () => (await post(`${url}/echo`, {})).status === 200)
  }
  expect((await post(`${url}/echo`, 'x'.repeat(512 * KIB))).status).toBe(200)
})

test('a body in chunks counts as what it is', async () => {
  const server = await serverWith({ bodyBytes: 1024 * KIB })
  const { url, call } = server
  const chunks = begin('transfer-encoding: chunked').replace('/echo', '/wait')
  for (let count = 1; count <= 10; count += 1) {
    call(chunks).say('2\r\n{}\r\n0\r\n\r\n')
    await until('one more to be in hand', () => server.waiting() === count)
  }
  expect((await post(`${url}/echo`, {})).status).toBe(200)
  call(chunks).say(`${(512 * KIB).toString(16)}\r\n${'x'.repeat(512 * KIB)}\r\n0\r\n\r\n`)
  await until('a large one to be in hand', () => server.waiting() === 11)
  expect((await post(`${url}/echo`, {})).status).toBe(200)
  expectRefusal(await post(`${url}/echo`, 'x'.repeat(512 * KIB)))
})

test.for([
  { refusal: 'a type that nobody reads', type: '', bytes: 512 * KIB, status: 415 },
  {
    refusal: 'more than is taken',
    type: 'content-type: application/json\r\n',
    bytes: 512 * KIB + 1,
    status: 413,
  },
])('a body in chunks that is refused for $refusal is read off and does not count', async (refused) => {
  const { url, call } = await serverWith({ bodyBytes: 512 * KIB + 1 })
  const line = call(`POST /echo HTTP/1.1\r\nhost: test\r\n${refused.type}transfer-encoding: chunked\r\n\r\n`)
  line.say(`${refused.bytes.toString(16)}\r\n${'x'.repeat(refused.bytes)}\r\n`)
  await until('a refusal', () => line.heard().startsWith(`HTTP/1.1 ${refused.status} `))
  for (let count = 0; count < 4; count += 1)
    line.say(`${(512 * KIB).toString(16)}\r\n${'x'.repeat(512 * KIB)}\r\n`)
  line.say('0\r\n\r\nGET /health/live HTTP/1.1\r\nhost: test\r\n\r\n')
  await until('the next answer', () => line.heard().includes('HTTP/1.1 200 OK'))
  expect((await post(`${url}/echo`, 'x'.repeat(512 * KIB))).status).toBe(200)
})

test('the body of a caller who waits for an outcome counts until Kafka has it, and no longer', async () => {
  const kept = Promise.withResolvers<void>()
  const ended = Promise.withResolvers<void>()
  let sent = 0
  let waiting = 0
  const away = async () => Promise.reject(new Error('not asked in this test'))
  const { url } = await serverWith({ bodyBytes: 1024 * KIB }, [
    workflowRequestRoutes({
      publish: async () => {
        sent += 1
        await kept.promise
        return { tag: 'tag', partition: 0, offset: 0n }
      },
      waiters: {
        async wait() {
          waiting += 1
          await ended.promise
        },
        release: ended.resolve,
      },
      readStatus: async () => ({ kind: 'unclear' }),
      foresee: away,
      workflowById: away,
      makeProblem,
    }),
  ])
  const large = JSON.stringify(aWorkflow({ content: 'x'.repeat(400 * KIB) }))
  const callers = Array.from({ length: 2 }, () =>
    post(`${url}/api/v1/workflow-requests`, large, { prefer: 'wait=30' }),
  )
  await until('both to be on their way to Kafka', () => sent === 2)
  expectRefusal(await post(`${url}/echo`, 'x'.repeat(512 * KIB)))
  kept.resolve()
  await until('both to wait', () => waiting === 2)
  expect((await post(`${url}/echo`, 'x'.repeat(512 * KIB))).status).toBe(200)
  ended.resolve()
  for (const { status } of await Promise.all(callers)) expect(status).toBe(202)
})

test('503 while the event loop is late', async () => {
  const limit = 50
  const { app, url } = await serverWith({ eventLoopDelayMs: limit })
  expect((await post(`${url}/echo`, {})).status).toBe(200)

  let isBusy = true
  async function blockTurns() {
    while (isBusy) {
      const end = performance.now() + 4 * limit
      while (performance.now() < end);
      await nextTurn()
    }
  }
  const blocked = blockTurns()
  const refusal = await until('a refusal', async () => {
    const answer = await post(`${url}/echo`, {})
    return answer.status === 503 && { answer, delay: app.memoryUsage().eventLoopDelay }
  })
  expectRefusal(refusal.answer)
  expect(refusal.delay).toBeGreaterThan(limit)
  expect((await get(`${url}/health/live`)).status).toBe(200)
  isBusy = false
  await blocked
  await until('an answer', async () => (await post(`${url}/echo`, {})).status === 200)
})

test('503 while the heap is full, and health is told all the same', async () => {
  const { app, url } = await serverWith({ heapBytes: 1 })
  const refusal = await until('a refusal', async () => {
    const answer = await post(`${url}/echo`, {})
    return answer.status === 503 && answer
  })
  expect(app.memoryUsage().heapUsed).toBeGreaterThan(1)
  expectRefusal(refusal)
  for (const path of ['/health/live', '/health/ready']) expect((await get(url + path)).status).toBe(200)
})

test('a connection too many is hung up on, and the others are served', async () => {
  const { url, call } = await serverWith({ connections: 2 })
  const request = 'GET /health/live HTTP/1.1\r\nhost: test\r\n\r\n'
  const first = call(request)
  const second = call(request)
  await until('two answers', () => [first, second].every((line) => line.heard().includes('200 OK')))
  const third = call(request)
  await until('the third to be hung up on', () => third.isClosed())
  expect(third.heard()).toBe('')
  first.say(request)
  await until('another answer', () => first.heard().split('200 OK').length === 3)
  second.hangUp()
  await until('room', async () => (await get(`${url}/health/live`).catch(() => undefined))?.status === 200)
})

test('no route comes with the protection', async () => {
  const { url } = await serverWith({})
  expectProblem(await get(`${url}/status`), 'not-found')
})
