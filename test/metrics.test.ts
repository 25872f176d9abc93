import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { DOORS } from '../src/domain/door.ts'
import { OUTCOMES } from '../src/domain/outcome.ts'
import { ID_REUSED, KEY_REUSED, type Registered } from '../src/domain/request.ts'
import { openMetrics } from '../src/metrics.ts'
import { readSamples, valueIn } from './support/metrics.ts'

function anEnd(more: Partial<Registered> = {}): Registered {
  return {
    ...{ requestId: randomUUID(), fingerprint: '', principal: null, outcome: 'created', rejection: null },
    ...{ failure: null, workflowName: null, version: null, entry: null, identical: false, purged: false },
    ...{ acceptedAt: new Date(Date.now() - 40_000), completedAt: new Date(), replayed: false },
    ...more,
  }
}

async function samplesOf(metrics: ReturnType<typeof openMetrics>) {
  return readSamples(await metrics.text())
}

test('each outcome of each door is there at 0 before it is seen', async () => {
  const samples = await samplesOf(openMetrics())
  for (const door of DOORS)
    for (const outcome of OUTCOMES)
      expect(valueIn(samples, 'registrar_requests_total', { door, outcome })).toBe(0)
})

describe('an outcome', () => {
  test.each(OUTCOMES)('%s counts once, at its door, with the time it took', async (outcome) => {
    const metrics = openMetrics()
    metrics.door('async').ended(anEnd({ outcome }))
    const samples = await samplesOf(metrics)
    const counted = samples.filter(({ name, value }) => name === 'registrar_requests_total' && value > 0)
    expect(counted).toEqual([expect.objectContaining({ labels: { door: 'async', outcome }, value: 1 })])
    const name = 'registrar_time_to_outcome_seconds'
    expect(valueIn(samples, `${name}_count`, { door: 'async' })).toBe(1)
    expect(valueIn(samples, `${name}_bucket`, { door: 'async', le: '30' })).toBe(0)
    expect(valueIn(samples, `${name}_sum`, { door: 'async' })).toBeGreaterThanOrEqual(40)
  })

  test('that is told again is a replay, and took no time', async () => {
    const metrics = openMetrics()
    metrics.door('sync').ended(anEnd({ replayed: true }))
    const samples = await samplesOf(metrics)
    expect(valueIn(samples, 'registrar_replays_total', { door: 'sync', outcome: 'created' })).toBe(1)
    expect(valueIn(samples, 'registrar_requests_total', { door: 'sync', outcome: 'created' })).toBe(0)
    expect(valueIn(samples, 'registrar_time_to_outcome_seconds_count', { door: 'sync' })).toBe(0)
  })

  test.each([
    ['of a reused id is stored nowhere and counts by itself, however often it comes', ID_REUSED, 0, 2],
    ['of a reused key counts, with its own times', KEY_REUSED, 2, 0],
  ])('%s', async (_, rejection, stored, reused) => {
    const metrics = openMetrics()
    for (const _ of [1, 2]) metrics.door('sync').ended(anEnd({ outcome: 'rejected', rejection }))
    const samples = await samplesOf(metrics)
    const count = (name: string, labels = {}) => valueIn(samples, name, { door: 'sync', ...labels })
    expect(count('registrar_requests_total', { outcome: 'rejected' })).toBe(stored)
    expect(count('registrar_reused_ids_total')).toBe(reused)
    expect(count('registrar_time_to_outcome_seconds_count')).toBe(stored)
    expect(count('registrar_replays_total', { outcome: 'rejected' })).toBe(0)
  })

  test('of a request from the future took no time', async () => {
    const metrics = openMetrics()
    metrics.door('async').ended(anEnd({ acceptedAt: new Date(Date.now() + 3_600_000) }))
    expect(
      valueIn(await samplesOf(metrics), 'registrar_time_to_outcome_seconds_sum', { door: 'async' }),
    ).toBe(0)
  })
})

test('a service counts nothing of another one in the same process, and tells of the process all the same', async () => {
  const [one, other] = [openMetrics(), openMetrics()]
  one.accepted()
  for (const [metrics, accepted] of [
    [one, 1],
    [other, 0],
  ] as const) {
    const samples = await samplesOf(metrics)
    expect(valueIn(samples, 'registrar_accepted_total')).toBe(accepted)
    expect(valueIn(samples, 'nodejs_eventloop_lag_p99_seconds')).toBeGreaterThanOrEqual(0)
    expect(valueIn(samples, 'process_cpu_seconds_total')).toBeGreaterThan(0)
  }
})

test('answers that an alert waits for are there at 0 before there is one', async () => {
  const metrics = openMetrics()
  metrics.doors(['createWorkflow'])
  const samples = await samplesOf(metrics)
  for (const status of ['500', '503']) {
    expect(valueIn(samples, 'registrar_http_requests_total', { operation: 'createWorkflow', status })).toBe(0)
    expect(valueIn(samples, 'registrar_batch_items_total', { status })).toBe(0)
  }
})

test('a worker that has not started has no partition and no lag, and a reason', async () => {
  const metrics = openMetrics()
  metrics.worker(
    () => undefined,
    async () => ['it has not started'],
  )
  const samples = await samplesOf(metrics)
  expect(valueIn(samples, 'registrar_worker_troubles')).toBe(1)
  expect(valueIn(samples, 'registrar_assigned_partitions')).toBe(0)
  expect(samples.filter(({ name }) => name === 'registrar_lag_records')).toEqual([])
})

test('a partition that is consumed no more is told of no more', async () => {
  let lag = new Map([
    [0, 3],
    [1, 4],
  ])
  const metrics = openMetrics()
  metrics.worker(
    () => ({ assigned: lag.size, waiting: 0, lag, oldestPendingSeconds: 0 }),
    async () => [],
  )
  expect(valueIn(await samplesOf(metrics), 'registrar_lag_records', { partition: '1' })).toBe(4)
  lag = new Map([[0, 5]])
  const samples = await samplesOf(metrics)
  expect(valueIn(samples, 'registrar_lag_records', { partition: '0' })).toBe(5)
  expect(valueIn(samples, 'registrar_lag_records', { partition: '1' })).toBeUndefined()
})

test('the table in the README has every metric of ours, with its type and labels, and no others', async () => {
  const metrics = openMetrics()
  metrics.answered('getLiveness', '200', 0.001)
  metrics.itemAnswered(201)
  metrics.pool('reads', () => ({ idle: 0, busy: 0, waiting: 0 }))
  metrics.worker(
    () => ({ assigned: 1, waiting: 0, lag: new Map([[0, 0]]), oldestPendingSeconds: 0 }),
    async () => [],
  )
  const text = await metrics.text()
  const samples = readSamples(text)
  const told = Array.from(text.matchAll(/^# TYPE (registrar_\w+) (\w+)$/gm), ([, name, type]) => {
    const first = samples.find((sample) => sample.name === (type === 'histogram' ? `${name}_sum` : name))
    return { name, type, labels: Object.keys(first!.labels) }
  })
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
  const rows = readme.matchAll(/^\| `(registrar_\w+)` \| (\w+) \| (.*?) ?\| \S.* \|$/gm)
  const documented = Array.from(rows, ([, name, type, labels]) => ({
    name,
    type,
    labels: Array.from(labels!.matchAll(/`(\w+)`/g), ([, label]) => label),
  }))
  const byName = (a: { name?: string | undefined }, b: { name?: string | undefined }) =>
    a.name! < b.name! ? -1 : 1
  expect(documented.sort(byName)).toEqual(told.sort(byName))
})
