import { randomUUID } from 'node:crypto'
import { drizzle } from 'drizzle-orm/node-postgres'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Db } from '../src/db/open.ts'
import { progressOf } from '../src/db/progress.ts'
import { registrations } from '../src/db/registrations.ts'
import { dbFailure } from '../src/db/sqlstate.ts'
import { readBody } from '../src/domain/body.ts'
import { classify, type FailureClass } from '../src/domain/classify.ts'
import { Fault } from '../src/domain/fault.ts'
import type { LogProgress } from '../src/domain/progress.ts'
import { ID_REUSED, KEY_REUSED, type Registered, type RegistrationRequest } from '../src/domain/request.ts'
import { registerWith, unlessFault } from '../src/register.ts'
import { openRegistry, type Registry } from './support/registry.ts'
import { runs } from './support/seeded.ts'
import { until } from './support/until.ts'
import { aWorkflow } from './support/workflows.ts'

const registries: Registry[] = []
async function aRegistry(): Promise<Registry> {
  const registry = await openRegistry()
  registries.push(registry)
  return registry
}
afterAll(() => Promise.all(registries.map((registry) => registry.close())))

describe('a script of requests', () => {
  let together: Registry
  let alone: Registry
  let falling: Registry
  beforeAll(async () => {
    ;[together, alone, falling] = await Promise.all([aRegistry(), aRegistry(), aRegistry()])
    await refusePoison(falling)
  })

  test('ends the same in batches, one by one, and when every batch is refused', async () => {
    const seen = new Set<string>()
    await fc.assert(
      fc.asyncProperty(scripts, async (batches) => {
        await Promise.all([
          holds(together, batches, (batch) => together.register(batch), seen),
          holds(alone, batches, async (batch) => {
            const answers: Registered[] = []
            for (const request of batch) answers.push(...(await alone.register([request])))
            return answers
          }),
          fallsBack(falling, batches),
        ])
      }),
      runs(20),
    )
    expect([...seen].sort()).toEqual(EVERY_ENDING)
  })

  /** Every answer and every stored row is as the model says. */
  async function holds(
    registry: Registry,
    batches: readonly RegistrationRequest[][],
    registerAll: (batch: RegistrationRequest[]) => Promise<Registered[]>,
    seen?: Set<string>,
  ) {
    await registry.empty()
    const model = modelRegistry()
    for (const batch of batches) {
      const expected = batch.map((request) => model.register(request))
      expect(await told(registry, await registerAll(batch))).toEqual(expected)
      for (const ending of expected) seen?.add(kindOf(ending))
    }
    expect(await storedIn(registry)).toEqual(model.stored())
  }

  /** Every batch has a request that the database refuses: alone it fails, and its neighbours end as ever. */
  async function fallsBack(registry: Registry, batches: readonly RegistrationRequest[][]) {
    const poisoned = batches.map((batch, index) => {
      const poison = requestOf(randomUUID(), poisonBody(`${index}.0.0`), randomUUID(), index)
      return batch.toSpliced((index * 7) % (batch.length + 1), 0, poison)
    })
    await registry.sql("select setval('refusals', 1, false)")
    await holds(registry, poisoned, (batch) => registry.register(batch))
    const [refusals] = await registry.sql("select nextval('refusals')::int - 1 as count")
    expect(refusals!.count).toBe(2 * batches.length) // once in its batch, once alone
  }
})

