import { once } from 'node:events'
import net from 'node:net'
import type { FastifyPluginAsync } from 'fastify'
import pino from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { problemsAt } from '../../src/domain/problem.ts'
import { buildServer } from '../../src/http/server.ts'
import { within } from '../../src/within.ts'
import { get } from '../support/http.ts'
import { startProcess } from '../support/process.ts'
import { dial } from '../support/raw-http.ts'
import { until } from '../support/until.ts'
import { aWorkflow } from '../support/workflows.ts'
import { makeWorld, startApp } from '../support/world.ts'

const LIVE = 'GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n'
/** The process gives up what is in hand after 5 s, and itself after 12 s. */
const IN_ORDER_MS = 8_000

test('neither a silent nor an idle connection holds up the end of the service', async () => {
  const world = await makeWorld()
  const app = await startApp(world, { roles: ['ingress'] })
  const { hostname, port } = new URL(app.url)
  const silent = net.connect(Number(port), hostname)
  await once(silent, 'connect')
  expect((await get(`${app.url}/health/live`)).status).toBe(200) // leaves a kept-alive connection
  await within(15_000, app.close())
  await world.close()
  expect(silent.destroyed || (await once(silent, 'close'))).toBeTruthy()
})

test('a connection that sends no HTTP is let go, even if it never closes its own half', async () => {
  const world = await makeWorld()
  onTestFinished(() => world.close())
  const app = await startApp(world, { roles: ['ingress'] })
  onTestFinished(() => app.close())
  const { hostname, port } = new URL(app.url)
  const socket = net.connect({ port: Number(port), host: hostname, allowHalfOpen: true })
  const lost = once(socket, 'error')
  socket.write('garbage\r\n\r\n')
  let answer = ''
  socket.on('data', (chunk) => {
    answer += chunk
  })
  await once(socket, 'end')
  expect(answer).toContain('application/problem+json')
  const writing = setInterval(() => socket.write('x'), 20) // into a connection that the service keeps, this goes well
  await within(5_000, lost)
  clearInterval(writing)
})

test.for([
  { role: 'ingress', more: LIVE.slice(0, -2) },
  { role: 'worker', more: 'G' },
] as const)(
  'a connection with the beginning of another request is let go at once: $role',
  async ({ role, more }) => {
    const world = await makeWorld()
    onTestFinished(() => world.close())
    const app = await startApp(world, { roles: [role] })
    onTestFinished(() => app.close())
    const line = dial(app.url)
    line.say(LIVE)
    await until('an answer', () => line.heard().endsWith('{"status":"live"}'))
    line.say(more)
    const began = performance.now()
    await app.close()
    expect(performance.now() - began).toBeLessThan(3_000)
    await until('its end', () => line.isClosed())
  },
)

test('half a request is 408 when a process has waited for the rest, which then ends in order', async () => {
  const world = await makeWorld()
  onTestFinished(() => world.close())
  const running = await startProcess('all-in-one', world)
  const body = JSON.stringify(aWorkflow())
  const [half, whole] = Array.from({ length: 2 }, () => {
    const line = dial(running.url)
    onTestFinished(() => line.hangUp())
    line.say(
      `POST /api/v1/workflows HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nexpect: 100-continue\r\ncontent-length: ${body.length}\r\n\r\n`,
    )
    return line
  })
  const begun = () => [half, whole].every((line) => line?.heard().includes('100 Continue'))
  await until('both to be read', begun)
  for (const line of [half, whole]) line!.say(body.slice(0, 1))
  const began = performance.now()
  running.kill('SIGTERM')
  await until('its end of listening', () =>
    get(`${running.url}/health/live`).then(
      () => false,
      () => true,
    ),
  )
  whole!.say(body.slice(1))
  expect(await running.exited).toEqual({ code: 0, signal: null })
  expect(performance.now() - began).toBeLessThan(IN_ORDER_MS)
  expect(half!.heard()).toMatch(/\r\n\r\nHTTP\/1.1 408 .*\r\nconnection: close\r\n/)
  expect(whole!.heard()).toContain('HTTP/1.1 201 Created')
})

test('a request that is never answered holds up the end only until what is in hand is given up', async () => {
  const begun = Promise.withResolvers<void>()
  const givenUp = new AbortController()
  const app = await serverWith(givenUp.signal, async (routes) => {
    routes.get('/never', () => {
      begun.resolve()
      return new Promise(() => {})
    })
  })
  const asked = get(`${await app.listen({ host: '127.0.0.1', port: 0 })}/never`).catch(() => 'hung up')
  await begun.promise
  const closed = app.close()
  givenUp.abort()
  await within(5_000, closed)
  expect(await asked).toBe('hung up')
})

test('a body that comes to its end after its answer holds up the end no longer than that', async () => {
  const app = await serverWith(new AbortController().signal, async (routes) => {
    routes.post('/', async () => 'read')
  })
  const line = dial(await app.listen({ host: '127.0.0.1', port: 0 }))
  onTestFinished(() => line.hangUp())
  line.say('POST / HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nx')
  await until('a refusal', () => line.heard().startsWith('HTTP/1.1 415 '))
  const closed = app.close()
  line.say('x')
  await within(5_000, closed)
})

function serverWith(givenUp: AbortSignal, route: FastifyPluginAsync) {
  const makeProblem = problemsAt('https://problems.test')
  return buildServer({ routes: [route], makeProblem, log: pino({ level: 'silent' }), givenUp })
}
