import { spawnSync } from 'node:child_process'
import { sql } from 'drizzle-orm'
import { expect, onTestFinished, test } from 'vitest'
import { throwingFaults } from '../../src/db/faults.ts'
import { openDb } from '../../src/db/open.ts'
import { createLogger } from '../../src/logger.ts'
import { makeWorld } from '../support/world.ts'

const CONNECTIONS = 4

/** Ends the sessions of that name before anything else can happen in this process. */
function endSessions(url: string, name: string): number {
  const script = `
    import pg from 'pg'
    const client = new pg.Client({ connectionString: ${JSON.stringify(url)} })
    await client.connect()
    const { rows } = await client.query(
      'select pg_terminate_backend(pid, 5000) as ended from pg_stat_activity where application_name = $1', [${JSON.stringify(name)}])
    console.log(rows.filter(({ ended }) => ended).length)
    await client.end()`
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
  return Number(stdout)
}

test('a read succeeds though every connection of its pool is lost and nobody has heard of it yet', async () => {
  const world = await makeWorld()
  const { migrateDatabaseUrl: url } = world.infrastructure
  const { db, close } = openDb({ url, name: 'lost', maxConnections: CONNECTIONS }, createLogger('silent'))
  onTestFinished(async () => {
    await close()
    await world.close()
  })
  const reads = throwingFaults({ one: () => db.execute(sql`select pg_sleep(0.2)`) })
  await Promise.all(Array.from({ length: CONNECTIONS }, () => reads.one()))
  expect(db.$client.idleCount).toBe(CONNECTIONS)
  expect(endSessions(url, 'workflow-registrar lost')).toBe(CONNECTIONS)
  expect((await reads.one()).rows).toHaveLength(1)
})