test('rivals that register the same requests in opposite orders agree on one ending for each', async () => {
  const registry = await aRegistry()
  await registry.sql(`alter database ${new URL(registry.world.infrastructure.databaseUrl).pathname.slice(1)}
    set deadlock_timeout = '30ms'`)
  let refusedBatches = 0
  const register = registerWith({
    ...registry.store,
    storeMany: (requests, progress) =>
      registry.store.storeMany(requests, progress).catch((error) => {
        refusedBatches += 1
        throw error
      }),
  })

  await fc.assert(
    fc.asyncProperty(scripts, async (batches) => {
      await registry.empty()
      const all = batches.flat()
      const backwards = all.toReversed()
      const odd = all.filter((_, index) => index % 2 === 1)
      const writers = [[all], [backwards], batches.toReversed(), odd.map((request) => [request])]
      const answers = await Promise.all(
        writers.map(async (writes) => {
          return (
            await inTurn(writes, async (batch) => zip(batch, (await register(batch)).map(unlessFault)))
          ).flat()
        }),
      ).then((each) => each.flat())

      const { requests, catalog } = await storedIn(registry)
      const made = new Map(catalog.map((row) => [row.created_by_request, row]))
      const rowOf = new Map(requests.map((row) => [row.request_id, row]))
      expect(rowOf.size).toBe(new Set(all.map((request) => request.requestId)).size)
      for (const row of requests) {
        expect(made.has(row.request_id)).toBe(row.outcome === 'created')
        expect(made.get(row.request_id)?.fingerprint ?? row.fingerprint).toBe(row.fingerprint)
        if (row.outcome === 'conflict')
          expect(catalog).toContainEqual(
            expect.objectContaining({ workflow_name: row.workflow_name, version: row.version }),
          )
      }
      for (const [request, answer] of answers) {
        const row = rowOf.get(request.requestId)!
        expect(answer).toMatchObject(
          row.fingerprint === request.fingerprint
            ? { outcome: row.outcome, rejection: row.rejection }
            : { outcome: 'rejected', rejection: ID_REUSED, entry: null },
        )
      }
      const again = await register(answers.map(([request]) => request))
      for (const [index, [request, { replayed: _, completedAt, ...ending }]] of answers.entries()) {
        const sameBody = rowOf.get(request.requestId)!.fingerprint === request.fingerprint
        expect(again[index]).toMatchObject({ ...ending, completedAt, ...(sameBody && { replayed: true }) })
      }
      expect(await storedIn(registry)).toEqual({ requests, catalog })
    }),
    runs(15),
  )
  expect(refusedBatches).toBeGreaterThan(0)
})

test('rivals for the same names in other orders never lock each other out', async () => {
  const registry = await aRegistry()
  const refusals: unknown[] = []
  const register = registerWith({
    ...registry.store,
    storeMany: (requests, progress) =>
      registry.store.storeMany(requests, progress).catch((error) => {
        refusals.push(dbFailure(error)?.code)
        throw error
      }),
  })
  for (let round = 0; round < 5; round += 1) {
    const bodies = Array.from({ length: 400 }, () => bodyOf(aWorkflow()))
    const forwards = () => bodies.map((body) => requestOf(randomUUID(), body))
    const mixed = () => forwards().sort((a, b) => (a.fingerprint < b.fingerprint ? -1 : 1))
    const orders = [forwards(), forwards().reverse(), mixed(), mixed().reverse()]
    const answers = await Promise.all(orders.map((order) => register(order)))
    const outcomes = Map.groupBy(answers.flat().map(unlessFault), ({ outcome }) => outcome)
    expect(outcomes.get('created')).toHaveLength(400)
    expect(outcomes.get('conflict')).toHaveLength(1_200)
  }
  expect(refusals).toEqual([])
})

describe('each step that is tried again', () => {
  const CASES = [
    { what: 'a request that others are in the way of', code: '40001', refusals: 2, requests: 1, told: 2 },
    { what: 'one that they never let through', code: '40001', refusals: 100, requests: 1, told: 4 },
    { what: 'a batch that they let through in the end', code: '40P01', refusals: 1, requests: 3, told: 1 },
    { what: 'a batch that meets a lock, row by row', code: '55P03', refusals: 1, requests: 3, told: 1 },
    { what: 'a batch with a request that is refused', code: '23514', refusals: 1, requests: 3, told: 1 },
    { what: 'a request that is refused, never', code: '23514', refusals: 1, requests: 1, told: 0 },
  ]

  test.each(CASES)('is told of, by its class: $what', async ({ code, refusals, requests, told }) => {
    const registry = await aRegistry()
    await registry.sql(`
      create sequence tries;
      create function refuse() returns trigger security definer language plpgsql as $$ begin
        if nextval('tries') <= ${refusals} then raise exception 'refused' using errcode = '${code}'; end if;
        return new;
      end $$;
      create trigger refuse before insert on workflow for each statement execute function refuse();`)
    const batches: number[] = []
    const retries: FailureClass[] = []
    const register = registerWith(registry.store, {
      batch: (size) => void batches.push(size),
      retried: (failureClass) => void retries.push(failureClass),
    })
    const all = Array.from({ length: requests }, () => requestOf(randomUUID(), bodyOf(aWorkflow())))
    await register(all).catch((error) => expect(error).toBeInstanceOf(Fault))
    expect(batches).toEqual([requests])
    expect(retries).toEqual(Array.from({ length: told }, () => classify({ code })))
  })
})

