/* Do table and indexes of the status rows stay level under a steady load, with nothing but autovacuum after the purge? */
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import pino from 'pino'
import { migrate } from '../../src/db/migrate.ts'
import { openDb } from '../../src/db/open.ts'
import { purgeOf } from '../../src/db/purge.ts'
import { registrations } from '../../src/db/registrations.ts'
import { dbFailure } from '../../src/db/sqlstate.ts'
import { readBody } from '../../src/domain/body.ts'
import type { ValidRequest } from '../../src/domain/request.ts'
import { registerWith } from '../../src/register.ts'
import { startOwnServers } from '../support/own-servers.ts'
import { aWorkflow } from '../support/workflows.ts'

const ROUNDS = 20
const ROUND_MS = 4_000
const RETENTION_MS = 6_000
const ROWS_PER_S = 4_000
const LEVEL = 1.2
const BATCH = 500
const PURGE_BATCH = 1_000
const PURGE_PAUSE_MS = 100

const say = (line: string) => void process.stdout.write(`${line}\n`)
const servers = await startOwnServers({ say })
const { ownerUrl, serviceUrl } = servers.postgres
const owner = new pg.Pool({ connectionString: ownerUrl, max: 1 })
try {
  await migrate(ownerUrl, serviceUrl)
  // Autovacuum's own thresholds; only it looks as often as a retention of seconds asks for, not of days.
  await owner.query("alter system set autovacuum_naptime = '1s'")
  await owner.query('select pg_reload_conf()')
  process.exitCode = (await bench()) <= LEVEL ? 0 : 1
} finally {
  await owner.end()
  await servers.close()
}

/** Answers the size after the last round, as a part of the size after the middle one. */
async function bench(): Promise<number> {
  const log = pino({ level: 'silent' })
  const worker = openDb({ url: serviceUrl, name: 'bench', maxConnections: 4 }, log)
  const register = registerWith({ ...registrations(worker.db), failureOf: dbFailure })
  const { purge } = purgeOf(worker.db)
  const stopping = new AbortController()
  const count = { registered: 0, purged: 0, slowestMs: 0 }

  /** All but a few ask for what is taken: the catalog, which is kept for ever, stays small. */
  const bodies = Array.from({ length: 50 }, () => readBody(Buffer.from(JSON.stringify(aWorkflow()))))
  function aRequest(index: number): ValidRequest {
    const body = bodies[index % bodies.length]!
    if (body.kind !== 'valid') throw new Error('the body is not valid')
    const { workflow, fingerprint } = body
    const requestId = randomUUID()
    return {
      ...{ requestId, fingerprint, idempotencyKey: randomUUID(), principal: null },
      ...{ acceptedAt: new Date(), workflow },
    }
  }

  async function load() {
    const began = Date.now()
    while (!stopping.signal.aborted) {
      const due = began + (count.registered / ROWS_PER_S) * 1_000 - Date.now()
      if (due > 0) await delay(due)
      const start = performance.now()
      await register(Array.from({ length: BATCH }, (_, index) => aRequest(index)))
      count.slowestMs = Math.max(count.slowestMs, performance.now() - start)
      count.registered += BATCH
    }
  }

  async function purging() {
    while (!stopping.signal.aborted) {
      count.purged += await purge(RETENTION_MS / 86_400_000, PURGE_BATCH)
      await delay(PURGE_PAUSE_MS)
    }
  }

  const working = Promise.all([load(), purging()])
  working.catch(() => stopping.abort())
  const sizes: number[] = []
  try {
    say(
      `${ROWS_PER_S} requests a second, kept for ${RETENTION_MS / 1_000} s; ${ROUNDS} rounds of ${ROUND_MS / 1_000} s`,
    )
    say('round  registered    purged      rows  table bytes  index bytes  slowest batch')
    for (let round = 1; round <= ROUNDS && !stopping.signal.aborted; round += 1) {
      await delay(ROUND_MS)
      const { rows } = await owner.query(`
        select (select count(*) from registration_request)::int as rows,
          pg_table_size('registration_request')::float8 as "table",
          pg_indexes_size('registration_request')::float8 as indexes`)
      const { table, indexes } = rows[0]
      sizes.push(table + indexes)
      const cells: [number, number][] = [
        [round, 5],
        [count.registered, 12],
        [count.purged, 10],
        [rows[0].rows, 10],
        [table, 13],
        [indexes, 13],
      ]
      const slowest = `${Math.round(count.slowestMs)} ms`.padStart(15)
      say(cells.map(([value, width]) => String(value).padStart(width)).join('') + slowest)
      count.slowestMs = 0
    }
  } finally {
    stopping.abort()
    await working.finally(() => worker.close())
  }
  const ratio = sizes.at(-1)! / sizes[Math.floor(sizes.length / 2)]!
  say(`last ÷ middle round: ${ratio.toFixed(2)}, to be ${LEVEL} at most`)
  return ratio
}
