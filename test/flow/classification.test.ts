import { randomUUID } from 'node:crypto'
import dns from 'node:dns'
import pg from 'pg'
import { afterAll, beforeAll, expect, inject, test, vi } from 'vitest'
import { NO_GAP, RULES, UNIQUE_KEYS } from '../../src/domain/classify.ts'
import { DEAD_LETTER_HEADERS } from '../../src/kafka/dead-letter.ts'
import { type Answer, get, post } from '../support/http.ts'
import { listen, produce, type Received } from '../support/kafka.ts'
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'
import { until } from '../support/until.ts'
import { aWorkflow } from '../support/workflows.ts'
import { makeWorld, startApp, type TestApp, type World } from '../support/world.ts'

/*
 * How each cause comes about. `really`: the server, or the network, says it by itself. `by trigger`: a trigger raises
 * that SQLSTATE. `by the name server`: finding the host fails with that code, as a socket fails. `in the driver`:
 * pg throws. The embedded PostgreSQL speaks English only, so every message that a trigger raises is in German.
 */
interface Case {
  /** The rule, as `code` or `code constraint`; `none` where the code is on no list. */
  rule: string
  cause: string
  provoked: 'really' | 'by trigger' | 'by the name server' | 'in the driver'
  worker: Verdict
  /** What the synchronous door says; null where it does not come to it. */
  door: number | null
  /** What the server says on the wire, where that is more than the rule tells. */
  said?: string
  arrange: (scene: Scene) => Promise<Cause>
}

type Verdict =
  /** No outcome and no dead letter until the cause is gone, and then by itself. */
  | { waits: `${'outage' | 'systemic'}: ${string}` }
  /** An outcome at once, and no dead letter. */
  | { goesOn: 'created' | 'conflict' | 'rejected' }
  /** `failed` with this code, and a dead letter. */
  | { parks: string }

/** One record that meets the cause, a healthy one behind it, and a request at the synchronous door. */
interface Scene {
  record: Attempt
  neighbour: Attempt
  door: Attempt
}

interface Attempt {
  requestId: string
  body: Record<string, unknown>
  headers: Record<string, string>
}

interface Cause {
  /** Once the requests are on their way. */
  strike?: () => Promise<void>
  remove: () => Promise<void>
  /** The record goes first: only a record that is alone meets it. */
  alone?: boolean
  /** Nobody can look into the database meanwhile. */
  blind?: boolean
  /** Tells that it really happened, where PostgreSQL itself has nothing to say. */
  happened?: () => boolean
}

const HOST = 'database.test'

let world: World
let role: string
let database: string
let proxy: TcpProxy
let service: TestApp
let replies: Awaited<ReturnType<typeof listen>>
let letters: Awaited<ReturnType<typeof listen>>
let admin: pg.Client
let hostFailure: { code: string; count: number } | undefined

beforeAll(async () => {
  const made = await makeWorld()
  const url = new URL(made.infrastructure.databaseUrl)
  role = url.username
  database = url.pathname.slice(1)
  proxy = await startTcpProxy(url.href)
  url.hostname = HOST
  url.port = String(proxy.port)
  world = { ...made, infrastructure: { ...made.infrastructure, databaseUrl: url.href } }
  standInForNameServer()
  admin = new pg.Client({ connectionString: inject('servers').postgresUrl })
  await admin.connect()
  service = await startApp(world, { env: { TOPIC_PARTITIONS: '1' } })
  await sql(`
    create table fault (code text, key text);
    create function fault() returns trigger language plpgsql security definer as $$
      declare said fault;
      begin
        select * into said from public.fault;
        if found and new.owner = 'victim' then
          raise exception using errcode = said.code, constraint = coalesce(said.key, ''),
            message = 'doppelter Schlüsselwert, Verbindung verloren, Zeitüberschreitung';
        end if;
        return new;
      end $$;
    create trigger fault before insert on workflow for each row execute function public.fault()`)
  ;[replies, letters] = await Promise.all([
    listen(world, world.env.REPLY_TOPIC!),
    listen(world, world.env.DEAD_LETTER_TOPIC!),
  ])
  const first = attempt('first')
  await send(first)
  await replyTo(first)
})
afterAll(async () => {
  vi.restoreAllMocks()
  await Promise.all([replies?.close(), letters?.close(), service?.close()])
  await admin?.end()
  await proxy?.close()
  await world?.close()
})

