import { AssignerProtocol, Kafka, logLevel } from 'kafkajs'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freePort } from '../../src/embedded/ports.ts'
import { mendRequestQueue } from '../../src/kafka/request-queue.ts'
import { type Compose, findCompose } from '../support/containers/compose.ts'
import { docker, inspect, listed } from '../support/containers/docker.ts'
import { RUN } from '../support/containers/leftovers.ts'
import { type Answer, get, post } from '../support/http.ts'
import { CANARY, inspectLog, leaks } from '../support/leaks.ts'
import { until } from '../support/until.ts'
import { aWorkflow } from '../support/workflows.ts'

const REQUESTS = 'workflow.registrations'
const GROUP = 'workflow-registrar'
const PARTITIONS = 12
const UP_LIMIT_MS = 150_000
const UP = ['up', '--detach', '--no-build']
const ACCEPTED = 120
/** Those that go on running. */
const SERVICES = ['postgres', 'kafka', 'ingress', 'worker']

let compose: Compose
let url: string
let postgresUrl: string
let kafka: Kafka
beforeAll(async () => {
  const [http, brokers, postgres] = [await freePort(), await freePort(), await freePort()]
  url = `http://127.0.0.1:${http}`
  postgresUrl = `postgresql://owner:${CANARY}@127.0.0.1:${postgres}/registrar`
  mendRequestQueue()
  kafka = new Kafka({ brokers: [`127.0.0.1:${brokers}`], logLevel: logLevel.NOTHING })
  compose = await findCompose({
    ...{ PORT: `${http}`, KAFKA_PORT: `${brokers}`, POSTGRES_PORT: `${postgres}` },
    ...{ POSTGRES_PASSWORD: CANARY, REGISTRAR_PASSWORD: CANARY },
  })
  await compose(...UP)
}, UP_LIMIT_MS)
afterAll(() => compose?.('down', '--volumes', '--timeout', '1'))

/** What the engine knows of each container of a service, also of one that ended: `--all` says so to any compose. */
async function allOf(service: string) {
  const ids = await compose('ps', '--all', '--quiet', service)
  return Promise.all(ids.split('\n').filter(Boolean).map(inspect))
}

const runningOf = async (service: string) => (await allOf(service)).filter(({ State }) => State.Running)

async function isHealthy(service: string, count = 1): Promise<void> {
  await until(
    `${count} of ${service} to be healthy`,
    async () => {
      const running = await runningOf(service)
      return running.filter(({ State }) => State.Health?.Status === 'healthy').length === count
    },
    UP_LIMIT_MS,
  )
}

/** Waits until the ingress says that none of its doors is shut. */
async function isOpen(): Promise<void> {
  await until(
    'open doors',
    async () => {
      const answer = await get(`${url}/health/ready`).catch(() => undefined) // it may be away itself
      return answer?.status === 200 && answer.body.shut === undefined
    },
    90_000,
  )
}

async function accept(): Promise<Answer> {
  const accepted = await post(`${url}/api/v1/workflow-requests`, aWorkflow())
  expect(accepted.status).toBe(202)
  return accepted
}

/** Waits for the outcome of a 202. */
const outcomeOf = (accepted: Answer) =>
  until(
    'an outcome',
    async () => {
      const { status, body } = await get(`${url}${accepted.headers.get('location')}`)
      expect(status).toBe(200)
      return body.state !== 'pending' && body
    },
    90_000,
  )

async function asAdmin<T>(use: (admin: ReturnType<Kafka['admin']>) => Promise<T>): Promise<T> {
  const admin = kafka.admin()
  await admin.connect()
  try {
    return await use(admin)
  } finally {
    await admin.disconnect()
  }
}

/** How many partitions each member of the workers' group reads. */
async function shares(): Promise<number[]> {
  const { groups } = await asAdmin((admin) => admin.describeGroups([GROUP]))
  return groups[0]!.members
    .map(({ memberAssignment }) =>
      memberAssignment.length === 0
        ? 0
        : (AssignerProtocol.MemberAssignment.decode(memberAssignment)?.assignment[REQUESTS]?.length ?? 0),
    )
    .sort()
}

test('it comes up as a whole: ingress and worker are healthy, and the migration has ended well', async () => {
  await isHealthy('ingress')
  await isHealthy('worker')
  const [migrate] = await allOf('migrate')
  expect(migrate.State).toMatchObject({ Running: false, ExitCode: 0 })
})

test.each(['ingress', 'worker'])('the %s may do nothing that it need not', async (service) => {
  const [{ Config, HostConfig }] = await runningOf(service)
  expect(Config.User).toMatch(/^[1-9]\d*:/)
  expect(HostConfig).toMatchObject({
    ReadonlyRootfs: true,
    CapDrop: ['ALL'],
    SecurityOpt: ['no-new-privileges:true'],
    Privileged: false,
  })
})

test('no port is open beyond 127.0.0.1, and none of metrics at all', async () => {
  const running = (await Promise.all(SERVICES.map(runningOf))).flat()
  expect(running).toHaveLength(SERVICES.length)
  const bindings = running.flatMap(({ NetworkSettings }) =>
    Object.entries<{ HostIp: string }[] | null>(NetworkSettings.Ports),
  )
  const open = bindings.flatMap(([port, hosts]) => (hosts ?? []).map(({ HostIp }) => `${HostIp} ${port}`))
  expect(open.sort()).toEqual(['127.0.0.1 5432/tcp', '127.0.0.1 8080/tcp', '127.0.0.1 9092/tcp'])
})

