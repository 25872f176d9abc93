import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import pino from 'pino'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { isMigrated, migrate } from '../../src/db/migrate.ts'
import { openDb } from '../../src/db/open.ts'
import { reaching, StartError, Unreached } from '../../src/start-error.ts'
import { startStoring, toFirstMigration } from '../support/first-schema.ts'
import { openRegistry, type Registry } from '../support/registry.ts'
import { startTcpProxy } from '../support/tcp-proxy.ts'
import { until } from '../support/until.ts'
import { makeWorld, startApp, type World } from '../support/world.ts'

/** Whoever migrates holds it, as src/db/migrate.ts says. */
const MIGRATION_LOCK = 0x77_66_72_67

async function emptyWorld(): Promise<World> {
  const world = await makeWorld()
  onTestFinished(() => world.close())
  return world
}
const migrateWorld = ({ infrastructure }: World) =>
  migrate(infrastructure.migrateDatabaseUrl, infrastructure.databaseUrl)
const roleOf = ({ infrastructure }: World) => new URL(infrastructure.databaseUrl).username

/** Everything that a migration could change: the catalog of PostgreSQL itself, and the journal of migrations. */
async function schemaOf(world: World) {
  const { rows } = await world.owner.query(`
    select c.oid, c.relname, c.relacl::text, (select array_agg(a.attacl::text order by attnum)
        from pg_attribute a where a.attrelid = c.oid) as columns
      from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where n.nspname in ('public', 'drizzle') order by c.oid`)
  const journal = await world.owner.query('select * from drizzle.__drizzle_migrations order by id')
  const role = await world.owner.query('select oid, rolpassword from pg_authid where rolname = $1', [
    roleOf(world),
  ])
  const settings = await world.owner.query(
    'select setconfig from pg_db_role_setting s join pg_authid r on r.oid = s.setrole where rolname = $1',
    [roleOf(world)],
  )
  return { relations: rows, journal: journal.rows, role: role.rows, settings: settings.rows }
}

test('four that migrate an empty database at once all succeed, and one has done it', async () => {
  const world = await emptyWorld()
  await Promise.all([1, 2, 3, 4].map(() => migrateWorld(world)))
  const { journal, role } = await schemaOf(world)
  expect(journal.length).toBeGreaterThan(0)
  expect(new Set(journal.map(({ hash }) => hash))).toHaveLength(journal.length)
  expect(role).toHaveLength(1)
})

test('a second run changes nothing', async () => {
  const world = await emptyWorld()
  await migrateWorld(world)
  const before = await schemaOf(world)
  await migrateWorld(world)
  expect(await schemaOf(world)).toEqual(before)
})

test('what a run leaves is what the schema in the code says', async () => {
  const world = await emptyWorld()
  await migrateWorld(world)
  const { db, close } = openDb(
    { url: world.infrastructure.databaseUrl, name: 'test', maxConnections: 1 },
    quiet,
  )
  onTestFinished(close)
  expect(await isMigrated(db)).toBe(true)
  await world.owner.query('update drizzle.__drizzle_migrations set created_at = created_at - 1')
  expect(await isMigrated(db)).toBe(false)
})

test('a service that is the owner needs no role of its own and is left as it is', async () => {
  const world = await emptyWorld()
  const { migrateDatabaseUrl } = world.infrastructure
  await migrate(migrateDatabaseUrl, migrateDatabaseUrl)
  const { relations } = await schemaOf(world)
  expect(relations.find(({ relname }) => relname === 'workflow')).toMatchObject({ relacl: null })
})

test('a role with a name and password that need quoting can log in', async () => {
  const world = await emptyWorld()
  const url = new URL(world.infrastructure.databaseUrl)
  const name = `o'dd "role" ${randomBytes(4).toString('hex')} ü`
  url.username = encodeURIComponent(name)
  url.password = encodeURIComponent(`p'a\\ss"w:o@r/d ü`)
  await migrate(world.infrastructure.migrateDatabaseUrl, url.href)
  const client = new pg.Client({ connectionString: url.href })
  await client.connect()
  onTestFinished(() => client.end())
  const { rows } = await client.query('select current_user, count(*) from workflow')
  expect(rows).toEqual([{ current_user: name, count: '0' }])
})

