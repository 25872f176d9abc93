import pino from 'pino'
import { migrate } from '../../src/db/migrate.ts'
import { type Db, openDb } from '../../src/db/open.ts'
import { registrations } from '../../src/db/registrations.ts'
import { dbFailure } from '../../src/db/sqlstate.ts'
import type { LogProgress } from '../../src/domain/progress.ts'
import type { Registered, RegistrationRequest } from '../../src/domain/request.ts'
import { registerWith, type Store, unlessFault } from '../../src/register.ts'
import { makeWorld, type World } from './world.ts'

/** `register` on a migrated database of its own, as the service's role. */
export interface Registry {
  /** Throws the fault of any request that has no outcome. */
  register(requests: readonly RegistrationRequest[], progress?: readonly LogProgress[]): Promise<Registered[]>
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
  const register = registerWith(store)
  return {
    register: async (...asked) => (await register(...asked)).map(unlessFault),
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