test('what is told of an outcome as it is stored is what is read of it afterwards', async () => {
  const registry = await aRegistry()
  const told = new Set<string>()
  await fc.assert(
    fc.asyncProperty(scripts, async (batches) => {
      await registry.empty()
      for (const batch of batches) {
        const stored = await registry.store.storeMany(batch, [])
        const read = await registry.store.read([...stored.keys()])
        for (const [id, settled] of stored) {
          const { outcome } = read.get(id)!
          if (settled) told.add(outcome)
          expect(settled).toEqual(outcome === 'rejected' ? undefined : read.get(id))
        }
      }
    }),
    runs(12),
  )
  expect([...told].sort()).toEqual(['conflict', 'created'])
})

test('a conflict with a workflow that a rival made in the meantime is read, and told as any other', async () => {
  const registry = await aRegistry()
  const [mine, beside] = [
    requestOf(randomUUID(), bodyOf(aWorkflow())),
    requestOf(randomUUID(), bodyOf(aWorkflow())),
  ]
  const theirs = { ...mine, requestId: randomUUID() }
  const rival = await registry.db.$client.connect()
  await rival.query('begin')
  const [made] = (await registrations(drizzle(rival) as unknown as Db).storeMany([theirs], [])).values()
  const ended = registry.register([mine, beside])
  await until('a wait for the rival', async () => (await registry.sql(WAITING))[0]!.count === 1)
  await rival.query('commit')
  rival.release()
  expect(await ended).toMatchObject([
    { outcome: 'conflict', entry: made!.entry, identical: true, replayed: false },
    { outcome: 'created' },
  ])
})

test('of requests that are stored one by one, those before a lock end, and the others are answered with the fault', async () => {
  const registry = await aRegistry()
  await registry.sql(`
    create function locked() returns trigger language plpgsql as $$
      begin raise exception 'held' using errcode = '55P03'; end $$;
    create trigger locked before insert on workflow for each row
      when (new.owner = 'locked') execute function locked();
    alter table workflow add constraint odd check (owner <> 'refused')`)
  const owned = (owner: string) => requestOf(randomUUID(), bodyOf(aWorkflow({ owner })))
  const requests = ['free', 'refused', 'locked', 'free'].map(owned)
  const progress = [{ clusterId: 'c', topic: 't', partition: 0, nextOffset: 4n }]
  const register = registerWith(registry.store)

  const first = await register(requests, progress)
  const created = { outcome: 'created', replayed: false }
  const failed = { outcome: 'failed', failure: '23514', replayed: false }
  expect(first.slice(0, 2)).toMatchObject([created, failed])
  for (const answer of first.slice(2)) {
    expect(answer).toBeInstanceOf(Fault)
    expect(answer).toMatchObject({ class: 'outage', failure: { code: '55P03' } })
  }
  expect(await registry.sql('select from registration_request')).toHaveLength(2)
  expect(await registry.sql('select from consumer_progress')).toEqual([])

  await registry.sql('drop trigger locked on workflow')
  expect(await register(requests, progress)).toMatchObject([
    { ...created, replayed: true },
    { ...failed, replayed: true },
    created,
    created,
  ])
  expect(await registry.sql('select from consumer_progress')).toHaveLength(1)
})

test('a fault is thrown where the progress is not stored, though each request has an outcome', async () => {
  const registry = await aRegistry()
  const [known, fresh] = [bodyOf(aWorkflow()), bodyOf(aWorkflow())].map((body) =>
    requestOf(randomUUID(), body),
  )
  await registry.register([known!])
  const held = () => Promise.reject(Object.assign(new Error('held'), { code: '55P03' }))
  const register = registerWith({
    ...registry.store,
    storeMany: held,
    storeCreated: (request, progress) =>
      request.requestId === known!.requestId ? held() : registry.store.storeCreated(request, progress),
    failureOf: (thrown) => thrown as { code: string },
  })
  const progress = [{ clusterId: 'c', topic: 't', partition: 0, nextOffset: 2n }]
  await expect(register([fresh!, known!], progress)).rejects.toMatchObject({ failure: { code: '55P03' } })
  expect(await registry.sql('select from registration_request')).toHaveLength(2)
  expect(await registry.sql('select from consumer_progress')).toEqual([])
})

