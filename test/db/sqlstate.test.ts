import net from 'node:net'
import { sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { dbFailure } from '../../src/db/sqlstate.ts'
import { classify, type FailureClass, UNIQUE_KEYS } from '../../src/domain/classify.ts'
import { openRegistry, type Registry } from '../support/registry.ts'
import { until } from '../support/until.ts'

let registry: Registry
beforeAll(async () => {
  registry = await openRegistry()
})
afterAll(() => registry.close())

/** What a statement through Drizzle throws. */
async function thrownBy(step: PromiseLike<unknown>): Promise<Error & { code?: unknown }> {
  return await step.then(
    () => expect.unreachable('nothing was thrown'),
    (error) => error,
  )
}

/** Drizzle on a pool of one's own, which is closed after the test. */
function poolOf(config: pg.PoolConfig) {
  const pool = new pg.Pool({ connectionString: registry.world.infrastructure.databaseUrl, ...config })
  pool.on('error', () => {})
  pool.on('connect', (client) => client.on('error', () => {}))
  onTestFinished(() => pool.end())
  return { pool, db: drizzle(pool) }
}

async function listen(onConnection: (socket: net.Socket) => void): Promise<number> {
  const server = net.createServer(onConnection).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  onTestFinished(() => void server.close())
  return (server.address() as net.AddressInfo).port
}

const atPort = (port: number) => {
  const url = new URL(registry.world.infrastructure.databaseUrl)
  url.port = String(port)
  return url.href
}

const raise = (code: string, constraint = '') =>
  sql.raw(`do $$ begin
    raise exception 'clé dupliquée, дубликат: %', '${code}' using errcode = '${code}', constraint = '${constraint}';
  end $$`)

describe('what the server says', () => {
  const UNIQUE = Object.values(UNIQUE_KEYS).map((key) => ['23505', key] as const)
  const CODES = [
    '40001',
    '40P01',
    '55P03',
    '57014',
    '53100',
    '58030',
    '25006',
    '22P02',
    '23514',
    '42501',
    'XX000',
  ]
  const cases = [...UNIQUE, ...CODES.map((code) => [code, undefined] as const)]

  test.each(cases)('is found as %s %s, in whatever language its text is', async (code, constraint) => {
    const thrown = await thrownBy(registry.db.execute(raise(code, constraint)))
    expect(thrown.code).toBeUndefined()
    expect(dbFailure(thrown)).toEqual({ code, constraint: constraint ?? '' })
  })

  const REAL: [string, string, FailureClass][] = [
    ['select 1/0', '22012', 'this-message'],
    [`select 'x'::uuid`, '22P02', 'this-message'],
    ['select * from no_such_table', '42P01', 'systemic'],
    ['delete from workflow', '42501', 'systemic'],
    ['begin read only; insert into consumer_progress values ($$c$$, $$t$$, 0, 0)', '25006', 'outage'],
    ['begin; set local statement_timeout = 1; select pg_sleep(10)', '57014', 'held-lock'],
  ]
  test.each(REAL)('to %s is %s', async (text, code, failureClass) => {
    const { db } = poolOf({ max: 1 })
    const failure = dbFailure(await thrownBy(db.execute(sql.raw(text))))
    expect(failure).toMatchObject({ code })
    expect(classify(failure!)).toBe(failureClass)
  })

  test('about a lock that somebody sits on is 55P03', async () => {
    const holder = await registry.world.owner.connect()
    onTestFinished(() => holder.release(true))
    await holder.query('begin; lock table workflow')
    const { db } = poolOf({ max: 1 })
    const text = `begin; set local lock_timeout = 1; select count(*) from workflow`
    expect(dbFailure(await thrownBy(db.execute(sql.raw(text))))).toMatchObject({ code: '55P03' })
  })

  test.each([
    ['a password that is wrong', { password: 'wrong' }, '28P01'],
    ['a role that is not there', { username: 'nobody_at_all', password: 'x' }, '28'],
    ['a database that is not there', { pathname: '/no_such_database' }, '3D000'],
  ])('about %s is systemic', async (_name, change, code) => {
    const url = Object.assign(new URL(registry.world.infrastructure.databaseUrl), change)
    const { db } = poolOf({ connectionString: url.href })
    const failure = dbFailure(await thrownBy(db.execute(sql`select 1`)))
    expect(failure?.code.slice(0, code.length)).toBe(code)
    expect(classify(failure!)).toBe('systemic')
  })

  test('never brings the parameters along, though they are in the text of what was thrown', async () => {
    const thrown = await thrownBy(registry.db.execute(sql`select ${'a secret'}::uuid`))
    expect(thrown.message).toContain('a secret')
    expect(JSON.stringify(dbFailure(thrown))).not.toContain('a secret')
  })
})

describe('a connection', () => {
  const waits: FailureClass[] = ['outage', 'interrupted']

  test('that nobody takes is refused', async () => {
    const server = net.createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const { port } = server.address() as net.AddressInfo
    await new Promise((resolve) => server.close(resolve))
    const failure = dbFailure(
      await thrownBy(poolOf({ connectionString: atPort(port) }).db.execute(sql`select 1`)),
    )
    expect(failure).toEqual({ code: 'ECONNREFUSED' })
    expect(waits).toContain(classify(failure!))
  })

  test('that none of several addresses takes is refused', async () => {
    const addresses = [
      { address: '127.0.0.1', family: 4 },
      { address: '127.0.0.2', family: 4 },
    ]
    const lookup: net.LookupFunction = (_host, _options, done) => done(null, addresses)
    const thrown = await new Promise((resolve) =>
      net.connect({ host: 'two.test', port: 1, lookup, autoSelectFamily: true }).once('error', resolve),
    )
    expect(thrown).toBeInstanceOf(AggregateError)
    expect(dbFailure(new Error('wrapped', { cause: thrown }))).toEqual({ code: 'ECONNREFUSED' })
  })

  test('that does not come free in time is a pool timeout', async () => {
    const { pool, db } = poolOf({ max: 1, connectionTimeoutMillis: 50 })
    const held = await pool.connect()
    const failure = dbFailure(await thrownBy(db.execute(sql`select 1`)))
    held.release()
    expect(failure).toEqual({ code: 'POOL_TIMEOUT' })
    expect(classify(failure!)).toBe('outage')
  })

  test('to a server that stays silent is a pool timeout', async () => {
    const sockets: net.Socket[] = []
    const port = await listen((socket) => sockets.push(socket.on('error', () => {})))
    const { db } = poolOf({ connectionString: atPort(port), connectionTimeoutMillis: 50 })
    expect(dbFailure(await thrownBy(db.execute(sql`select 1`)))).toEqual({ code: 'POOL_TIMEOUT' })
    expect(sockets.length).toBeGreaterThan(0)
    for (const socket of sockets) socket.destroy()
  })

  test.each([
    ['ended', (socket: net.Socket) => socket.end()],
    ['reset', (socket: net.Socket) => socket.resetAndDestroy()],
  ])('that is %s under a statement is lost', async (_name, cut) => {
    const { port: serverPort } = new URL(registry.world.infrastructure.databaseUrl)
    const sockets: net.Socket[] = []
    const port = await listen((socket) => {
      sockets.push(socket)
      const onward = net.connect(Number(serverPort), '127.0.0.1')
      onward.on('error', () => {}).on('close', () => socket.destroy())
      socket.on('error', () => {}).on('close', () => onward.destroy())
      socket.pipe(onward).pipe(socket)
    })
    const { db } = poolOf({ connectionString: atPort(port), max: 1, application_name: `cut ${_name}` })
    const thrown = thrownBy(db.execute(sql`select pg_sleep(30)`))
    await running(`cut ${_name}`)
    cut(sockets[0]!)
    const failure = dbFailure(await thrown)
    expect(['CONNECTION_LOST', 'ECONNRESET']).toContain(failure?.code)
    expect(waits).toContain(classify(failure!))
  })

  test('that an administrator ends is 57P01, and the next one works', async () => {
    const { db } = poolOf({ max: 1, application_name: 'ended' })
    const thrown = thrownBy(db.execute(sql`select pg_sleep(30)`))
    await registry.sql('select pg_terminate_backend($1)', [await running('ended')])
    const failure = dbFailure(await thrown)
    expect(failure).toMatchObject({ code: '57P01' })
    expect(waits).toContain(classify(failure!))
    await until('a connection that works', () =>
      db.execute(sql`select 1`).then(({ rowCount }) => rowCount === 1),
    )
  })

  test('that answers no more is lost', async () => {
    const { db } = poolOf({ max: 1, query_timeout: 50 })
    expect(dbFailure(await thrownBy(db.execute(sql`select pg_sleep(1)`)))).toEqual({
      code: 'CONNECTION_LOST',
    })
  })

  /** The backend that sleeps for this application. */
  function running(name: string) {
    return until('the statement to run', async () => {
      const [row] = await registry.sql(
        "select pid from pg_stat_activity where application_name = $1 and state = 'active'",
        [name],
      )
      return row?.pid as number | undefined
    })
  }
})

test('what the database had no part in is nothing of it', () => {
  for (const thrown of [
    new TypeError('x'),
    new RangeError('x'),
    new Error('duplicate key'),
    '23505',
    null,
    undefined,
  ])
    expect(dbFailure(thrown)).toBeUndefined()
  expect(dbFailure(Object.assign(new Error('x'), { code: '23505' }))).toBeUndefined()
  expect(dbFailure(new AggregateError([new Error('x')]))).toBeUndefined()
})

test('causes that go round in a circle end', () => {
  const error = new Error('x')
  error.cause = error
  expect(dbFailure(error)).toBeUndefined()
})