const sql = (text: string, values?: unknown[]) => world.owner.query(text, values)
const readiness = () => get(`${service.url}/health/ready`)

function attempt(owner: string, fields: Record<string, unknown> = {}): Attempt {
  return { requestId: randomUUID(), body: aWorkflow({ owner, ...fields }), headers: {} }
}

function send(...attempts: Attempt[]): Promise<void> {
  const messages = attempts.map(({ requestId, body, headers }) => ({
    value: JSON.stringify(body),
    headers: { 'request-id': requestId, ...headers },
  }))
  return produce(world, messages)
}

const call = ({ body, headers }: Attempt): Promise<Answer> =>
  post(`${service.url}/api/v1/workflows`, body, headers)

const repliesTo = ({ requestId }: Attempt): Received[] =>
  replies.records.filter(({ headers }) => headers['request-id'] === requestId)

const lettersOf = ({ requestId }: Attempt): Received[] =>
  letters.records.filter(({ headers }) => headers[DEAD_LETTER_HEADERS.requestId] === requestId)

/** The document in the reply to a record, after those that were there before. */
async function replyTo(one: Attempt, earlier = 0) {
  const { value } = await until('a reply', () => repliesTo(one)[earlier])
  return JSON.parse(String(value))
}

async function storedFor(one: Attempt) {
  const { rows } = await sql(
    'select outcome::text, failure from registration_request where request_id = $1',
    [one.requestId],
  )
  return rows
}

/** A workflow of another request that is in the catalog already. */
async function taken(fields: Record<string, unknown>) {
  const earlier = attempt('earlier', fields)
  await send(earlier)
  expect((await replyTo(earlier)).state).toBe('created')
}

/** Nobody can be in a database that gets another name. */
async function rename(from: string, to: string) {
  await proxy.refuse()
  await until('the new name', async () => {
    await admin.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [from])
    return admin.query(`alter database ${from} rename to ${to}`).catch((error) => {
      if (error.code !== '55006') throw error
    })
  })
  await proxy.open()
}

/** The service's sessions that wait for a lock. */
async function blocked(count: number): Promise<number[]> {
  return until(`${count} sessions that wait for a lock`, async () => {
    const { rows } = await admin.query(
      `select pid from pg_stat_activity where usename = $1 and wait_event_type = 'Lock'`,
      [role],
    )
    return rows.length >= count && rows.map(({ pid }) => pid)
  })
}

function byTrigger(code: string, key?: string): Case['arrange'] {
  return async () => {
    await sql('insert into fault values ($1, $2)', [code, key])
    return { remove: async () => void (await sql('delete from fault')) }
  }
}

function byDdl(provoke: string, remove: string): Case['arrange'] {
  return async () => {
    await sql(provoke)
    return { remove: async () => void (await sql(remove)) }
  }
}

/** As long as it lasts, each session of the service begins under it. */
function bySessions(provoke: () => string, remove: () => string): Case['arrange'] {
  return async () => {
    await sql(provoke())
    await proxy.cut()
    return {
      async remove() {
        await sql(remove())
        await proxy.cut()
      },
    }
  }
}

const bySetting = (name: string, value: string) =>
  bySessions(
    () => `alter role ${role} in database ${database} set ${name} = '${value}'`,
    () => `alter role ${role} in database ${database} reset ${name}`,
  )

/** Nobody gets at the catalog to write while it lasts. */
async function lockCatalog(): Promise<pg.PoolClient> {
  const client = await world.owner.connect()
  await client.query('begin')
  await client.query('lock table workflow in exclusive mode')
  return client
}

async function letGo(client: pg.PoolClient) {
  await client.query('rollback')
  client.release()
}

