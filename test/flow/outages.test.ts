import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { type Answer, get, post } from '../support/http.ts'
import { countRecords } from '../support/log-ends.ts'
import { type OwnServers, startOwnServers } from '../support/own-servers.ts'
import { startProcess } from '../support/process.ts'
import { dial } from '../support/raw-http.ts'
import { startTcpProxy } from '../support/tcp-proxy.ts'
import { until } from '../support/until.ts'
import { aWorkflow } from '../support/workflows.ts'
import { makeWorld, startApp, type TestApp, type World } from '../support/world.ts'

const SEND_TIMEOUT_MS = 1_500
/** Less than two deadlines after each other. */
const HANGING_MS = 2_500
/** A process gives itself 12 s to end. */
const ORDERLY_MS = 10_000

let own: OwnServers
let world: World
let service: TestApp
beforeAll(async () => {
  own = await startOwnServers()
  world = await makeWorld(own.servers)
  service = await startApp(world, { env: { KAFKA_SEND_TIMEOUT_MS: String(SEND_TIMEOUT_MS) } })
})
afterAll(async () => {
  await service.close()
  await world.close()
  await own.close()
})

const now = (body: unknown = aWorkflow()) => post(`${service.url}/api/v1/workflows`, body)
const later = (body: unknown = aWorkflow()) => post(`${service.url}/api/v1/workflow-requests`, body)
const read = (accepted: Answer) => get(`${service.url}${accepted.headers.get('location')}`)
const ready = () => get(`${service.url}/health/ready`)

async function isReady(): Promise<void> {
  await until('readiness', async () => (await ready()).status === 200)
}

/** Waits for the outcome of a 202, which must be `created`. */
async function isCreated(accepted: Answer): Promise<void> {
  const body = await until('an outcome', async () => {
    expect(service.crashes).toEqual([])
    const answer = await read(accepted)
    return answer.status === 200 && answer.body.state !== 'pending' && answer.body
  })
  expect(body.state).toBe('created')
}

function expectUnavailable(answer: Answer): void {
  expect(answer.status).toBe(503)
  expect(answer.headers.get('content-type')).toContain('application/problem+json')
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
  expect(answer.body).toMatchObject({ title: 'Service Unavailable', status: 503, retryable: true })
}

/** No request was lost or spoilt, nothing was parked, and the process still runs. */
async function expectNoDamage(): Promise<void> {
  const { rows } = await world.owner.query(
    `select outcome::text, count(*)::int from registration_request where outcome in ('failed', 'rejected') group by 1`,
  )
  expect(rows).toEqual([])
  expect(await countRecords(world, world.env.DEAD_LETTER_TOPIC!)).toBe(0)
  expect(service.crashes).toEqual([])
}

describe.each([
  ['stopped', 'stop'],
  ['killed', 'kill'],
] as const)('while PostgreSQL is %s', (_, end) => {
  const accepted: Answer[] = []
  beforeAll(async () => {
    await isReady()
    accepted.push(await later())
    await isCreated(accepted[0]!)
    service.logs.length = 0
    await own.postgres[end]()
    expect(own.postgres.isRunning()).toBe(false)
  })

  test('the synchronous door says 503, when to come back, and which request it was', async () => {
    const answer = await now()
    expectUnavailable(answer)
    expect(answer.body.request_id).toMatch(/^[0-9a-f-]{36}$/)
    expect(answer.body.instance).toBe(`/api/v1/workflow-requests/${answer.body.request_id}`)
  })

  test('the asynchronous door still says 202, and the URL of it says 503 and not 404', async () => {
    const more = await Promise.all(Array.from({ length: 20 }, () => later()))
    expect(more.map(({ status }) => status)).toEqual(Array(20).fill(202))
    accepted.push(...more)
    expectUnavailable(await read(more[0]!))
    expectUnavailable(await read(accepted[0]!))
    expectUnavailable(await get(`${service.url}/api/v1/workflow-requests/${crypto.randomUUID()}`))
  })

  test('the service is live and not ready, with the reason, and the worker waits', async () => {
    const reason = await until('a worker that waits', async () => {
      const answer = await ready()
      expectUnavailable(answer)
      return /partition \d waits: outage/.test(answer.body.detail) && answer.body.detail
    })
    expect(reason).toContain('PostgreSQL does not answer')
    expect((await get(`${service.url}/health/live`)).status).toBe(200)
  })

  test('nothing is lost: once it is back, all is caught up with and the service is ready', async () => {
    await own.postgres.start()
    await Promise.all(accepted.map(isCreated))
    await isReady()
    expect((await now()).status).toBe(201)
    await expectNoDamage()
    expect(service.logs.filter(({ level }) => level === 'error' || level === 'fatal')).toEqual([])
  })
})

