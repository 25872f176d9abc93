import { type AddressInfo, createServer } from 'node:net'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { ENDED, everyOutcome } from '../support/every-outcome.ts'
import { expectSentence, failingStart } from '../support/failing-start.ts'
import { get } from '../support/http.ts'
import { produce } from '../support/kafka.ts'
import { type Sample, scrape, valueIn } from '../support/metrics.ts'
import { startOwnServers } from '../support/own-servers.ts'
import { sharedService } from '../support/shared-service.ts'
import { until } from '../support/until.ts'
import { aWorkflow } from '../support/workflows.ts'
import { makeWorld, startApp, withService } from '../support/world.ts'

describe('a service that has seen every outcome', () => {
  const service = sharedService()
  let samples: Sample[] = []
  beforeAll(async () => {
    await everyOutcome(service)
    samples = await scrape(service.metricsUrl)
  })
  const value = (name: string, labels: Record<string, string> = {}) => valueIn(samples, name, labels)

  test('has counted each request once, at its door', () => {
    for (const [door, outcomes] of Object.entries(ENDED)) {
      const ended = Object.values(outcomes).reduce((sum, count) => sum + count)
      expect(value('registrar_time_to_outcome_seconds_count', { door })).toBe(ended)
      expect(value('registrar_batch_requests_sum', { door })).toBe(door === 'sync' ? ended + 1 : ended)
    }
  })

  test('has counted what was told again, accepted, settled and parked', () => {
    expect(value('registrar_replays_total', { door: 'sync', outcome: 'created' })).toBe(1)
    expect(value('registrar_accepted_total')).toBe(1)
    expect(value('registrar_settled_records_total')).toBe(5)
    expect(value('registrar_dead_letters_total', { class: 'failed' })).toBe(1)
    expect(value('registrar_dead_letters_total', { class: 'unreadable' })).toBe(1)
  })

  test('has counted each answer by operation and status', () => {
    const counted = (operation: string, status: string) =>
      value('registrar_http_requests_total', { operation, status })
    expect(counted('createWorkflow', '201')).toBe(3)
    expect(counted('createWorkflow', '409')).toBe(1)
    expect(counted('createWorkflow', '422')).toBe(1)
    expect(counted('createWorkflow', '500')).toBe(1)
    expect(counted('acceptWorkflow', '202')).toBe(1)
    expect(value('registrar_http_request_duration_seconds_count', { operation: 'createWorkflow' })).toBe(6)
  })

  test('tells each pool, and that nothing is left to do', async () => {
    for (const pool of ['reads', 'writes', 'lists', 'worker', 'purge']) {
      expect(value('registrar_pool_connections', { pool, state: 'busy' })).toBeGreaterThanOrEqual(0)
      expect(value('registrar_pool_waiting', { pool })).toBe(0)
    }
    expect(value('registrar_pool_connections', { pool: 'writes', state: 'idle' })).toBeGreaterThan(0)
    expect(value('registrar_assigned_partitions')).toBe(3)
    expect(value('registrar_waiting_partitions')).toBe(0)
    expect(value('registrar_oldest_pending_age_seconds')).toBe(0)
    const lag = await until('a look at all partitions', async () => {
      const now = (await scrape(service.metricsUrl)).filter(({ name }) => name === 'registrar_lag_records')
      return now.length === 3 && now
    })
    expect(lag.map((sample) => sample.value)).toEqual([0, 0, 0])
  })

  test('has nothing of a caller in any label', () => {
    const labels = new Set(samples.flatMap((sample) => Object.keys(sample.labels)))
    const ours = samples.filter(({ name }) => name.startsWith('registrar_'))
    for (const { labels } of ours)
      for (const text of Object.values(labels)) expect(text).toMatch(/^([a-zA-Z-]{1,24}|[0-9.]{1,9}|\+Inf)$/)
    expect(labels).toContain('operation')
  })
})

