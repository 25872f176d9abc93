import { randomUUID } from 'node:crypto'
import { drizzle } from 'drizzle-orm/node-postgres'
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import type { Db } from '../../src/db/open.ts'
import { purgeOf } from '../../src/db/purge.ts'
import { registrations } from '../../src/db/registrations.ts'
import { readBody } from '../../src/domain/body.ts'
import type { ValidRequest } from '../../src/domain/request.ts'
import { registerWith } from '../../src/register.ts'
import { openRegistry, type Registry } from '../support/registry.ts'
import { aWorkflow } from '../support/workflows.ts'

const HOUR_DAYS = 1 / 24

let registry: Registry
beforeAll(async () => {
  registry = await openRegistry()
})
afterAll(() => registry.close())
beforeEach(() => registry.empty())

function aRequest(): ValidRequest {
  const body = readBody(Buffer.from(JSON.stringify(aWorkflow())))
  if (body.kind !== 'valid') throw new Error('the body is not valid')
  const { workflow, fingerprint } = body
  return {
    ...{ requestId: randomUUID(), fingerprint, idempotencyKey: null, principal: null },
    ...{ acceptedAt: new Date(), workflow },
  }
}

/** Registers that many, and makes the first the oldest: completed that many days ago, the next a day later. */
async function registerAged(count: number): Promise<ValidRequest[]> {
  const requests = Array.from({ length: count }, () => aRequest())
  await registry.register(requests)
  for (const [index, { requestId }] of requests.entries())
    await registry.sql(
      `update registration_request set completed_at = now() - $2 * interval '24 hours' where request_id = $1`,
      [requestId, count - index],
    )
  return requests
}

async function kept(): Promise<string[]> {
  const rows = await registry.sql('select request_id from registration_request order by completed_at')
  return rows.map((row) => String(row.request_id))
}

const idsOf = (requests: readonly ValidRequest[]) => requests.map(({ requestId }) => requestId)

/** Purges, and holds what it deleted until the test says go. */
async function heldPurge(days: number, limit: number) {
  const { promise: held, resolve: letGo } = Promise.withResolvers<void>()
  const deleted = Promise.withResolvers<number>()
  const done = registry.db
    .transaction(async (tx) => {
      deleted.resolve(await purgeOf(tx as unknown as Db).purge(days, limit))
      await held
    })
    .catch(deleted.reject)
  const release = async () => {
    letGo()
    await done
  }
  onTestFinished(release)
  return { deleted: await deleted.promise, release }
}

/** How many transactions of this database hold an advisory lock. */
async function lockHolders(): Promise<number> {
  const rows = await registry.sql(`
    select from pg_locks join pg_database on pg_database.oid = database
    where datname = current_database() and locktype = 'advisory' and granted`)
  return rows.length
}

test('a purge deletes the oldest first, no more than its limit, and only what is older than the days', async () => {
  const requests = await registerAged(6)
  const { purge } = purgeOf(registry.db)
  expect(await purge(2.5, 3)).toBe(3)
  expect(await kept()).toEqual(idsOf(requests.slice(3)))
  expect(await purge(2.5, 3)).toBe(1)
  expect(await purge(2.5, 3)).toBe(0)
  expect(await kept()).toEqual(idsOf(requests.slice(4)))
  const [{ count }] = (await registry.sql('select count(*)::int from workflow')) as [{ count: number }]
  expect(count).toBe(6)
})

test('of two purgers at a time only one deletes, and the other does not wait', async () => {
  const requests = await registerAged(4)
  const first = await heldPurge(HOUR_DAYS, 2)
  expect(first.deleted).toBe(2)
  expect(await lockHolders()).toBe(1)
  expect(await purgeOf(registry.db).purge(HOUR_DAYS, 10)).toBe(0)
  await first.release()
  expect(await lockHolders()).toBe(0)
  expect(await kept()).toEqual(idsOf(requests.slice(2)))
  expect(await purgeOf(registry.db).purge(HOUR_DAYS, 10)).toBe(2)
})

test('requests are registered, together and alone, while a purge holds its rows', async () => {
  await registerAged(5)
  const purge = await heldPurge(HOUR_DAYS, 5)
  expect(purge.deleted).toBe(5)
  const [alone, ...together] = Array.from({ length: 101 }, () => aRequest())
  const ended = [...(await registry.register(together)), ...(await registry.register([alone!]))]
  expect(ended.map(({ outcome }) => outcome)).toEqual(Array(101).fill('created'))
  expect(await lockHolders()).toBe(1)
  await purge.release()
  expect((await kept()).sort()).toEqual(idsOf([alone!, ...together]).sort())
})

test('a purge does not wait for requests that are being registered', async () => {
  await registerAged(5)
  const request = aRequest()
  const session = await registry.db.$client.connect()
  await session.query('begin')
  await registrations(drizzle(session) as unknown as Db).storeMany([request], [])
  expect(await purgeOf(registry.db).purge(HOUR_DAYS, 10)).toBe(5)
  expect(await kept()).toEqual([])
  await session.query('commit')
  session.release()
  expect(await kept()).toEqual([request.requestId])
})

test.each([
  ['together', 2],
  ['alone', 1],
])('requests that come again %s while their rows are being purged end as they did', async (_, size) => {
  const [made, ...others] = await registerAged(2)
  const lost = { ...aRequest(), workflow: made!.workflow }
  await registry.register([lost])
  await registry.sql("update registration_request set completed_at = now() - interval '3 days'")
  const purge = await heldPurge(1, 10)
  expect(purge.deleted).toBe(3)

  const again = registry.register([made!, ...others].slice(0, size))
  expect((await again).map(({ outcome, replayed }) => [outcome, replayed])).toEqual(
    Array(size).fill(['created', true]),
  )
  const conflict = registry.register([lost])
  await purge.release()
  expect((await conflict)[0]!.outcome).toBe('conflict')
  expect(await registry.sql('select from workflow')).toHaveLength(2)
})

test('a conflict that comes again at the moment of its purge ends as it did', async () => {
  const [made, ...others] = await registerAged(3)
  const lost = { ...aRequest(), workflow: made!.workflow }
  await registry.register([lost])
  await registry.sql("update registration_request set completed_at = now() - interval '3 days'")
  let purged = 0
  const register = registerWith({
    ...registry.store,
    async storeMany(requests, progress) {
      const stored = await registry.store.storeMany(requests, progress)
      purged += await purgeOf(registry.db).purge(1, 10)
      return stored
    },
  })
  const again = await register([lost, ...others])
  expect(purged).toBe(4)
  expect(again).toMatchObject([{ outcome: 'conflict' }, { outcome: 'created' }, { outcome: 'created' }])
})