const WAITING =
  "select count(*)::int from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"

test('what a request meets is looked up by index, however much is stored that no plan knows of', async () => {
  const registry = await aRegistry()
  await registry.sql('alter table registration_request set (autovacuum_enabled = off)')
  await registry.sql('alter table workflow set (autovacuum_enabled = off)')
  const keyed = () => requestOf(randomUUID(), bodyOf(aWorkflow()), randomUUID())
  for (const size of [2, 2, 2, 2, 500, 500, 500, 500])
    await registry.register(Array.from({ length: size }, keyed))
  const read = async () => {
    await registry.db.execute('select pg_stat_force_next_flush()') // of the session that stored them
    const [row] = await registry.sql(
      'select sum(seq_tup_read)::int as rows, sum(idx_scan)::int as looks from pg_stat_user_tables',
    )
    return row as { rows: number; looks: number }
  }
  const { rows } = await until('the counts of all', async () => {
    const counts = await read()
    return counts.looks > 6_000 && counts
  })
  expect(rows).toBeLessThan(100)
})

test('after a purge, what was created or in conflict ends the same again and adds no workflow', async () => {
  const registry = await aRegistry()
  await fc.assert(
    fc.asyncProperty(scripts, fc.boolean(), async (batches, oneByOne) => {
      await registry.empty()
      const before = await inTurn(batches, async (batch) => zip(batch, await registry.register(batch)))
      const { catalog } = await storedIn(registry)
      await registry.sql('delete from registration_request')

      const kept = before.flat().filter(([, { outcome }]) => outcome === 'created' || outcome === 'conflict')
      const requests = kept.map(([request]) => request)
      const after = oneByOne
        ? (await inTurn(requests, (request) => registry.register([request]))).flat()
        : await registry.register(requests)
      expect(after.map(ending)).toEqual(kept.map(([, answer]) => ending(answer)))
      expect((await storedIn(registry)).catalog).toEqual(catalog)
    }),
    runs(12),
  )
})

test('after a purge, the id of a created request is still not free for another body', async () => {
  const registry = await aRegistry()
  const first = requestOf(randomUUID(), bodyOf(aWorkflow()))
  const other = requestOf(first.requestId, bodyOf(aWorkflow()))
  await registry.register([first])
  await registry.sql('delete from registration_request')
  const reused = { outcome: 'rejected', rejection: ID_REUSED, entry: null, replayed: false }
  expect(await registry.register([other])).toMatchObject([reused])
  expect(await registry.register([other, first])).toMatchObject([
    reused,
    { outcome: 'created', replayed: true },
  ])
  expect((await storedIn(registry)).catalog).toHaveLength(1)
})

