import { randomUUID } from 'node:crypto'
import type { Db } from '../../../src/db/open.ts'
import { purgeOf } from '../../../src/db/purge.ts'
import { registrations } from '../../../src/db/registrations.ts'
import { dbFailure } from '../../../src/db/sqlstate.ts'
import { readBody } from '../../../src/domain/body.ts'
import type { ValidRequest } from '../../../src/domain/request.ts'
import { registerWith } from '../../../src/register.ts'
import { median } from '../figure.ts'
import { aBody, sha256 } from '../generate.ts'
import type { Lab } from '../lab.ts'
import { coreMs, walBytes } from './costs.ts'
import type { CatalogCost, Cost } from './result.ts'

/** How many requests one call stores, and how many calls. */
const CHUNKS: readonly [size: number, calls: number][] = [
  [1, 400],
  [10, 100],
  [100, 30],
  [500, 20],
]

/** What autovacuum waits for by itself. */
const PURGED_SHARE = 0.2
const PURGE_BATCH = 1_000

/**
 * What it costs to store a request, from memory and on one connection, by how many are stored at once. Each begins after
 * a checkpoint: PostgreSQL then writes every page whole that it changes for the first time.
 */
export async function measureStoring(lab: Lab, db: Db): Promise<CatalogCost['storing']> {
  const register = registerWith({ ...registrations(db), failureOf: dbFailure })
  await register(requests(500)) // the first of a connection plans, and reads what the server keeps of the tables
  const costs: CatalogCost['storing'][number][] = []
  for (const [chunk, usual] of CHUNKS) {
    const calls = lab.size(usual)
    const chunks = Array.from({ length: calls }, () => requests(chunk))
    const cost = await costOf(lab, calls * chunk, async () => {
      const times: number[] = []
      for (const some of chunks) {
        const start = performance.now()
        await register(some)
        times.push(performance.now() - start)
      }
      return median(times) / chunk
    })
    costs.push({ chunk, ...cost })
  }
  return costs
}

/** What it costs to delete a status row when its time is over, and to vacuum what so many of them leave. */
export async function measurePurging(lab: Lab, db: Db): Promise<Cost> {
  const { purge } = purgeOf(db)
  const [all] = await lab.query<{ rows: number }>('select count(*)::int as rows from registration_request')
  const rows = Math.floor(all!.rows * PURGED_SHARE)
  const [oldest] = await lab.query<{ days: number }>(
    `select (extract(epoch from now() - completed_at) / 86400)::float8 as days
     from registration_request order by completed_at offset ${rows} limit 1`,
  )
  return costOf(lab, rows, async () => {
    const start = performance.now()
    let purged = 0
    while (purged < rows) {
      const more = await purge(oldest!.days, Math.min(PURGE_BATCH, rows - purged))
      if (more === 0) throw new Error(`only ${purged} of ${rows} were purged`)
      purged += more
    }
    await lab.query('vacuum registration_request')
    return (performance.now() - start) / rows
  })
}

async function costOf(lab: Lab, rows: number, work: () => Promise<number>): Promise<Cost> {
  await lab.query('checkpoint')
  const before = { core: coreMs('postgres'), wal: await walBytes(lab) }
  const ms = await work()
  return {
    ms,
    postgresCoreMs: (coreMs('postgres') - before.core) / rows,
    walBytes: ((await walBytes(lab)) - before.wal) / rows,
  }
}

const body = readBody(Buffer.from(JSON.stringify(aBody())))

/** Unlike any others, each with an idempotency key. */
export function requests(count: number): ValidRequest[] {
  if (body.kind !== 'valid') throw new Error('the body is not valid')
  const { workflow } = body
  return Array.from({ length: count }, () => {
    const requestId = randomUUID()
    return {
      requestId,
      fingerprint: sha256(requestId),
      idempotencyKey: randomUUID(),
      principal: null,
      acceptedAt: new Date(),
      workflow: { ...workflow, workflow_name: randomUUID() },
    }
  })
}