/** Worker and door are both stopped in the middle of their statement, and then this strikes. */
function amidStatements(strike: (pids: number[]) => Promise<unknown>): Case['arrange'] {
  return async () => {
    const before = proxy.broken()
    const client = await lockCatalog()
    return {
      async strike() {
        await strike(await blocked(2))
        await letGo(client)
      },
      remove: () => proxy.open(),
      happened: () => proxy.broken() >= before + 2,
    }
  }
}

function byNetwork(how: 'refuse' | 'reset' | 'fallSilent'): Case['arrange'] {
  return async () => {
    const before = proxy.broken()
    await proxy[how]()
    return { remove: () => proxy.open(), happened: () => proxy.broken() > before }
  }
}

function byNameServer(code: string): Case['arrange'] {
  return async () => {
    const failure = { code, count: 0 }
    hostFailure = failure
    await proxy.cut()
    return {
      remove: async () => {
        hostFailure = undefined
      },
      happened: () => failure.count > 0,
    }
  }
}

function standInForNameServer() {
  const { lookup } = dns
  // biome-ignore lint/suspicious/noExplicitAny: it has many forms, and all are passed on
  vi.spyOn(dns, 'lookup').mockImplementation(((host: string, options: any, done: any) => {
    if (host !== HOST) return lookup(host, options, done)
    if (!hostFailure) return lookup('127.0.0.1', options, done)
    hostFailure.count += 1
    const { code } = hostFailure
    process.nextTick(done, Object.assign(new Error(`connect ${code}`), { code, syscall: 'connect' }))
  }) as typeof lookup)
}

const ALONE: Cause = { remove: async () => {}, alone: true }
const serviceRole = () => new URL(world.infrastructure.databaseUrl)
const REFUSES = (code: string): Verdict => ({ parks: code })
const WAITS = (code: string): Verdict => ({ waits: `outage: ${code}` })
const STOPS = (code: string): Verdict => ({ waits: `systemic: ${code}` })