describe('a request that breaks its connection', () => {
  let registry: Registry
  beforeAll(async () => {
    registry = await aRegistry()
    await registry.sql(`
      create sequence breaks;
      create function break() returns trigger security definer language plpgsql as $$ begin
        perform nextval('breaks'), pg_terminate_backend(pg_backend_pid());
        return new;
      end $$;
      create trigger break before insert on workflow for each row
        when (new.description = '${POISON}') execute function break();`)
  })

  const fresh = () => requestOf(randomUUID(), bodyOf(aWorkflow()), randomUUID())
  const breaking = (key = randomUUID() as string) => requestOf(randomUUID(), poisonBody(anyVersion()), key)
  const created = { outcome: 'created', failure: null, replayed: false }
  const failed = { outcome: 'failed', failure: '57P01', replayed: false, entry: null }

  test('fails, and its neighbours end as ever', async () => {
    await registry.sql("select setval('breaks', 1, false)")
    const requests = [fresh(), breaking(), fresh()]
    expect(await registry.register(requests)).toMatchObject([created, failed, created])
    const [breaks] = await registry.sql("select nextval('breaks')::int - 1 as count")
    expect(breaks!.count).toBe(6) // three times in the batch, three times alone
    const again = await registry.register(requests)
    expect(again).toMatchObject([created, failed, created].map((ending) => ({ ...ending, replayed: true })))
  })

  test.each([1, 2])('has no ending while no other passes (%i at once)', async (count) => {
    const requests = Array.from({ length: count }, () => breaking())
    const fault = await registry.register(requests).catch((error) => error)
    expect(fault).toBeInstanceOf(Fault)
    expect(fault).toMatchObject({ class: 'systemic', failure: { code: '57P01' } })
    const ids = requests.map(({ requestId }) => requestId)
    expect(await registry.sql('select from registration_request where request_id = any($1)', [ids])).toEqual(
      [],
    )
  })

  test('is rejected if its key is taken, and keeps nobody from ending', async () => {
    const first = fresh()
    await registry.register([first])
    const [one, other, neighbour] = [breaking(first.idempotencyKey!), breaking(), fresh()]
    expect(await registry.register([one, other, neighbour])).toMatchObject([
      { outcome: 'rejected', rejection: KEY_REUSED },
      failed,
      created,
    ])
  })
})

describe('the progress of a log', () => {
  let registry: Registry
  beforeAll(async () => {
    registry = await aRegistry()
    await refusePoison(registry)
  })

  const log = { clusterId: 'c', topic: 't' }
  let partitions = 0
  const aPartition = (nextOffset: bigint): LogProgress => ({ ...log, partition: partitions++, nextOffset })
  const read = async ({ partition }: LogProgress) =>
    (await progressOf(registry.db).read(log.clusterId, log.topic)).get(partition)
  const fresh = () => requestOf(randomUUID(), bodyOf(aWorkflow()), randomUUID())
  const poison = () => requestOf(randomUUID(), poisonBody(anyVersion()))

  /** What ends in each of the ways; the last request of each is stored with the progress. */
  const endings: Record<string, () => Promise<RegistrationRequest[]>> = {
    'a batch': async () => [fresh(), fresh(), fresh()],
    'a request alone that is created': async () => [fresh()],
    'a request alone in conflict': async () => {
      const workflow = aWorkflow()
      await registry.register([requestOf(randomUUID(), bodyOf(workflow))])
      return [requestOf(randomUUID(), bodyOf(workflow))]
    },
    'a request alone that is invalid': async () => [requestOf(randomUUID(), bodyOf({ version: 'v1' }))],
    'a request alone with a key that is taken': async () => {
      const first = fresh()
      await registry.register([first])
      return [{ ...fresh(), idempotencyKey: first.idempotencyKey } as RegistrationRequest]
    },
    'a request alone that fails': async () => [poison()],
    'a batch that is refused': async () => [fresh(), poison(), fresh()],
  }

  test.each(Object.entries(endings))('moves in the transaction that ends %s', async (_name, make) => {
    const requests = await make()
    const progress = aPartition(7n)
    await registry.register(requests, [progress])
    expect(await read(progress)).toBe(7n)
    const [row] = await registry.sql(
      `select p.xmin = r.xmin as together from consumer_progress p, registration_request r
        where p.partition = $1 and r.request_id = $2`,
      [progress.partition, requests.at(-1)!.requestId],
    )
    expect(row).toEqual({ together: true })
  })

  test.each([1, 3])('moves past %i requests that were all stored before', async (count) => {
    const requests = Array.from({ length: count }, fresh)
    await registry.register(requests)
    const progress = aPartition(9n)
    expect(await registry.register(requests, [progress])).toMatchObject(
      requests.map(() => ({ outcome: 'created', replayed: true })),
    )
    expect(await read(progress)).toBe(9n)
  })

  test.each([1, 3])('is never moved back by %i requests', async (count) => {
    const progress = aPartition(20n)
    await registry.register(Array.from({ length: count }, fresh), [progress])
    await registry.register(Array.from({ length: count }, fresh), [{ ...progress, nextOffset: 5n }])
    expect(await read(progress)).toBe(20n)
    await registry.register(Array.from({ length: count }, fresh), [{ ...progress, nextOffset: 21n }])
    expect(await read(progress)).toBe(21n)
  })

  test('stays where it is without requests, and the caller moves it past them, never back', async () => {
    const progress = aPartition(3n)
    expect(await registry.register([], [progress])).toEqual([])
    expect(await read(progress)).toBeUndefined()
    const { move } = progressOf(registry.db)
    await move([progress])
    await move([{ ...progress, nextOffset: 2n }])
    expect(await read(progress)).toBe(3n)
    await move([{ ...progress, nextOffset: 2n ** 62n }])
    expect(await read(progress)).toBe(2n ** 62n)
  })

  describe('and of others with it', () => {
    test.each([1, 3])(
      'moves with what is stored of %i requests, each from where it stands',
      async (count) => {
        const [known, unknown, elsewhere] = [aPartition(5n), aPartition(2n), aPartition(9n)]
        const other = { ...elsewhere, topic: 'other', partition: known.partition }
        const { move } = progressOf(registry.db)
        await move([known, other])
        await registry.register(Array.from({ length: count }, fresh), [
          unknown,
          { ...known, from: 5n, nextOffset: 8n },
          { ...other, from: 9n, nextOffset: 11n },
        ])
        expect(await read(known)).toBe(8n)
        expect(await read(unknown)).toBe(2n)
        expect((await progressOf(registry.db).read('c', 'other')).get(other.partition)).toBe(11n)
      },
    )

    test.each([1, 3])(
      'moves for none of them over a gap in one, and %i requests have no ending',
      async (count) => {
        const [sound, gap] = [aPartition(5n), aPartition(5n)]
        const { move } = progressOf(registry.db)
        await move([sound, gap])
        const requests = Array.from({ length: count }, fresh)
        const fault = await registry
          .register(requests, [
            { ...sound, from: 5n, nextOffset: 8n },
            { ...gap, from: 6n, nextOffset: 8n },
          ])
          .catch((error) => error)
        expect(fault).toMatchObject({ failure: { constraint: 'ck_consumer_progress_no_gap' } })
        expect(await read(sound)).toBe(5n)
        expect(await read(gap)).toBe(5n)
        const ids = requests.map(({ requestId }) => requestId)
        const rows = await registry.sql('select from registration_request where request_id = any($1)', [ids])
        expect(rows).toEqual([])
      },
    )
  })

  test.each([1, 3])('that cannot be written leaves %i requests without an ending', async (count) => {
    const own = await aRegistry()
    const role = new URL(own.world.infrastructure.databaseUrl).username
    await own.sql(`revoke insert on consumer_progress from ${role}`)
    const fault = await own.register(Array.from({ length: count }, fresh), [aPartition(1n)]).catch((e) => e)
    expect(fault).toBeInstanceOf(Fault)
    expect(fault).toMatchObject({ class: 'systemic', failure: { code: '42501' } })
    expect(await storedIn(own)).toEqual({ requests: [], catalog: [] })
  })
})