test('after a restart of the engine all come back', async () => {
  const running = (await Promise.all(SERVICES.map(runningOf))).flat()
  const policies = running.map(({ HostConfig }) => HostConfig.RestartPolicy.Name)
  expect(policies).toEqual(Array(SERVICES.length).fill('unless-stopped'))
})

describe('the doors', () => {
  test('the synchronous door creates, and a duplicate is a 409', async () => {
    const workflow = aWorkflow()
    expect((await post(`${url}/api/v1/workflows`, workflow)).status).toBe(201)
    expect((await post(`${url}/api/v1/workflows`, workflow)).status).toBe(409)
  })

  test('the asynchronous door accepts, and the worker creates or conflicts', async () => {
    const workflow = aWorkflow()
    for (const state of ['created', 'conflict']) {
      const accepted = await post(`${url}/api/v1/workflow-requests`, workflow)
      expect(accepted.status).toBe(202)
      expect((await outcomeOf(accepted)).state).toBe(state)
    }
  })

  test('an invalid body is refused', async () => {
    expect((await post(`${url}/api/v1/workflows`, aWorkflow({ version: 'v1' }))).status).toBe(400)
  })

  test('a record of any producer is created once, however often it is sent', async () => {
    const id = crypto.randomUUID()
    const record = { value: JSON.stringify(aWorkflow()), headers: { 'request-id': id } }
    const producer = kafka.producer()
    await producer.connect()
    for (let count = 0; count < 2; count += 1) await producer.send({ topic: REQUESTS, messages: [record] })
    await producer.disconnect()
    const { body } = await until('its outcome', async () => {
      const answer = await get(`${url}/api/v1/workflow-requests/${id}`)
      return answer.status === 200 && answer
    })
    expect(body.state).toBe('created')
  })
})

describe.each(SERVICES)('a restart of %s', (service) => {
  test('loses nothing, and what comes later has an outcome too', async () => {
    const before = await accept()
    await compose('restart', '--timeout', '15', service)
    await isHealthy(service)
    await isOpen()
    for (const accepted of [before, await accept()]) expect((await outcomeOf(accepted)).state).toBe('created')
  })
})

test('a kill of Kafka loses nothing of what was accepted', async () => {
  const before = await Promise.all(Array.from({ length: 20 }, accept))
  await compose('kill', 'kafka')
  const [kafka] = await allOf('kafka')
  expect(kafka.State).toMatchObject({ Running: false, ExitCode: 137 })
  expect((await post(`${url}/api/v1/workflow-requests`, aWorkflow())).status).toBe(503)
  await compose('start', 'kafka')
  await isOpen() // long before its own health check has come round
  const settled = await Promise.all([...before, await accept()].map(outcomeOf))
  expect(new Set(settled.map(({ state }) => state))).toEqual(new Set(['created']))
})

describe('three workers', () => {
  test('share the partitions evenly', async () => {
    await compose(...UP, '--no-recreate', '--scale', 'worker=3')
    await isHealthy('worker', 3)
    const even = Array(3).fill(PARTITIONS / 3)
    await until('an even share', async () => `${await shares()}` === `${even}`, 90_000)
  })

  test('settle everything, though one of them is killed meanwhile', async () => {
    const [killed] = await runningOf('worker')
    const accepted: Answer[] = []
    for (let count = 0; count < ACCEPTED; count += 1) {
      accepted.push(await post(`${url}/api/v1/workflow-requests`, aWorkflow()))
      if (count === ACCEPTED / 2) await docker('kill', killed.Id)
    }
    const { State } = await inspect(killed.Id)
    expect([State.ExitCode, State.FinishedAt > '2000']).toEqual([137, true])
    expect(new Set(accepted.map(({ status }) => status))).toEqual(new Set([202]))
    const settled = await Promise.all(accepted.map(outcomeOf))
    expect(new Set(settled.map(({ state }) => state))).toEqual(new Set(['created']))
    const client = new pg.Client({ connectionString: postgresUrl })
    await client.connect()
    const { rows } = await client.query(
      'select count(*)::int as count from workflow where created_by_request = any($1)',
      [accepted.map(({ body }) => body.request_id)],
    )
    await client.end()
    expect(rows).toEqual([{ count: ACCEPTED }])
  })
})

test('nothing that any of them has said has a payload or a password in it', async () => {
  const said = await compose('logs', '--no-color')
  expect(said).toContain('listening')
  inspectLog(said)
  expect(leaks()).toEqual([])
})

test('nothing is left when it is taken down', async () => {
  await compose('down', '--volumes', '--timeout', '15')
  const mine = ['--quiet', '--filter', `label=com.docker.compose.project=${RUN}`]
  expect(await listed('ps', '--all', ...mine)).toEqual([])
  expect(await listed('volume', 'ls', ...mine)).toEqual([])
  expect(await listed('network', 'ls', ...mine)).toEqual([])
})