test('while PostgreSQL is away lag and age are told and grow, and are nothing once it is back', async () => {
  const { servers, postgres, close } = await startOwnServers()
  onTestFinished(close)
  const world = await makeWorld(servers)
  onTestFinished(() => world.close())
  const app = await startApp(world)
  onTestFinished(() => app.close())
  const state = async () => {
    const samples = await scrape(app.metricsUrl)
    const sum = (name: string, labels = {}) => valueIn(samples, name, labels)!
    const lag = samples.filter(({ name }) => name === 'registrar_lag_records')
    return {
      lag: lag.reduce((sum, { value }) => sum + value, 0),
      age: sum('registrar_oldest_pending_age_seconds'),
      waiting: sum('registrar_waiting_partitions'),
      outages: sum('registrar_retries_total', { class: 'outage' }),
      settled: sum('registrar_settled_records_total'),
    }
  }
  const send = (count: number) =>
    produce(
      world,
      Array.from({ length: count }, () => ({ value: JSON.stringify(aWorkflow()), partition: 1 })),
    )
  await until('the worker', async () => (await get(`${app.url}/health/ready`)).status === 200)

  await postgres.stop()
  await send(3)
  const first = await until('a worker that waits', async () => {
    const now = await state()
    return now.lag === 3 && now.age > 0 && now.waiting === 1 && now.outages > 0 && now
  })
  await send(4)
  const later = await until('more lag, and a greater age', async () => {
    const now = await state()
    return now.lag === 7 && now.age > first.age && now.outages > first.outages && now
  })
  expect(later.settled).toBe(0)
  await postgres.start()
  const last = await until('the end of it', async () => {
    const now = await state()
    return now.lag === 0 && now.settled === 7 && now
  })
  expect(last).toMatchObject({ age: 0, waiting: 0 })
})

test('while Kafka is away the worker tells that it does not go on, and once it is back no more', async () => {
  const { servers, kafka, close } = await startOwnServers()
  onTestFinished(close)
  const world = await makeWorld(servers)
  onTestFinished(() => world.close())
  const app = await startApp(world)
  onTestFinished(() => app.close())
  const troubles = async () => valueIn(await scrape(app.metricsUrl), 'registrar_worker_troubles')
  await until('the worker', async () => (await get(`${app.url}/health/ready`)).status === 200)
  expect(await troubles()).toBe(0)

  await kafka.stop()
  await until('a reason', async () => (await troubles())! > 0)
  const { status, body } = await get(`${app.url}/health/ready`)
  expect(status).toBe(503)
  expect(body.detail).toContain('Kafka does not answer')
  await kafka.start()
  await until('no reason', async () => (await troubles()) === 0, 60_000)
})

test('what is stored of a chunk that a lock holds up is counted then, each once', async () => {
  const service = await withService({ roles: ['worker'] })
  await service.owner.query(`
    alter table workflow add constraint odd check (owner <> 'refused') not valid;
    create function locked() returns trigger language plpgsql as $$
      begin raise exception 'held' using errcode = '55P03'; end $$;
    create trigger locked before insert on workflow for each row
      when (new.owner = 'locked') execute function locked();`)
  const owners = ['free', 'refused', 'locked']
  await produce(
    service,
    owners.map((owner) => ({ partition: 0, value: JSON.stringify(aWorkflow({ owner })) })),
  )
  const counted = async (name: string, outcome: string) =>
    valueIn(await scrape(service.metricsUrl), name, { door: 'async', outcome })
  await until('a worker that waits', () => service.logs.some(({ msg }) => msg === 'the worker waits'))
  expect(await counted('registrar_requests_total', 'created')).toBe(1)
  expect(await counted('registrar_requests_total', 'failed')).toBe(1)

  await service.owner.query('drop trigger locked on workflow')
  await until(
    'the end of it',
    async () => valueIn(await scrape(service.metricsUrl), 'registrar_settled_records_total') === 3,
  )
  expect(await counted('registrar_requests_total', 'created')).toBe(2)
  expect(await counted('registrar_requests_total', 'failed')).toBe(1)
  for (const outcome of ['created', 'failed'])
    expect(await counted('registrar_replays_total', outcome)).toBe(0)
})

test('a worker with nothing to do tells that PostgreSQL takes no changes', async () => {
  const service = await withService({ roles: ['worker'] })
  await until('the worker', async () => (await get(`${service.url}/health/ready`)).status === 200)
  const troubles = async () => valueIn(await scrape(service.metricsUrl), 'registrar_worker_troubles')
  expect(await troubles()).toBe(0)
  const role = new URL(service.infrastructure.databaseUrl).username
  await service.owner.query(`alter role ${role} set default_transaction_read_only = on`)
  await service.owner.query('select pg_terminate_backend(pid) from pg_stat_activity where usename = $1', [
    role,
  ])
  await until('a reason', async () => (await get(`${service.url}/health/ready`)).status === 503)
  expect(await troubles()).toBe(1)
})

test('a port for metrics that is taken is one sentence, which names its variable', async () => {
  const world = await makeWorld()
  onTestFinished(() => world.close())
  const other = createServer()
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void other.close())
  const { port } = other.address() as AddressInfo
  expectSentence(
    await failingStart('ingress', { ...world.env, METRICS_PORT: String(port) }),
    new RegExp(`^Port ${port} on 127.0.0.1 is in use: set METRICS_PORT to another one$`),
  )
})