// What a request may bring: few names, versions, ids and keys, so that they meet all the time.

type ReadBody = ReturnType<typeof readBody>

function bodyOf(value: unknown): ReadBody {
  return readBody(Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)))
}

const POISON = 'the database refuses this one'

function poisonBody(version: string): ReadBody {
  return bodyOf(aWorkflow({ workflow_name: 'poisoned', version, description: POISON }))
}

const anyVersion = () => `1.0.0-x${randomUUID()}`

/** Refuses a workflow that would otherwise be created, and counts how often, whatever is rolled back. */
async function refusePoison(registry: Registry) {
  await registry.sql(`
    create sequence refusals;
    create function refuse() returns trigger security definer language plpgsql as $$ begin
      perform nextval('refusals');
      raise exception 'refused' using errcode = '23514', constraint = 'ck_poison';
    end $$;
    create trigger refuse after insert on workflow for each row
      when (new.description = '${POISON}') execute function refuse();`)
}

function requestOf(
  requestId: string,
  body: ReadBody,
  key: string | null = null,
  second = 0,
): RegistrationRequest {
  const common = {
    requestId,
    fingerprint: body.fingerprint,
    principal: second % 2 === 0 ? null : `principal ${second}`,
    acceptedAt: new Date(Date.UTC(2024, 0, 1, 0, 0, second)),
  }
  if (body.kind === 'valid') return { ...common, idempotencyKey: key, workflow: body.workflow }
  const { rejection, workflowName, version } = body
  return { ...common, idempotencyKey: key, rejection, workflowName, version }
}