describe('while Kafka is stopped', () => {
  beforeAll(async () => {
    await isReady()
    await own.kafka.stop()
    expect(own.kafka.isRunning()).toBe(false)
    service.logs.length = 0
  })

  test('the asynchronous door says 503 within its deadline, and which request it was', async () => {
    const began = performance.now()
    const answer = await later()
    expect(performance.now() - began).toBeLessThan(HANGING_MS)
    expectUnavailable(answer)
    expect(answer.body.request_id).toMatch(/^[0-9a-f-]{36}$/)
  })

  test('the asynchronous door says 503 within its deadline to each of many that come one after another', async () => {
    const answers: Promise<{ answer: Answer; ms: number }>[] = []
    for (let count = 0; count < 10; count += 1) {
      const began = performance.now()
      answers.push(later().then((answer) => ({ answer, ms: performance.now() - began })))
      await get(`${service.url}/health/live`)
    }
    for (const { answer, ms } of await Promise.all(answers)) {
      expectUnavailable(answer)
      expect(ms).toBeLessThan(HANGING_MS)
    }
  })

  test('the synchronous door still says 201 and 409', async () => {
    const workflow = aWorkflow()
    expect((await now(workflow)).status).toBe(201)
    expect((await now(workflow)).status).toBe(409)
  })

  test('an id that no row knows is 503, since a record of it may wait', async () => {
    const began = performance.now()
    expectUnavailable(await get(`${service.url}/api/v1/workflow-requests/${crypto.randomUUID()}`))
    expect(performance.now() - began).toBeLessThan(10_000)
  })

  test('the service is live and not ready, with the reason', async () => {
    const answer = await ready()
    expectUnavailable(answer)
    expect(answer.body.detail).toContain('Kafka does not answer')
    expect((await get(`${service.url}/health/live`)).status).toBe(200)
  })

  test('once it is back, the asynchronous door says 202 and the worker goes on', async () => {
    await own.kafka.start()
    const accepted = await until('a 202', async () => {
      const answer = await later()
      if (answer.status !== 202) expectUnavailable(answer)
      return answer.status === 202 && answer
    })
    await isCreated(accepted)
    await isReady()
    await expectNoDamage()
    expect(service.logs.filter(({ level }) => level === 'error' || level === 'fatal')).toEqual([])
  })
})

test('told to stop while both are silent, a process answers what is in hand, and ends in order and in time', async () => {
  const ours = await makeWorld(own.servers)
  const proxy = await startTcpProxy(ours.env.DATABASE_URL!)
  onTestFinished(async () => {
    await own.kafka.resume()
    await proxy.close()
    await ours.close()
  })
  const through = new URL(ours.env.DATABASE_URL!)
  through.port = String(proxy.port)
  const running = await startProcess('all-in-one', ours, {
    DATABASE_URL: through.href,
    KAFKA_SEND_TIMEOUT_MS: '20000',
  })
  await until('readiness', async () => (await get(`${running.url}/health/ready`)).status === 200)
  expect((await post(`${running.url}/api/v1/workflows`, aWorkflow())).status).toBe(201) // there is a connection
  const doors = ['workflows', 'workflow-requests'].map((door) => {
    const body = JSON.stringify(aWorkflow())
    const line = dial(running.url)
    onTestFinished(() => line.hangUp())
    line.say(
      `POST /api/v1/${door} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nexpect: 100-continue\r\ncontent-length: ${body.length}\r\n\r\n`,
    )
    return { line, body }
  })
  await until('both to be read', () => doors.every(({ line }) => line.heard().includes('100 Continue')))
  await own.kafka.pause()
  proxy.freeze()
  expect(proxy.broken()).toBeGreaterThan(0)
  for (const { line, body } of doors) line.say(body)
  const began = performance.now()
  running.kill('SIGTERM')
  expect(await running.exited).toEqual({ code: 0, signal: null })
  expect(performance.now() - began).toBeLessThan(ORDERLY_MS)
  for (const { line } of doors) expect(line.heard()).toContain('HTTP/1.1 503 Service Unavailable')
})