const CASES: Case[] = [
  {
    rule: '40001',
    cause: 'a rival changed what the statement saw',
    provoked: 'really',
    worker: { goesOn: 'created' },
    door: 201,
    async arrange(scene) {
      const isolation = await bySetting('default_transaction_isolation', 'repeatable read')(scene)
      const rival = await world.owner.connect()
      await rival.query('begin')
      await rival.query('update consumer_progress set next_offset = next_offset')
      return {
        async strike() {
          await blocked(1)
          await rival.query('commit')
          rival.release()
        },
        remove: isolation.remove,
      }
    },
  },
  {
    rule: '40001',
    cause: 'a contention that does not end',
    provoked: 'by trigger',
    worker: WAITS('40001'),
    door: 503,
    arrange: byTrigger('40001'),
  },
  {
    rule: '40P01',
    cause: 'a rival has the second row and wants the first',
    provoked: 'really',
    worker: { goesOn: 'created' },
    door: 201,
    async arrange({ record, neighbour }) {
      record.body.workflow_name = `a-${randomUUID()}`
      neighbour.body.workflow_name = `b-${randomUUID()}`
      const rival = await world.owner.connect()
      await rival.query('begin')
      await rival.query("set local deadlock_timeout = '1min'")
      const insert = (name: unknown) =>
        rival.query(
          `insert into workflow select gen_random_uuid(), $1, version, name, description, content, content_hash,
             execution_engine, labels, custom_labels, detected_labels, parameters, null, null, null, null, status, null,
             now(), now(), gen_random_uuid(), request_fingerprint
           from workflow limit 1`,
          [name],
        )
      await insert(neighbour.body.workflow_name)
      return {
        async strike() {
          await blocked(1)
          await insert(record.body.workflow_name)
          await letGo(rival)
        },
        remove: async () => {},
      }
    },
  },
  {
    rule: '55P03',
    cause: 'somebody holds the catalog beyond the lock_timeout',
    provoked: 'really',
    worker: WAITS('55P03'),
    door: 503,
    async arrange(scene) {
      const timeout = await bySetting('lock_timeout', '200ms')(scene)
      const client = await lockCatalog()
      return {
        async remove() {
          await letGo(client)
          await timeout.remove()
        },
      }
    },
  },
  {
    rule: '57014',
    cause: 'a statement takes longer than the statement_timeout',
    provoked: 'really',
    worker: WAITS('57014'),
    door: 503,
    async arrange(scene) {
      const noLimit = await bySetting('lock_timeout', '0')(scene)
      const timeout = await bySetting('statement_timeout', '300ms')(scene)
      const client = await lockCatalog()
      return {
        async remove() {
          await letGo(client)
          await noLimit.remove()
          await timeout.remove()
        },
      }
    },
  },
  {
    rule: '08',
    cause: 'a connection exception for this record alone, three times',
    provoked: 'by trigger',
    said: '08006',
    worker: REFUSES('08006'),
    door: 500,
    arrange: byTrigger('08006'),
  },
  {
    rule: '53',
    cause: 'the role may have no more connections',
    provoked: 'really',
    said: '53300',
    worker: WAITS('53300'),
    door: 503,
    arrange: bySessions(
      () => `alter role ${role} connection limit 0`,
      () => `alter role ${role} connection limit -1`,
    ),
  },
  {
    rule: '53',
    cause: 'the disk is full',
    provoked: 'by trigger',
    said: '53100',
    worker: WAITS('53100'),
    door: 503,
    arrange: byTrigger('53100'),
  },
  {
    rule: '57P01',
    cause: 'the session is ended amid its statement',
    provoked: 'really',
    worker: { goesOn: 'created' },
    door: 201,
    async arrange(scene) {
      const amid = await amidStatements((pids) =>
        admin.query('select pg_terminate_backend(pid) from unnest($1::int[]) as pid', [pids]),
      )(scene)
      return { strike: amid.strike!, remove: amid.remove }
    },
  },
  {
    rule: '57P02',
    cause: 'another session crashed, for this record alone, three times',
    provoked: 'by trigger',
    worker: REFUSES('57P02'),
    door: 500,
    arrange: byTrigger('57P02'),
  },
  {
    rule: '57P03',
    cause: 'the server takes no sessions yet',
    provoked: 'by trigger',
    worker: WAITS('57P03'),
    door: 503,
    arrange: bySessions(
      () => `
        create function not_yet() returns event_trigger language plpgsql as $$
          begin
            if session_user = '${role}' then
              raise exception using errcode = '57P03', message = 'das Datenbanksystem startet';
            end if;
          end $$;
        create event trigger not_yet on login execute function not_yet()`,
      () => 'drop event trigger not_yet; drop function not_yet',
    ),
  },
  {
    rule: '57P05',
    cause: 'the session counted as idle, for this record alone, three times',
    provoked: 'by trigger',
    worker: REFUSES('57P05'),
    door: 500,
    arrange: byTrigger('57P05'),
  },
  {
    rule: '58',
    cause: 'the disk cannot be read',
    provoked: 'by trigger',
    said: '58030',
    worker: WAITS('58030'),
    door: 503,
    arrange: byTrigger('58030'),
  },
  {
    rule: '25006',
    cause: 'the server takes no writes',
    provoked: 'really',
    worker: WAITS('25006'),
    door: 503,
    arrange: bySetting('default_transaction_read_only', 'on'),
  },
  {
    rule: '40003',
    cause: 'it is unknown how the statement ended, for this record alone, three times',
    provoked: 'by trigger',
    worker: REFUSES('40003'),
    door: 500,
    arrange: byTrigger('40003'),
  },
  {
    rule: '55006',
    cause: 'something is in use',
    provoked: 'by trigger',
    worker: WAITS('55006'),
    door: 503,
    arrange: byTrigger('55006'),
  },
  {
    rule: 'ECONNREFUSED',
    cause: 'nobody listens',
    provoked: 'really',
    worker: WAITS('ECONNREFUSED'),
    door: 503,
    arrange: byNetwork('refuse'),
  },
  {
    rule: 'ECONNRESET',
    cause: 'every connection is reset',
    provoked: 'really',
    worker: WAITS('ECONNRESET'),
    door: 503,
    arrange: byNetwork('reset'),
  },
  {
    rule: 'ECONNRESET',
    cause: 'the connection is reset amid its statement',
    provoked: 'really',
    worker: { goesOn: 'created' },
    door: 201,
    arrange: amidStatements(async () => {
      await proxy.reset()
      await proxy.open()
    }),
  },
  ...['ECONNABORTED', 'EPIPE', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT', 'EAI_AGAIN'].map(
    (code): Case => ({
      rule: code,
      cause: 'the host is out of reach',
      provoked: 'by the name server',
      worker: WAITS(code),
      door: 503,
      arrange: byNameServer(code),
    }),
  ),
  {
    rule: 'POOL_TIMEOUT',
    cause: 'the host takes connections and says nothing',
    provoked: 'really',
    worker: WAITS('POOL_TIMEOUT'),
    door: 503,
    arrange: byNetwork('fallSilent'),
  },
  {
    rule: 'CONNECTION_LOST',
    cause: 'the connection ends amid its statement',
    provoked: 'really',
    worker: { goesOn: 'created' },
    door: 201,
    arrange: amidStatements(() => proxy.cut()),
  },
  {
    rule: 'CONNECTION_LOST',
    cause: 'the connection ends after the commit and before the answer',
    provoked: 'really',
    worker: { goesOn: 'created' },
    door: null,
    async arrange({ record }) {
      const before = proxy.broken()
      const answered = proxy.withholdAnswer('store many')
      return {
        async strike() {
          await answered
          expect(await storedFor(record)).toEqual([{ outcome: 'created', failure: null }])
          expect(repliesTo(record)).toEqual([])
          await proxy.cut()
        },
        remove: async () => {},
        happened: () => proxy.broken() > before,
      }
    },
  },
  {
    rule: 'CONNECTION_LOST',
    cause: 'the line goes dead and says nothing, for as long as a query may take',
    provoked: 'really',
    worker: { goesOn: 'created' },
    door: null,
    async arrange() {
      const before = proxy.broken()
      const client = await lockCatalog()
      return {
        async strike() {
          await blocked(1)
          proxy.freeze()
          await letGo(client)
        },
        remove: async () => {},
        happened: () => proxy.broken() > before,
      }
    },
  },
  {
    rule: 'UNEXPECTED',
    cause: 'our own TypeError for this record alone, three times',
    provoked: 'in the driver',
    worker: REFUSES('UNEXPECTED'),
    door: 500,
    async arrange({ record, door }) {
      const names = [record.body.workflow_name, door.body.workflow_name].map(String)
      const { query } = pg.Client.prototype
      let count = 0
      const spy = vi.spyOn(pg.Client.prototype, 'query').mockImplementation(function (
        this: pg.Client,
        // biome-ignore lint/suspicious/noExplicitAny: it has many forms, and all are passed on
        ...all: any
      ) {
        const text = JSON.stringify(all, (_key, value) =>
          value?.type === 'Buffer' ? Buffer.from(value.data).toString('latin1') : value,
        )
        if (text.includes('insert into workflow') && names.some((name) => text.includes(name))) {
          count += 1
          throw new TypeError('undefined is not a function')
        }
        return query.apply(this, all) as never
      })
      return { remove: async () => spy.mockRestore(), happened: () => count >= 3 }
    },
  },
  {
    rule: `23505 ${UNIQUE_KEYS.nameAndVersion}`,
    cause: 'name and version are taken',
    provoked: 'really',
    worker: { goesOn: 'conflict' },
    door: 409,
    async arrange({ record, door }) {
      const workflow_name = `wf-${randomUUID()}`
      await taken({ workflow_name })
      record.body.workflow_name = door.body.workflow_name = workflow_name
      return ALONE
    },
  },
  {
    rule: `23505 ${UNIQUE_KEYS.nameAndVersion}`,
    cause: 'name and version are taken, in German',
    provoked: 'by trigger',
    worker: { goesOn: 'conflict' },
    door: 409,
    arrange: byTrigger('23505', UNIQUE_KEYS.nameAndVersion),
  },
  {
    rule: `23505 ${UNIQUE_KEYS.requestId}`,
    cause: 'the id was rejected before, with another body',
    provoked: 'really',
    worker: { goesOn: 'rejected' },
    door: null,
    async arrange({ record }) {
      await send({ ...record, body: { ...record.body, version: 'none' } })
      expect((await replyTo(record)).state).toBe('rejected')
      return ALONE
    },
  },
  {
    rule: `23505 ${UNIQUE_KEYS.createdBy}`,
    cause: 'the id has made another workflow, and its status row is gone',
    provoked: 'really',
    worker: { goesOn: 'rejected' },
    door: null,
    async arrange({ record }) {
      await send({ ...record, body: { ...record.body, workflow_name: `wf-${randomUUID()}` } })
      expect((await replyTo(record)).state).toBe('created')
      await sql('delete from registration_request where request_id = $1', [record.requestId])
      return ALONE
    },
  },
  {
    rule: `23505 ${UNIQUE_KEYS.idempotencyKey}`,
    cause: 'the idempotency key is taken',
    provoked: 'really',
    worker: { goesOn: 'rejected' },
    door: 422,
    async arrange({ record, door }) {
      const earlier = attempt('earlier')
      earlier.headers['idempotency-key'] = record.headers['idempotency-key'] = randomUUID()
      await send(earlier)
      expect((await replyTo(earlier)).state).toBe('created')
      door.headers['idempotency-key'] = randomUUID()
      expect((await call({ ...door, body: aWorkflow() })).status).toBe(201)
      return ALONE
    },
  },
  {
    rule: '23505',
    cause: 'some other unique key',
    provoked: 'really',
    worker: REFUSES('23505'),
    door: 500,
    async arrange(scene) {
      const maintainer = randomUUID()
      await taken({ maintainer })
      scene.record.body.maintainer = scene.door.body.maintainer = maintainer
      return byDdl('create unique index odd on workflow (maintainer)', 'drop index odd')(scene)
    },
  },
  {
    rule: '22',
    cause: 'a division by zero',
    provoked: 'really',
    said: '22012',
    worker: REFUSES('22012'),
    door: 500,
    arrange: byDdl(
      `alter table workflow add constraint odd check (1 / (case owner when 'victim' then 0 else 1 end) = 1) not valid`,
      'alter table workflow drop constraint odd',
    ),
  },
  {
    rule: '23502',
    cause: 'a column that must not be null',
    provoked: 'really',
    worker: REFUSES('23502'),
    door: 500,
    async arrange(scene) {
      const { record, door, neighbour } = scene
      neighbour.body.maintainer = 'somebody'
      record.body.maintainer = door.body.maintainer = null
      return byDdl(
        'alter table workflow add constraint odd not null maintainer not valid',
        'alter table workflow drop constraint odd',
      )(scene)
    },
  },
  {
    rule: '23503',
    cause: 'a reference to nothing',
    provoked: 'really',
    worker: REFUSES('23503'),
    door: 500,
    arrange: byDdl(
      `create table owners (name text primary key);
       insert into owners values ('neighbour');
       alter table workflow add constraint odd foreign key (owner) references owners not valid`,
      'alter table workflow drop constraint odd; drop table owners',
    ),
  },
  {
    rule: '23514',
    cause: 'a check of the catalog',
    provoked: 'really',
    worker: REFUSES('23514'),
    door: 500,
    arrange: byDdl(
      `alter table workflow add constraint odd check (owner <> 'victim') not valid`,
      'alter table workflow drop constraint odd',
    ),
  },
  {
    rule: '23514',
    cause: 'a check of the table that the outcome itself goes to',
    provoked: 'really',
    worker: STOPS('23514 (odd)'),
    door: 500,
    async arrange(scene) {
      const names = [scene.record, scene.door].map(({ body }) => `'${body.workflow_name}'`)
      return byDdl(
        `alter table registration_request add constraint odd check (workflow_name not in (${names})) not valid`,
        'alter table registration_request drop constraint odd',
      )(scene)
    },
  },
  {
    rule: `23514 ${NO_GAP}`,
    cause: 'the database has fallen back behind what the worker has read',
    provoked: 'really',
    worker: { goesOn: 'created' },
    door: 201,
    async arrange() {
      await taken({})
      await sql('update consumer_progress set next_offset = next_offset - 1')
      return { remove: async () => {} }
    },
  },
  {
    rule: '23P01',
    cause: 'an exclusion constraint',
    provoked: 'really',
    worker: REFUSES('23P01'),
    door: 500,
    async arrange(scene) {
      const maintainer = randomUUID()
      await taken({ maintainer })
      scene.record.body.maintainer = scene.door.body.maintainer = maintainer
      return byDdl(
        'alter table workflow add constraint odd exclude using btree (maintainer with =)',
        'alter table workflow drop constraint odd',
      )(scene)
    },
  },
  {
    rule: '54',
    cause: 'too large for an index',
    provoked: 'really',
    said: '54000',
    worker: REFUSES('54000'),
    door: 500,
    async arrange(scene) {
      const noise = Array.from({ length: 200 }, () => randomUUID()).join('')
      scene.record.body.content = scene.door.body.content = noise
      return byDdl('create index odd on workflow (content)', 'drop index odd')(scene)
    },
  },
  {
    rule: 'none',
    cause: 'the table has another name',
    provoked: 'really',
    said: '42P01',
    worker: STOPS('42P01'),
    door: 500,
    arrange: byDdl('alter table workflow rename to flow', 'alter table flow rename to workflow'),
  },
  {
    rule: 'none',
    cause: 'the role may not insert',
    provoked: 'really',
    said: '42501',
    worker: STOPS('42501'),
    door: 500,
    arrange: (scene) =>
      byDdl(`revoke insert on workflow from ${role}`, `grant insert on workflow to ${role}`)(scene),
  },
  {
    rule: 'none',
    cause: 'the password has changed',
    provoked: 'really',
    said: '28P01',
    worker: STOPS('28P01'),
    door: 500,
    arrange: bySessions(
      () => `alter role ${role} password 'another'`,
      () => `alter role ${role} password '${serviceRole().password}'`,
    ),
  },
  {
    rule: 'none',
    cause: 'the role may not log in',
    provoked: 'really',
    said: '28000',
    worker: STOPS('28000'),
    door: 500,
    arrange: bySessions(
      () => `alter role ${role} nologin`,
      () => `alter role ${role} login`,
    ),
  },
  {
    rule: 'none',
    cause: 'the database has another name',
    provoked: 'really',
    said: '3D000',
    worker: STOPS('3D000'),
    door: 500,
    async arrange() {
      await rename(database, `${database}_away`)
      return { remove: () => rename(`${database}_away`, database), blind: true }
    },
  },
  {
    rule: 'none',
    cause: 'the host has no such name',
    provoked: 'by the name server',
    worker: STOPS('ENOTFOUND'),
    door: 500,
    arrange: byNameServer('ENOTFOUND'),
  },
  {
    rule: 'none',
    cause: 'something internal',
    provoked: 'by trigger',
    said: 'XX000',
    worker: STOPS('XX000'),
    door: 500,
    arrange: byTrigger('XX000'),
  },
  {
    rule: 'none',
    cause: 'an SQLSTATE that nobody knows',
    provoked: 'by trigger',
    said: 'ZZ999',
    worker: STOPS('ZZ999'),
    door: 500,
    arrange: byTrigger('ZZ999'),
  },
]