const bodies = fc
  .tuple(
    fc.constantFrom('a', 'b', 'Ünïcode 🚀'),
    fc.constantFrom('1.0.0', '1.0.0-rc.1', 'v1'),
    fc.constantFrom('x', 'y'),
  )
  .map(([workflow_name, version, description]) => bodyOf(aWorkflow({ workflow_name, version, description })))
const unreadable = fc.constantFrom('{', '[]', JSON.stringify({ workflow_name: 'a' })).map(bodyOf)
const body = fc.oneof({ arbitrary: bodies, weight: 12 }, { arbitrary: unreadable, weight: 1 })
const key = fc.option(
  fc.constantFrom(...[1, 2, 3, 4, 5].map((n) => `00000000-0000-4000-8000-00000000000${n}`)),
)
const of = fc.nat()

const steps = fc.oneof(
  { arbitrary: fc.record({ kind: fc.constant('new' as const), id: fc.uuid(), body, key }), weight: 6 },
  { arbitrary: fc.record({ kind: fc.constant('redelivered' as const), of }), weight: 3 },
  { arbitrary: fc.record({ kind: fc.constant('id reused' as const), of, body, key }), weight: 1 },
  { arbitrary: fc.record({ kind: fc.constant('key reused' as const), of, id: fc.uuid(), body }), weight: 1 },
)

/** Batches of requests, of which many meet one before them. */
const scripts = fc
  .array(fc.array(steps, { minLength: 1, maxLength: 30, size: 'max' }), {
    minLength: 1,
    maxLength: 3,
    size: 'max',
  })
  .map((batches) => {
    const all: RegistrationRequest[] = []
    return batches.map((batch) =>
      batch.map((step) => {
        const earlier = 'of' in step ? all[step.of % Math.max(all.length, 1)] : undefined
        const id = 'id' in step ? step.id : (earlier?.requestId ?? randomUUID())
        const stepKey = 'key' in step ? step.key : (earlier?.idempotencyKey ?? null)
        const request =
          step.kind === 'redelivered' && earlier
            ? { ...earlier, principal: 'another', acceptedAt: new Date(earlier.acceptedAt.getTime() + 1) }
            : requestOf(id, 'body' in step ? step.body : bodyOf('{'), stepKey, all.length)
        all.push(request)
        return request
      }),
    )
  })

// What has to come of them: the rules of the contract, one request at a time.

interface Ending {
  requestId: string
  fingerprint: string
  principal: string | null
  outcome: string
  rejection: unknown
  failure: string | null
  workflowName: string | null
  version: string | null
  /** The request that made the workflow which the ending speaks of. */
  madeBy: string | null
  identical: boolean
  replayed: boolean
  purged: boolean
  acceptedAt: Date
}

