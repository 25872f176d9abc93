import { randomUUID } from 'node:crypto'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { drizzle } from 'drizzle-orm/node-postgres'
import { migrate } from 'drizzle-orm/node-postgres/migrator'
import pg from 'pg'
import { onTestFinished } from 'vitest'
import { until } from './until.ts'
import type { World } from './world.ts'

/** Brings an empty world to the schema that the first migration makes. */
export async function toFirstMigration({ owner }: World): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), 'workflow-registrar-migrations-'))
  try {
    cpSync(path.join(import.meta.dirname, '../../drizzle'), folder, { recursive: true })
    const journal = path.join(folder, 'meta/_journal.json')
    const { entries, ...rest } = JSON.parse(readFileSync(journal, 'utf8'))
    writeFileSync(journal, JSON.stringify({ ...rest, entries: entries.slice(0, 1) }))
    await migrate(drizzle(owner), { migrationsFolder: folder })
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** How many store at a time. */
const CALLERS = 4

/** So many that each of them has its share. */
const MORE = 20

/** With the limits that the service has. */
const AS_SERVICE = '-c lock_timeout=2s -c statement_timeout=5s'

const STORE = `
  with request as (
    insert into registration_request (request_id, fingerprint, outcome, workflow_name, version, accepted_at)
      values ($1, '\\x00', 'created', $2, '1.0.0', now()) returning request_id)
  insert into workflow (workflow_id, workflow_name, version, name, description, content, content_hash,
      execution_engine, labels, custom_labels, detected_labels, parameters, status, created_by_request,
      request_fingerprint)
    select gen_random_uuid(), $2, '1.0.0', 'x', 'x', 'x', 'x', 'tekton', '{}', '{}', '{}', '{}', 'active',
      request_id, '\\x00' from request`

/** Stores created requests, with the columns that the first migration has, and reads each, until it is stopped. */
export function startStoring(world: World) {
  const pool = new pg.Pool({
    connectionString: world.infrastructure.migrateDatabaseUrl,
    options: AS_SERVICE,
    max: CALLERS,
  })
  const stored: string[] = []
  const faults: unknown[] = []
  let stopped = false

  async function store() {
    const id = randomUUID()
    await pool.query(STORE, [id, `wf-${id}`])
    const { rowCount } = await pool.query('select name from workflow where created_by_request = $1', [id])
    if (rowCount !== 1) throw new Error(`${id} is not there`)
    stored.push(id)
  }

  async function call() {
    while (!stopped) await store().catch((error) => faults.push(error))
  }

  const calling = Promise.all(Array.from({ length: CALLERS }, call))

  async function stop() {
    if (!stopped) {
      stopped = true
      await calling
      await pool.end()
    }
    return { stored, faults }
  }
  onTestFinished(() => void stop())

  return {
    stop,
    /** Resolves when more has been stored since now. */
    async goesOn() {
      const enough = stored.length + faults.length + MORE
      await until('more to be stored', () => stored.length + faults.length >= enough)
    },
  }
}