describe('while somebody else migrates', () => {
  async function takeTurn(world: World): Promise<pg.PoolClient> {
    const other = await world.owner.connect()
    onTestFinished(() => other.release(true))
    await other.query('select pg_advisory_lock($1)', [MIGRATION_LOCK])
    return other
  }
  const asksIn = (world: World) => async () => {
    const { rowCount } = await world.owner.query(
      `select from pg_stat_activity where datname = current_database() and query like '%pg_try_advisory_lock%'
        and pid <> pg_backend_pid()`,
    )
    return rowCount! > 0
  }

  test('a server that falls silent is given up, so that a start can try again', {
    timeout: 30_000,
  }, async () => {
    const world = await emptyWorld()
    await takeTurn(world)
    const { migrateDatabaseUrl, databaseUrl } = world.infrastructure
    const proxy = await startTcpProxy(migrateDatabaseUrl)
    onTestFinished(() => proxy.close())
    const through = new URL(migrateDatabaseUrl)
    through.host = `127.0.0.1:${proxy.port}`
    const migrating = reaching('MIGRATE_DATABASE_URL', () => migrate(through.href, databaseUrl))
    migrating.catch(() => {})
    await until('a question', asksIn(world))
    proxy.freeze()
    await expect(migrating).rejects.toBeInstanceOf(Unreached)
  })

  test('a job that is told to stop ends at once, with 1, and has changed nothing', async () => {
    const world = await emptyWorld()
    const other = await takeTurn(world)
    const job = runJob(world)
    await until('a question', asksIn(world))
    const began = performance.now()
    job.child.kill('SIGTERM')
    expect(await job.exited).toEqual([1, null])
    expect(performance.now() - began).toBeLessThan(5_000)
    await other.query('select pg_advisory_unlock($1)', [MIGRATION_LOCK])
    const { rows } = await world.owner.query("select to_regclass('workflow') as workflow")
    expect(rows).toEqual([{ workflow: null }])
  })

  test('a job ends with 0 when it is done', async () => {
    const world = await emptyWorld()
    expect(await runJob(world).exited).toEqual([0, null])
    const { rows } = await world.owner.query("select to_regclass('workflow')::text as workflow")
    expect(rows).toEqual([{ workflow: 'workflow' }])
  })

  function runJob({ env }: World) {
    const script = fileURLToPath(new URL('../../src/bin/migrate.ts', import.meta.url))
    const child = spawn(process.execPath, [script], { env, stdio: 'ignore' })
    onTestFinished(() => void child.kill('SIGKILL'))
    return { child, exited: once(child, 'exit') }
  }
})

describe('while somebody reads both tables for long', () => {
  async function readLong(world: World): Promise<pg.Client> {
    const reader = new pg.Client({ connectionString: world.infrastructure.migrateDatabaseUrl })
    await reader.connect()
    onTestFinished(() => reader.end())
    await reader.query('begin; lock table workflow, registration_request in access share mode') // as pg_dump does
    return reader
  }

  test('a migration waits, others read and create meanwhile, and after that it is done', async () => {
    const world = await emptyWorld()
    await toFirstMigration(world)
    const storing = startStoring(world)
    const reader = await readLong(world)
    const migrating = migrateWorld(world)
    const tries = new Set<number>()
    await until('two tries in vain', async () => {
      const { rows } = await world.owner.query(
        `select extract(epoch from xact_start)::float8 as began from pg_stat_activity
          where datname = current_database() and application_name like '% migrate' and wait_event_type = 'Lock'`,
      )
      for (const { began } of rows) tries.add(began)
      return tries.size > 2
    })
    await storing.goesOn()
    expect(await hasPrincipals(world)).toBe(false)
    await reader.query('commit')
    await migrating
    expect(await hasPrincipals(world)).toBe(true)
    await storing.goesOn()
    const { stored, faults } = await storing.stop()
    expect(faults).toEqual([])
    const { rows } = await world.owner.query('select created_by_request::text as id from workflow order by 1')
    expect(rows.map(({ id }) => id)).toEqual(stored.toSorted())
  })

  test('a migration gives up in the end, says why in one sentence, and has changed nothing', async () => {
    const world = await emptyWorld()
    await toFirstMigration(world)
    await readLong(world)
    const { migrateDatabaseUrl, databaseUrl } = world.infrastructure
    await expect(
      reaching('MIGRATE_DATABASE_URL', () => migrate(migrateDatabaseUrl, databaseUrl, { patienceMs: 0 })),
    ).rejects.toEqual(
      new StartError(
        'Cannot start: PostgreSQL (MIGRATE_DATABASE_URL) does not let us have a table, because somebody else holds a lock on it: pg_stat_activity and pg_locks say who (55P03)',
      ),
    )
    expect(await hasPrincipals(world)).toBe(false)
  })

  async function hasPrincipals(world: World): Promise<boolean> {
    const { rows } = await world.owner.query(
      `select count(*)::int as count from information_schema.columns
        where table_schema = 'public' and column_name = 'principal'`,
    )
    return rows[0].count === 2
  }
})