function modelRegistry() {
  const endings = new Map<string, Ending>()
  const keys = new Map<string, string>()
  const catalog = new Map<string, RegistrationRequest>()

  function register(request: RegistrationRequest): Ending {
    const { requestId, fingerprint, principal, acceptedAt } = request
    const workflowName = request.workflow?.workflow_name ?? (request.rejection ? request.workflowName : null)
    const version = request.workflow?.version ?? (request.rejection ? request.version : null)
    const lost = { ...{ requestId, fingerprint, principal, acceptedAt, workflowName, version }, ...NOTHING }
    const known = endings.get(requestId)
    if (known?.fingerprint === fingerprint) return { ...known, replayed: true }
    if (known) return { ...lost, acceptedAt: known.acceptedAt, outcome: 'rejected', rejection: ID_REUSED }
    const ending = judge(request, lost)
    endings.set(requestId, ending)
    if (request.workflow && request.idempotencyKey && ending.outcome !== 'rejected')
      keys.set(request.idempotencyKey, requestId)
    return ending
  }

  function judge(request: RegistrationRequest, lost: Omit<Ending, 'outcome'>): Ending {
    if (request.rejection) return { ...lost, outcome: 'rejected', rejection: request.rejection }
    if (request.idempotencyKey && keys.has(request.idempotencyKey))
      return { ...lost, outcome: 'rejected', rejection: KEY_REUSED }
    const place = `${lost.workflowName}\n${lost.version}`
    const holder = catalog.get(place)
    if (holder) {
      const identical = holder.fingerprint === request.fingerprint
      return { ...lost, outcome: 'conflict', madeBy: holder.requestId, identical }
    }
    if (request.workflow.description === POISON) return { ...lost, outcome: 'failed', failure: '23514' }
    catalog.set(place, request)
    return { ...lost, outcome: 'created', madeBy: request.requestId }
  }

  function stored() {
    const keyOf = new Map([...keys].map(([key, requestId]) => [requestId, key]))
    return {
      requests: [...endings.values()]
        .map((ending) => ({
          request_id: ending.requestId,
          fingerprint: ending.fingerprint,
          idempotency_key: keyOf.get(ending.requestId) ?? null,
          principal: ending.principal,
          outcome: ending.outcome,
          rejection: ending.rejection,
          failure: ending.failure,
          workflow_name: ending.workflowName,
          version: ending.version,
          accepted_at: ending.acceptedAt,
        }))
        .sort((a, b) => (a.request_id < b.request_id ? -1 : 1)),
      catalog: [...catalog.values()]
        .map(({ requestId, fingerprint, principal, workflow }) => ({
          ...{ owner: null, maintainer: null, container_image: null, container_digest: null },
          ...workflow!,
          ...{ status_reason: null, created_by_request: requestId, fingerprint, principal },
        }))
        .sort((a, b) => (a.created_by_request < b.created_by_request ? -1 : 1)),
    }
  }

  return { register, stored }
}

const NOTHING = {
  rejection: null,
  failure: null,
  madeBy: null,
  identical: false,
  replayed: false,
  purged: false,
}

const EVERY_ENDING = [
  'conflict with different content',
  'conflict with identical content',
  'created',
  'rejected: id reused',
  'rejected: idempotency-key-reused',
  'rejected: validation-error',
  'replayed conflict',
  'replayed created',
  'replayed rejected',
]

function kindOf({ outcome, rejection, replayed, identical }: Ending): string {
  if (replayed) return `replayed ${outcome}`
  if (outcome === 'conflict') return `conflict with ${identical ? 'identical' : 'different'} content`
  if (rejection === ID_REUSED) return 'rejected: id reused'
  return rejection ? `rejected: ${(rejection as typeof ID_REUSED).reason}` : outcome
}

// What was answered and what is stored, in the model's words.

async function told(registry: Registry, answers: readonly Registered[]): Promise<Ending[]> {
  const rows = await registry.sql('select workflow_id, created_by_request from workflow')
  const makers = new Map(rows.map((row) => [row.workflow_id, row.created_by_request as string]))
  return answers.map(({ entry, completedAt: _, ...answer }) => ({
    ...answer,
    madeBy: entry && makers.get(entry.workflowId)!,
  }))
}

async function storedIn(registry: Registry) {
  const requests = await registry.sql(
    `select request_id, encode(fingerprint, 'hex') as fingerprint, idempotency_key, principal, outcome,
        case when reason is not null then jsonb_build_object('reason', reason, 'errors', errors) end as rejection,
        failure,
        workflow_name, version, accepted_at
      from registration_request order by request_id`,
  )
  const catalog = await registry.sql(
    `select (to_jsonb(workflow) - '{workflow_id,created_at,updated_at,request_fingerprint}'::text[])
        || jsonb_build_object('fingerprint', encode(request_fingerprint, 'hex')) as row
      from workflow order by created_by_request`,
  )
  return { requests, catalog: catalog.map(({ row }) => row as Record<string, unknown>) }
}

function zip(requests: readonly RegistrationRequest[], answers: readonly Registered[]) {
  return requests.map((request, index) => [request, answers[index]!] as const)
}

const ending = ({ outcome, workflowName, version, entry, identical }: Registered) => {
  return { outcome, workflowName, version, entry, identical }
}

async function inTurn<A, B>(items: readonly A[], step: (item: A) => Promise<B>): Promise<B[]> {
  const done: B[] = []
  for (const item of items) done.push(await step(item))
  return done
}
