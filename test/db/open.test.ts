import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { executeNamed } from '../../src/db/named.ts'
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

/** How a session keeps the plan of a statement that is run by name, when it is reached at this URL. */
async function plansKept(url: string): Promise<unknown[]> {
  const { db, close } = openDb({ url, name: 'test', maxConnections: 1 }, createLogger('silent'))
  onTestFinished(close)
  for (const text of ['one', 'two'])
    expect((await executeNamed(db, 'say', sql`select ${text}::text as text`)).rows).toEqual([{ text }])
  return (await db.execute(sql`select name from pg_prepared_statements`)).rows
}

test('the plan of a statement with a name is kept by the session', async () => {
  expect(await plansKept(registry.world.infrastructure.databaseUrl)).toEqual([{ name: 'say' }])
})

test('a statement whose plan its session has lost is run all the same', async () => {
  const { db, close } = openDb(
    { url: registry.world.infrastructure.databaseUrl, name: 'test', maxConnections: 1 },
    createLogger('silent'),
  )
  onTestFinished(close)
  const say = async () => (await executeNamed(db, 'say', sql`select 'one' as text`)).rows
  await say()
  await db.execute(sql`deallocate all`)
  expect(await say()).toEqual([{ text: 'one' }])
  expect(await say()).toEqual([{ text: 'one' }])
})

test('a statement whose plan no longer fits its table is run all the same', async () => {
  const { db, close } = openDb(
    { url: registry.world.infrastructure.databaseUrl, name: 'test', maxConnections: 1 },
    createLogger('silent'),
  )
  onTestFinished(close)
  await registry.sql('create table growing as select 1 as one; grant select on growing to public')
  const read = async () => (await executeNamed(db, 'read', sql`select * from growing`)).rows
  expect(await read()).toEqual([{ one: 1 }])
  await registry.sql('alter table growing add column two int')
  expect(await read()).toEqual([{ one: 1, two: null }])
})

test('behind a pooler, which may give each statement another session, no plan is kept', async () => {
  const pooler = await startPooler(registry.world.infrastructure.databaseUrl)
  expect(await plansKept(pooler.url)).toEqual([])
  expect(pooler.greeted()).toBe(1)
})

/** Greets, as a pooler does, as another process than the one that runs the statements. */
async function startPooler(databaseUrl: string): Promise<{ url: string; greeted(): number }> {
  const target = new URL(databaseUrl)
  const { hostname, port } = target
  let greeted = 0
  const listener = createServer((client) => {
    const server = connect(Number(port), hostname)
    client.pipe(server)
    server.on('data', (data) => {
      const key = data.indexOf(KEY_OF_BACKEND)
      if (key >= 0) {
        greeted += 1
        data.writeInt32BE(data.readInt32BE(key + KEY_OF_BACKEND.length) + 1, key + KEY_OF_BACKEND.length)
      }
      client.write(data)
    })
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const)
      one.on('error', () => {}).on('close', () => other.destroy())
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  onTestFinished(() => void listener.close())
  target.port = String((listener.address() as AddressInfo).port)
  return { url: target.href, greeted: () => greeted }
}

/** How the message begins that tells the process id of a session: its type and length. */
const KEY_OF_BACKEND = Buffer.from([0x4b, 0, 0, 0, 12])
