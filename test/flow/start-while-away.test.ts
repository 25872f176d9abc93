import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import type { Role } from '../../src/app.ts'
import { freePort } from '../../src/embedded/ports.ts'
import { type Answer, get, post } from '../support/http.ts'
import { type OwnServers, startOwnServers } from '../support/own-servers.ts'
import { inspectOutput, startProcess } from '../support/process.ts'
import { until } from '../support/until.ts'
import { aWorkflow } from '../support/workflows.ts'
import { makeWorld, startApp, type TestApp, type World } from '../support/world.ts'

let own: OwnServers
let world: World
beforeAll(async () => {
  own = await startOwnServers()
})
afterAll(() => own.close())
beforeEach(async () => {
  world = await makeWorld(own.servers)
  await (await startApp(world)).close() // the schema and the topics are there
})
afterEach(async () => {
  await Promise.all([own.postgres.start(), own.kafka.start()])
  await world.close()
})

async function started(...roles: Role[]): Promise<TestApp> {
  const app = await startApp(world, { roles })
  onTestFinished(() => app.close())
  return app
}

const now = ({ url }: TestApp) => post(`${url}/api/v1/workflows`, aWorkflow())
const later = ({ url }: TestApp) => post(`${url}/api/v1/workflow-requests`, aWorkflow())
const ready = ({ url }: { url: string }) => get(`${url}/health/ready`)

async function isReady(app: { url: string }, isWhole = (_: Answer) => true): Promise<void> {
  await until('readiness', async () => {
    const answer = await ready(app)
    return answer.status === 200 && isWhole(answer)
  })
}

const isOpen = ({ body }: Answer) => body.shut === undefined

test('an ingress that starts while Kafka is away opens its synchronous door, and the other one when Kafka is there', async () => {
  await own.kafka.stop()
  expect(own.kafka.isRunning()).toBe(false)
  const ingress = await started('ingress')
  expect((await now(ingress)).status).toBe(201)
  const refused = await later(ingress)
  expect(refused).toMatchObject({ status: 503, body: { retryable: true } })
  expect(refused.headers.get('retry-after')).toBe('1')
  expect(await ready(ingress)).toMatchObject({
    status: 200,
    body: {
      status: 'ready',
      shut: [{ door: 'async', reasons: [expect.stringContaining('Kafka (KAFKA_BROKERS) does not answer')] }],
    },
  })
  const unknown = await get(`${ingress.url}/api/v1/workflow-requests/${crypto.randomUUID()}`)
  expect(unknown.status).toBe(503)

  await own.kafka.start()
  await isReady(ingress, isOpen)
  expect((await later(ingress)).status).toBe(202)
  expect(ingress.crashes).toEqual([])
})

test('an ingress that starts while PostgreSQL is away opens its asynchronous door, and the other one when PostgreSQL is there', async () => {
  await own.postgres.stop()
  expect(own.postgres.isRunning()).toBe(false)
  const ingress = await started('ingress')
  const accepted = await later(ingress)
  expect(accepted.status).toBe(202)
  expect((await now(ingress)).status).toBe(503)
  expect(await ready(ingress)).toMatchObject({
    status: 200,
    body: { shut: [{ door: 'sync', reasons: [expect.stringContaining('does not answer')] }] },
  })

  await own.postgres.start()
  await isReady(ingress, isOpen)
  expect((await now(ingress)).status).toBe(201)
  expect((await get(`${ingress.url}${accepted.headers.get('location')}`)).body.state).toBe('pending')
  expect(ingress.crashes).toEqual([])
})

test('an ingress that starts while both are away says so, and is ready as soon as one is there', async () => {
  await Promise.all([own.postgres.stop(), own.kafka.stop()])
  const ingress = await started('ingress')
  expect((await ready(ingress)).status).toBe(503)
  expect((await now(ingress)).status).toBe(503)
  expect((await later(ingress)).status).toBe(503)
  await own.postgres.start()
  await isReady(ingress)
  expect((await now(ingress)).status).toBe(201)
})

