import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type OpenDb, openDb } from '../../src/db/open.ts'
import { createLogger } from '../../src/logger.ts'
import { openRegistry, type Registry } from '../support/registry.ts'

let registry: Registry
let opened: OpenDb
beforeAll(async () => {
  registry = await openRegistry()
  const url = registry.world.infrastructure.databaseUrl
  opened = openDb({ url, name: 'test', maxConnections: 1 }, createLogger('silent'))
})
afterAll(async () => {
  await opened.close()
  await registry.close()
})

async function session(): Promise<number> {
  const { rows } = await opened.db.execute<{ pid: number }>(sql`select pg_backend_pid() as pid`)
  return rows[0]!.pid
}

test('a statement that PostgreSQL refuses does not cost its session', async () => {
  const before = await session()
  await expect(opened.db.execute(sql`select 1 / 0`)).rejects.toThrow()
  expect(await session()).toBe(before)
})

test('a session that PostgreSQL ended is replaced by another one', async () => {
  const before = await session()
  await expect(opened.db.execute(sql`select pg_terminate_backend(pg_backend_pid())`)).rejects.toThrow()
  expect(await session()).not.toBe(before)
})