describe("the service's role", () => {
  let registry: Registry
  let service: pg.Pool
  beforeAll(async () => {
    registry = await openRegistry()
    service = new pg.Pool({ connectionString: registry.world.infrastructure.databaseUrl, max: 1 })
  })
  afterAll(async () => {
    await service.end()
    await registry.close()
  })

  test('is no superuser, owns nothing, and may make nothing', async () => {
    const [role] = await registry.sql(
      `select rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls, rolcanlogin,
          (select count(*)::int from pg_class where relowner = r.oid) as owns,
          (select count(*)::int from pg_auth_members where member = r.oid) as member_of,
          has_schema_privilege(rolname, 'public', 'create') as may_make
        from pg_roles r where rolname = $1`,
      [roleOf(registry.world)],
    )
    expect(role).toEqual({
      ...{ rolsuper: false, rolcreatedb: false, rolcreaterole: false, rolreplication: false },
      ...{ rolbypassrls: false, rolcanlogin: true, owns: 0, member_of: 0, may_make: false },
    })
  })

  test('may do to each table what the service needs, and no more', async () => {
    const granted = await registry.sql(
      `select table_name || ' ' || privilege_type as granted from information_schema.table_privileges
        where grantee = $1
      union all
      select table_name || '.' || column_name || ' ' || privilege_type from information_schema.column_privileges c
        where grantee = $1 and not exists (select from information_schema.table_privileges t
          where (t.grantee, t.table_name, t.privilege_type) = (c.grantee, c.table_name, c.privilege_type))
      order by 1`,
      [roleOf(registry.world)],
    )
    expect(granted.map(({ granted }) => granted).sort()).toEqual([
      '__drizzle_migrations SELECT',
      'consumer_progress INSERT',
      'consumer_progress SELECT',
      'consumer_progress UPDATE',
      'registration_request DELETE',
      'registration_request INSERT',
      'registration_request SELECT',
      'workflow INSERT',
      'workflow SELECT',
      'workflow.status UPDATE',
      'workflow.status_reason UPDATE',
      'workflow.updated_at UPDATE',
    ])
  })

  test.each([
    'delete from workflow',
    'truncate workflow',
    "update workflow set content = 'x'",
    "update workflow set workflow_name = 'x'",
    "update workflow set version = '2.0.0'",
    'update workflow set created_by_request = workflow_id',
    'drop table workflow',
    'alter table workflow add column x int',
    "update registration_request set outcome = 'created'",
    'truncate registration_request',
    'delete from consumer_progress',
    'create table mine (x int)',
    'insert into drizzle.__drizzle_migrations (hash) values ($$x$$)',
  ])('may not %s', async (text) => {
    await expect(service.query(text)).rejects.toMatchObject({ code: '42501' })
  })

  test.each([
    "update workflow set status = 'disabled', status_reason = 'x', updated_at = now()",
    "delete from registration_request where completed_at < now() - interval '30 days'",
    'update consumer_progress set next_offset = next_offset',
  ])('may %s', async (text) => {
    await expect(service.query(text)).resolves.toMatchObject({ rowCount: 0 })
  })

  test('waits for a statement and for a lock only so long', async () => {
    const { rows } = await service.query(
      `select name, setting || unit as setting from pg_settings
        where name in ('statement_timeout', 'lock_timeout') order by 1`,
    )
    expect(rows).toEqual([
      { name: 'lock_timeout', setting: '2000ms' },
      { name: 'statement_timeout', setting: '5000ms' },
    ])
  })
})

describe('a service that may not migrate', () => {
  const startIn = (world: World) =>
    startApp({ ...world, infrastructure: { ...world.infrastructure, migrateDatabaseUrl: undefined! } }).then(
      (app) => app.close().then(() => expect.unreachable('it started')),
      (error) => error,
    )
  const behind = new StartError(
    'The schema of the database is behind this code: run `npm run migrate` as its owner first',
  )

  test('does not start on an empty database, and says why in one sentence', async () => {
    const world = await emptyWorld()
    const { username, password } = new URL(world.infrastructure.databaseUrl)
    await world.owner.query(`create role ${username} login password '${password}'`)
    expect(await startIn(world)).toEqual(behind)
    expect(await tablesIn(world)).toBe(0)
  })

  test('does not start on a schema that lacks its newest migration', async () => {
    const world = await emptyWorld()
    await migrateWorld(world)
    await world.owner.query(`delete from drizzle.__drizzle_migrations
      where created_at = (select max(created_at) from drizzle.__drizzle_migrations)`)
    expect(await startIn(world)).toEqual(behind)
  })

  test('does not start as a role that is not there, and keeps the address to itself', async () => {
    const world = await emptyWorld()
    const error = await startIn(world)
    expect(error).toBeInstanceOf(StartError)
    expect(error.message).toMatch(/^Cannot start: PostgreSQL \(DATABASE_URL.*\(28...\)$/)
    const { username, password, port } = new URL(world.infrastructure.databaseUrl)
    for (const part of [username, password, port]) expect(error.message).not.toContain(part)
  })

  async function tablesIn(world: World): Promise<number> {
    const { rows } = await world.owner.query(
      "select count(*)::int as count from pg_tables where schemaname in ('public', 'drizzle')",
    )
    return rows[0].count
  }
})

const quiet = pino({ level: 'silent' })
