import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import { migrate as applyMigrations } from 'drizzle-orm/node-postgres/migrator'
import pg from 'pg'
import { isBuilt } from '../built.ts'
import { unlessAborted, within } from '../within.ts'
import { connectionOf } from './connection.ts'
import type { Db } from './open.ts'
import { scramVerifier } from './scram-verifier.ts'
import { dbFailure } from './sqlstate.ts'

/** In a production build it is beside the process. */
const folder = fileURLToPath(new URL(isBuilt ? 'drizzle' : '../../drizzle', import.meta.url))

/** Two at once would trip over each other: whoever holds this lock goes first. */
const LOCK = 0x77_66_72_67

/** How often whoever comes second asks whether it is gone, and how long PostgreSQL may take to say so. */
const TURN_POLL_MS = 200
const TURN_TIMEOUT_MS = 5_000

/** Beyond any step of a migration: only for a server that fell silent. */
const QUERY_TIMEOUT_MS = 600_000

/** How long PostgreSQL may take to say goodbye. */
const FAREWELL_MS = 1_000

/** How long a step waits for a table that somebody holds: until then everybody else waits behind it. */
const LOCK_TIMEOUT = '1s'

/** How long they have it for themselves before the next try. */
const PAUSE_MS = 500

/** For how long to try. */
const PATIENCE_MS = 30_000

/**
 * Brings the schema up to date as its owner, makes the role that `databaseUrl` names where it is missing, and grants
 * it what the service needs and no more. Safe to run at every start, by several at once, and beside processes at work.
 * Rejects when `signal` is aborted: then all that is missing is still missing, or nothing.
 */
export async function migrate(
  migrateDatabaseUrl: string,
  databaseUrl: string,
  { patienceMs = PATIENCE_MS, signal }: { patienceMs?: number; signal?: AbortSignal | undefined } = {},
): Promise<void> {
  const client = new pg.Client({
    application_name: 'workflow-registrar migrate',
    ...connectionOf('MIGRATE_DATABASE_URL', migrateDatabaseUrl),
    connectionTimeoutMillis: 5_000,
    query_timeout: QUERY_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
  })
  client.on('error', () => {})
  try {
    await unlessAborted(signal, prepare(client, databaseUrl, patienceMs))
  } finally {
    await within(FAREWELL_MS, client.end()).catch(() => {}) // and with the session, the lock
  }
}

async function prepare(client: pg.Client, databaseUrl: string, patienceMs: number): Promise<void> {
  await client.connect()
  while (!(await isOurTurn(client))) await delay(TURN_POLL_MS)
  await client.query(`set lock_timeout = '${LOCK_TIMEOUT}'`)
  await applyWithin(patienceMs, client)
  await grant(client, new URL(databaseUrl))
}

/** Asked again and again, for who waits in PostgreSQL does not hear of its end. */
async function isOurTurn(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ is_ours: boolean }>({
    text: 'select pg_try_advisory_lock($1) as is_ours',
    values: [LOCK],
    query_timeout: TURN_TIMEOUT_MS,
  } as pg.QueryConfig)
  return rows[0]!.is_ours
}

/** All that is missing goes in at once or not at all, so that it can be tried again. */
async function applyWithin(patienceMs: number, client: pg.Client): Promise<void> {
  const deadline = performance.now() + patienceMs
  for (;;)
    try {
      return await applyMigrations(drizzle(client), { migrationsFolder: folder })
    } catch (error) {
      if (!isHeldUp(error) || performance.now() >= deadline) throw error
      await delay(PAUSE_MS)
    }
}

/** Whether somebody else's lock was in the way. */
function isHeldUp(error: unknown): boolean {
  return ['55P03', '40P01'].includes(dbFailure(error)?.code ?? '')
}

async function grant(client: pg.Client, service: URL): Promise<void> {
  const name = decodeURIComponent(service.username)
  const { rows } = await client.query(
    'select current_user = $1 as is_owner, to_regrole(quote_ident($1)) as oid',
    [name],
  )
  if (rows[0].is_owner) return // the owner needs no grants, and is left as it is
  const role = client.escapeIdentifier(name)
  if (rows[0].oid === null) {
    const password = client.escapeLiteral(scramVerifier(decodeURIComponent(service.password)))
    await client.query(`create role ${role} login password ${password}`)
  }
  for (const setting of [
    "statement_timeout = '5s'",
    "lock_timeout = '2s'",
    "default_transaction_isolation = 'read committed'",
  ])
    await client.query(`alter role ${role} set ${setting}`)
  await client.query(`
    grant usage on schema public, drizzle to ${role};
    grant select on drizzle.__drizzle_migrations to ${role};
    grant select, insert, update (status, status_reason, updated_at) on workflow to ${role};
    grant select, insert, delete on registration_request to ${role};
    grant select, insert, update on consumer_progress to ${role};`)
}

/** Whether the schema has every migration that this code knows. Asks as the service. */
export async function isMigrated(db: Db): Promise<boolean> {
  const journal = JSON.parse(await readFile(`${folder}/meta/_journal.json`, 'utf8'))
  const newest = journal.entries.at(-1).when
  const { rows } = await db.execute<{ present: boolean }>(
    sql`select to_regclass('drizzle.__drizzle_migrations') is not null as present`,
  )
  if (!rows[0]?.present) return false
  const applied = await db.execute<{ newest: string | null }>(
    sql`select max(created_at) as newest from drizzle.__drizzle_migrations`,
  )
  return Number(applied.rows[0]?.newest ?? 0) >= newest
}