const ruleName = ({ code, constraint }: { code: string; constraint?: string }) =>
  constraint ? `${code} ${constraint}` : code

test('every rule is provoked', () => {
  const provoked = new Set(CASES.map(({ rule }) => rule))
  expect([...provoked].sort()).toEqual(['none', ...RULES.map(ruleName)].sort())
})

test.each(CASES.map((one) => [titleOf(one), one] as const))('%s', async (_, one) => {
  const scene: Scene = { record: attempt('victim'), neighbour: attempt('neighbour'), door: attempt('victim') }
  const { record, neighbour } = scene
  const { strike, remove, alone, blind, happened } = await one.arrange(scene)
  let removed = false
  try {
    const earlier = repliesTo(record).length
    const errorsBefore = proxy.errors.length
    const answered = one.door === null ? undefined : call(scene.door)
    await send(...(alone ? [record] : [record, neighbour]))
    await strike?.()

    if ('waits' in one.worker) {
      const { waits } = one.worker
      await until(`a worker that waits: ${waits}`, async () => {
        const { status, body } = await readiness()
        return status === 503 && body.detail.includes(`partition 0 waits: ${waits}`)
      })
      expect([record, neighbour].flatMap(repliesTo)).toEqual([])
      if (!blind) expect([...(await storedFor(record)), ...(await storedFor(neighbour))]).toEqual([])
    } else if ('parks' in one.worker) {
      const failure = one.worker.parks
      expect(await replyTo(record)).toMatchObject({
        state: 'failed',
        problem: { status: 500, retryable: false },
      })
      expect(await storedFor(record)).toEqual([{ outcome: 'failed', failure }])
      const letter = await until('a dead letter', () => lettersOf(record)[0])
      expect(letter.headers).toMatchObject({
        [DEAD_LETTER_HEADERS.class]: 'failed',
        [DEAD_LETTER_HEADERS.code]: failure,
      })
      expect(JSON.parse(String(letter.value))).toEqual(record.body)
    } else {
      expect((await replyTo(record, earlier)).state).toBe(one.worker.goesOn)
    }
    if (answered) expect((await answered).status).toBe(one.door)
    const said = proxy.errors.slice(errorsBefore).map(saidIn)
    expect(happened ? happened() : said.includes(one.said ?? one.rule), `it happened: ${said}`).toBe(true)

    removed = true
    await remove()
    if (alone) await send(neighbour)
    if ('waits' in one.worker) expect((await replyTo(record)).state).toBe('created')
    expect((await replyTo(neighbour)).state).toBe('created')
    if (!('parks' in one.worker)) expect(lettersOf(record)).toEqual([])
    await until('readiness', async () => (await readiness()).status === 200)
    if ('waits' in one.worker) expect((await call(scene.door)).status).toBe(201)
    expect(service.crashes).toEqual([])
    expectDiscreet(record, neighbour)
  } finally {
    if (!removed) await remove()
  }
})

