import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { purgeOf } from '../src/db/purge.ts'
import { createLogger } from '../src/logger.ts'
import { type RetentionParts, retentionComplaint, startRetention } from '../src/retention.ts'
import { openRegistry, type Registry } from './support/registry.ts'
import { until } from './support/until.ts'

let registry: Registry
beforeAll(async () => {
  registry = await openRegistry()
})
afterAll(() => registry.close())
beforeEach(() => registry.empty())

/** Status rows of that age. */
async function addRows(count: number, days: number): Promise<void> {
  await registry.sql(
    `insert into registration_request (request_id, fingerprint, outcome, accepted_at, completed_at)
    select gen_random_uuid(), '\\x00', 'conflict', now(), now() - $2 * interval '24 hours'
    from generate_series(1, $1)`,
    [count, days],
  )
}

async function countRows(): Promise<number> {
  const rows = await registry.sql('select count(*)::int from registration_request')
  return Number(rows[0]!.count)
}

/** Starts it on the real purge; `batches` are the answers of its calls so far. */
function retain(parts: Partial<RetentionParts> = {}) {
  const batches: number[] = []
  const lines: Record<string, unknown>[] = []
  const { purge } = purgeOf(registry.db)
  const stop = startRetention({
    async purge(days, limit) {
      expect(limit).toBeLessThanOrEqual(1_000)
      const deleted = await purge(days, limit)
      batches.push(deleted)
      return deleted
    },
    days: 30,
    log: createLogger('trace', { write: (line) => void lines.push(JSON.parse(line)) }),
    ...parts,
  })
  onTestFinished(stop)
  return { batches, lines, stop }
}

test('what is too old is purged at the start in batches of at most 1000, and told in one line', async () => {
  await addRows(2_500, 31)
  await addRows(10, 29)
  const { batches, lines, stop } = retain()
  await until('the line', () => lines.length > 0)
  expect(batches).toEqual([1_000, 1_000, 500])
  expect(await countRows()).toBe(10)
  await stop()
  expect(lines).toMatchObject([{ level: 'info', msg: 'purged status rows', total: 2_500, days: 30 }])
})

test('a purge that finds nothing says nothing, and later ones purge what has become too old', async () => {
  const { batches, lines } = retain({ intervalMs: 20 })
  await until('two purges', () => batches.length >= 2)
  expect(lines).toEqual([])
  await addRows(3, 31)
  await until('the line', () => lines.length > 0)
  expect(lines).toMatchObject([{ level: 'info', total: 3 }])
})

test('0 days keeps status rows for ever', async () => {
  await addRows(3, 36_500)
  const { batches, stop } = retain({ days: 0, intervalMs: 1 })
  await stop()
  expect(batches).toEqual([])
  expect(await countRows()).toBe(3)
})

test('a stop ends it between two batches, and what was deleted until then is told', async () => {
  await addRows(20_000, 31)
  const { batches, lines, stop } = retain()
  await until('a batch', () => batches.length > 0)
  await stop()
  const left = await countRows()
  expect(left).toBeGreaterThan(0)
  expect(lines).toMatchObject([{ level: 'info', msg: 'purged status rows', total: 20_000 - left }])
})

test('a purge that fails is one warning, and is tried again later', async () => {
  const role = new URL(registry.world.infrastructure.databaseUrl).username
  await registry.sql(`revoke delete on registration_request from ${role}`)
  await addRows(3, 31)
  const { batches, lines } = retain({ intervalMs: 500 })
  await until('the warning', () => lines.length > 0)
  expect(lines).toMatchObject([{ level: 'warn', err: { code: '42501' } }])
  expect([batches, await countRows()]).toEqual([[], 3])
  await registry.sql(`grant delete on registration_request to ${role}`)
  await until('the purge', () => batches.length > 0)
  await until('its line', () => lines.at(-1)!.level === 'info')
  expect(lines.filter(({ level }) => level !== 'warn')).toMatchObject([{ level: 'info', total: 3 }])
  expect(await countRows()).toBe(0)
})

describe('status rows have to live as long as the topic', () => {
  const DAY_MS = 86_400_000
  test.each([
    [30, 7 * DAY_MS],
    [30, 30 * DAY_MS],
    [0, 365 * DAY_MS],
    [0, -1],
  ])('%i days are enough for a topic of %i ms', (days, topicMs) => {
    expect(retentionComplaint(days, topicMs)).toBeUndefined()
  })

  test.each([
    [30, 30 * DAY_MS + 60_000],
    [1, 7 * DAY_MS],
    [36_500, -1],
  ])('%i days are not enough for a topic of %i ms, in a sentence with both', (days, topicMs) => {
    const complaint = retentionComplaint(days, topicMs)
    expect(complaint).toContain(`REQUEST_RETENTION_DAYS is ${days},`)
    expect(complaint).toContain(`retention.ms is ${topicMs})`)
    expect(complaint).not.toMatch(/[\n.]$/)
  })

  test('days are told as they are, without a round number that would look right', () => {
    expect(retentionComplaint(7, 7.5 * DAY_MS)).toContain('for 7.5 days')
    expect(retentionComplaint(7, -1)).toContain('for ever')
  })
})
