import pino from 'pino'
import { migrate } from '../../src/db/migrate.ts'
import { type Db, openDb } from '../../src/db/open.ts'
import { registrations } from '../../src/db/registrations.ts'
import { dbFailure } from '../../src/db/sqlstate.ts'
import { type Register, registerWith, type Store } from '../../src/register.ts'
import { makeWorld, type World } from './world.ts'

/** `register` on a migrated database of its own, as the service's role. */
export interface Registry {
  register: Register
  store: Store
  db: Db
  world: World
  /** Runs SQL as the owner of the schema. */
  sql(text: string, values?: unknown[]): Promise<Record<string, unknown>[]>
  /** Takes everything out of its tables. */
  empty(): Promise<void>
  close(): Promise<void>
}

export async function openRegistry(): Promise<Registry> {
  const world = await makeWorld()
  const { databaseUrl, migrateDatabaseUrl } = world.infrastructure
  await migrate(migrateDatabaseUrl, databaseUrl)
  const { db, close } = openDb(
    { url: databaseUrl, name: 'test', maxConnections: 4, keepsPlans: true },
    pino({ level: 'silent' }),
  )
  const store: Store = { ...registrations(db), failureOf: dbFailure }
  const sql = async (text: string, values?: unknown[]) => (await world.owner.query(text, values)).rows
  return {
    register: registerWith(store),
    store,
    db,
    world,
    sql,
    empty: async () => void (await sql('truncate workflow, registration_request, consumer_progress')),
    async close() {
      await close()
      await world.close()
    },
  }
}