test.each(['PostgreSQL', 'Kafka', 'both'])(
  'a worker that starts while %s is away waits, and then does its job',
  async (away) => {
    const ingress = await started('ingress')
    const accepted = await Promise.all(Array.from({ length: 20 }, () => later(ingress)))
    expect(new Set(accepted.map(({ status }) => status))).toEqual(new Set([202]))
    const absent = [away !== 'Kafka' && own.postgres, away !== 'PostgreSQL' && own.kafka].filter(
      (server) => server !== false,
    )
    await Promise.all(absent.map((server) => server.stop()))
    const worker = await startProcess('worker', world)
    const waitsFor = (server: string) => worker.lines.some((line) => line.startsWith(`Waiting: ${server}`))
    expect(waitsFor('PostgreSQL')).toBe(away !== 'Kafka')
    expect(waitsFor('Kafka')).toBe(away !== 'PostgreSQL')
    expect(await ready(worker)).toMatchObject({
      status: 503,
      body: { detail: expect.stringContaining('the worker has not joined its consumer group yet') },
    })
    await Promise.all(absent.map((server) => server.start()))
    await isReady(worker)
    await until('the outcomes', async () => {
      const { rows } = await world.owner.query('select count(*)::int as count from registration_request')
      return rows[0].count === accepted.length
    })
    worker.kill('SIGTERM')
    expect((await worker.exited).code).toBe(0)
  },
)

test('a worker that waits goes on waiting while something else takes the connections, and ends them', async () => {
  const port = await freePort()
  const worker = await startProcess('worker', world, { KAFKA_BROKERS: `127.0.0.1:${port}` })
  const listening = async (take: (socket: Socket) => void) => {
    const server = createServer((socket) => take(socket.on('error', () => {}))).listen(port, '127.0.0.1')
    await once(server, 'listening')
    return server
  }
  let callers = 0
  const other = await listening((socket) => {
    callers += 1
    socket.destroy()
  })
  await until('a line about it', () =>
    worker.lines.some((line) => line.includes('ends the connection without a word')),
  )
  expect(callers).toBeGreaterThan(0)
  other.close()
  const [host, kafkaPort] = own.kafka.brokers[0]!.split(':')
  const way = await listening((socket) => {
    const onward = connect(Number(kafkaPort), host).on('error', () => {})
    socket.pipe(onward).pipe(socket)
  })
  onTestFinished(() => void way.close())
  await isReady(worker)
})

describe('while Kafka takes connections and never answers', () => {
  beforeEach(() => own.kafka.pause())
  const wake = () => own.kafka.resume()
  afterEach(wake)

  test('an ingress waits, and opens its asynchronous door when it answers', async () => {
    const ingress = await started('ingress')
    expect((await now(ingress)).status).toBe(201)
    expect((await later(ingress)).status).toBe(503)
    await wake()
    await isReady(ingress, isOpen)
    expect((await later(ingress)).status).toBe(202)
    expect(ingress.crashes).toEqual([])
  })

  test('a process that is told to stop during its start ends in good order, and never listens', async () => {
    const script = fileURLToPath(new URL('../../src/bin/worker.ts', import.meta.url))
    const child = spawn(process.execPath, [script], { env: world.env, stdio: ['ignore', 'pipe', 'pipe'] })
    inspectOutput(child)
    onTestFinished(() => void child.kill('SIGKILL'))
    const lines: string[] = []
    createInterface(child.stdout).on('line', (line) => lines.push(line))
    await until('PostgreSQL', () => lines.includes('PostgreSQL: the schema is up to date'))
    child.kill('SIGTERM')
    const [code] = await once(child, 'exit')
    expect(code).toBe(0) // it is 1 where the end takes too long
    expect(lines.join()).not.toContain('listening')
  })
})

test('a process that waits for its servers ends at once when it is told to', async () => {
  const worker = await startProcess('worker', world, { KAFKA_BROKERS: `127.0.0.1:${await freePort()}` })
  worker.kill('SIGTERM')
  expect((await worker.exited).code).toBe(0)
})

test('what keeps a worker from starting ends it with a sentence also when it had to wait before', async () => {
  await own.postgres.stop()
  const worker = await startProcess('worker', world, {
    REQUEST_RETENTION_DAYS: '3',
    TOPIC_RETENTION_DAYS: '3',
  })
  await own.postgres.start()
  expect((await worker.exited).code).toBe(1)
  expect(worker.stderr.join('\n')).toMatch(/^Cannot start: .*REQUEST_RETENTION_DAYS/)
})

test('what turns out to refuse us ends the process with a sentence', async () => {
  await own.postgres.stop()
  const wrong = new URL(world.infrastructure.databaseUrl)
  wrong.password = 'wrong'
  const ingress = await startProcess('ingress', world, { DATABASE_URL: wrong.href, MIGRATE_DATABASE_URL: '' })
  await own.postgres.start()
  expect((await ingress.exited).code).toBe(1)
  const fatal = ingress.lines
    .filter((line) => line.includes('"level":"fatal"'))
    .map((line) => JSON.parse(line))
  expect(fatal).toEqual([
    expect.objectContaining({ reason: expect.stringContaining('refuses the role or its password') }),
  ])
})