test('a repeated create is 201 also where the connection that reads it back is lost', async () => {
  const create = { ...attempt('first'), headers: { 'idempotency-key': randomUUID() } }
  expect((await call(create)).status).toBe(201)
  const readBack = proxy.withholdAnswer('"workflow_id" = $1')
  const answered = call(create)
  await readBack
  await proxy.cut()
  const { status, body } = await answered
  expect({ status, name: body.workflow_name }).toEqual({ status: 201, name: create.body.workflow_name })
})

/** Not a word of the server's or the driver's has come into a log, a reply or a dead letter. */
function expectDiscreet(...attempts: Attempt[]) {
  const records = attempts.flatMap((one) => [...repliesTo(one), ...lettersOf(one)])
  const told = JSON.stringify([
    service.logs.splice(0),
    records.map(({ value, headers }) => [String(value), headers]),
  ])
  for (const { requestId } of attempts) expect(told).toContain(requestId)
  expect(told).not.toMatch(
    /Schlüsselwert|violates|permission denied|password authentication|is not a function/,
  )
}

function titleOf({ rule, cause, provoked, worker, door, said }: Case): string {
  const code = rule === 'none' ? `${said ?? 'ENOTFOUND'}, on no list` : rule
  const ends =
    'waits' in worker ? `waits, ${worker.waits}` : 'parks' in worker ? 'fails' : `is ${worker.goesOn}`
  return `${code} (${provoked}), ${cause}: the record ${ends}${door === null ? '' : `, and the door says ${door}`}`
}

/** As rules are named. */
function saidIn({ code, constraint }: { code: string; constraint: string | undefined }): string {
  const rule = RULES.find((known) => known.code === code && known.constraint === constraint)
  return rule?.constraint ? `${code} ${constraint}` : code
}
