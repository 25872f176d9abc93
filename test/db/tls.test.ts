import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { sql } from 'drizzle-orm'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest'
import { migrate } from '../../src/db/migrate.ts'
import { openDb } from '../../src/db/open.ts'
import { type Postgres, startPostgres } from '../../src/embedded/postgres.ts'
import { createLogger } from '../../src/logger.ts'
import { type Authority, type Certificate, makeAuthority } from '../support/certificates.ts'
import { expectSentence, failingStart, SECRET } from '../support/failing-start.ts'
import { get, post } from '../support/http.ts'
import { startProcess } from '../support/process.ts'
import { until } from '../support/until.ts'
import { aWorkflow } from '../support/workflows.ts'
import { makeWorld, type World } from '../support/world.ts'

/** Logs in with a password, over TLS only. */
const SERVICE = { username: 'service', password: `service-${SECRET}` }
/** Logs in with a certificate only. */
const CERTIFIED = 'certified'

let folder: string
let postgres: Postgres
let owner: pg.Client
let authority: Authority
let stranger: Authority
let client: Certificate
let strangersClient: Certificate
beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'workflow-registrar-tls-'))
  chmodSync(folder, 0o755) // PostgreSQL runs as another user
  const say = (line: string) => void process.stderr.write(`${line}\n`)
  const signal = new AbortController().signal
  postgres = await startPostgres({ dataDir: folder, port: 0, durable: false, say, onExit: say, signal })
  authority = makeAuthority(folder, 'authority')
  stranger = makeAuthority(folder, 'stranger')
  client = authority.sign(CERTIFIED)
  strangersClient = stranger.sign(CERTIFIED)
  owner = new pg.Client({ connectionString: postgres.ownerUrl })
  await owner.connect()
  await speakTls()
  await migrate(postgres.ownerUrl, urlOf(SERVICE))
  await owner.query(`create role ${CERTIFIED} login`)
})
afterAll(async () => {
  await owner?.end()
  await postgres?.stop()
  rmSync(folder, { recursive: true, force: true })
})

/** Has the server show a certificate for 127.0.0.1, and log each statement. */
async function speakTls() {
  const cluster = path.join(folder, 'postgres')
  const { uid, gid } = statSync(cluster)
  const { certFile, keyFile } = authority.sign('postgres', { hosts: ['IP:127.0.0.1'] })
  for (const [from, name] of [
    [certFile, 'server.crt'],
    [keyFile, 'server.key'],
    [authority.certFile, 'root.crt'],
  ] as const) {
    copyFileSync(from, path.join(cluster, name))
    chownSync(path.join(cluster, name), uid, gid)
    chmodSync(path.join(cluster, name), 0o600)
  }
  const hba = path.join(cluster, 'pg_hba.conf')
  const rules = [
    `hostssl all ${CERTIFIED} 127.0.0.1/32 cert`,
    `hostssl all ${SERVICE.username} 127.0.0.1/32 scram-sha-256`,
    `host all ${CERTIFIED},${SERVICE.username} 127.0.0.1/32 reject`,
  ]
  writeFileSync(hba, [...rules, readFileSync(hba, 'utf8')].join('\n'))
  for (const setting of ["ssl_ca_file = 'root.crt'", 'ssl = on', "log_statement = 'all'"])
    await owner.query(`alter system set ${setting}`)
  await owner.query('select pg_reload_conf()')
  await until('the server to speak TLS', async () => {
    const asker = new pg.Client({ connectionString: postgres.ownerUrl, ssl: { rejectUnauthorized: false } })
    return asker.connect().then(
      () => asker.end().then(() => true),
      () => false,
    )
  })
}

/** The URL of the service's database; `host` may be another name of 127.0.0.1, and `parameters` ask for TLS. */
function urlOf(
  { username, password }: { username: string; password?: string },
  parameters: Record<string, string> = {},
  host = '127.0.0.1',
): string {
  const url = new URL(postgres.ownerUrl)
  Object.assign(url, { username, password: password ?? '', hostname: host })
  url.search = String(new URLSearchParams(parameters))
  return url.href
}

const ownerUrl = (parameters: Record<string, string>, host?: string) => {
  const { username, password } = new URL(postgres.ownerUrl)
  return urlOf({ username, password }, parameters, host)
}
const trusted = () => ({ sslrootcert: authority.certFile })
const shown = ({ certFile, keyFile }: Certificate) => ({ sslcert: certFile, sslkey: keyFile })

/** Who one is, and whether it is over TLS. */
async function sessionAt(url: string) {
  const { db, close } = openDb({ url, name: 'test', maxConnections: 1 }, createLogger('silent'))
  onTestFinished(close)
  const { rows } = await db.execute(
    sql`select current_user as role, ssl from pg_stat_ssl where pid = pg_backend_pid()`,
  )
  return rows[0]
}

describe('a connection is made', () => {
  const MODES: Record<string, { url: () => string; ssl: boolean }> = {
    'without sslmode': { url: () => ownerUrl({}), ssl: false },
    'with disable, whatever files it names': {
      url: () => ownerUrl({ sslmode: 'disable', sslrootcert: '/nowhere' }),
      ssl: false,
    },
    'with require, to a server of an unknown authority': {
      url: () => ownerUrl({ sslmode: 'require' }),
      ssl: true,
    },
    'with require and the authority, to another host name': {
      url: () => ownerUrl({ sslmode: 'require', ...trusted() }, 'localhost'),
      ssl: true,
    },
    'with verify-ca, to another host name': {
      url: () => ownerUrl({ sslmode: 'verify-ca', ...trusted() }, 'localhost'),
      ssl: true,
    },
    'with verify-full': { url: () => ownerUrl({ sslmode: 'verify-full', ...trusted() }), ssl: true },
  }
  test.each(Object.keys(MODES))('%s', async (name) => {
    const { url, ssl } = MODES[name]!
    expect(await sessionAt(url())).toEqual({ role: 'postgres', ssl })
  })

  test('with a certificate in place of a password', async () => {
    const url = urlOf({ username: CERTIFIED }, { sslmode: 'verify-full', ...trusted(), ...shown(client) })
    expect(await sessionAt(url)).toEqual({ role: CERTIFIED, ssl: true })
  })
})

/** What is wrong with the URL, and what the start must say of it. */
const WRONG: Record<string, { url: () => string; says: RegExp }> = {
  ...Object.fromEntries(
    ['require', 'verify-ca', 'verify-full'].map((sslmode) => [
      `an unknown authority with ${sslmode}`,
      {
        url: () => urlOf(SERVICE, { sslmode, sslrootcert: stranger.certFile }),
        says: /PostgreSQL \(DATABASE_URL\) shows a certificate of an authority that is not trusted here: sslrootcert/,
      },
    ]),
  ),
  'the usual authorities alone': {
    url: () => urlOf(SERVICE, { sslmode: 'verify-full', sslrootcert: 'system' }),
    says: /an authority that is not trusted here/,
  },
  'a certificate for another host': {
    url: () => urlOf(SERVICE, { sslmode: 'verify-full', ...trusted() }, 'localhost'),
    says: /a certificate for another host than the one in the URL/,
  },
  'a wrong password': {
    url: () => urlOf({ ...SERVICE, password: `a-wrong-${SECRET}` }, { sslmode: 'require' }),
    says: /refuses the role or its password \(28P01\)/,
  },
  'no password': {
    url: () => urlOf({ username: SERVICE.username }, { sslmode: 'require' }),
    says: /wants another password than the one in the URL, or the URL has none/,
  },
  'no TLS where it is wanted': {
    url: () => urlOf(SERVICE),
    says: /pg_hba.conf may want TLS \(sslmode\)/,
  },
  'no certificate where one is wanted': {
    url: () => urlOf({ username: CERTIFIED }, { sslmode: 'require' }),
    says: /a certificate \(sslcert, sslkey\)/,
  },
  'a certificate that the server does not trust': {
    url: () => urlOf({ username: CERTIFIED }, { sslmode: 'require', ...shown(strangersClient) }),
    says: /does not accept the certificate that we show/,
  },
  'a server without TLS': {
    url: () => `${inject('servers').postgresUrl}?sslmode=require`,
    says: /does not speak TLS, and sslmode says that it should/,
  },
  'a file that is not there': {
    url: () => urlOf(SERVICE, { sslmode: 'verify-full', sslrootcert: '/nowhere/ca.pem' }),
    says: /^DATABASE_URL, sslrootcert: \/nowhere\/ca.pem: there is no such file$/,
  },
  'the key of another certificate': {
    url: () =>
      urlOf(SERVICE, { sslmode: 'require', sslcert: client.certFile, sslkey: strangersClient.keyFile }),
    says: /^DATABASE_URL, sslkey: the private key in \S+ is not that of the certificate beside it$/,
  },
}

describe('a start ends within 10 s, with one sentence and no secret,', () => {
  test.each(Object.keys(WRONG))('for %s', async (name) => {
    const { url, says } = WRONG[name]!
    const env = {
      DATABASE_URL: url(),
      KAFKA_BROKERS: inject('servers').kafkaBrokers.join(','),
      PORT: '0',
      METRICS_PORT: '0',
    }
    expectSentence(await failingStart('ingress', env), says)
  })

  test('for a wrong password of the owner, by the name of its variable', async () => {
    const env = {
      DATABASE_URL: urlOf(SERVICE),
      MIGRATE_DATABASE_URL: urlOf({ username: 'postgres', password: `a-wrong-${SECRET}` }),
      KAFKA_BROKERS: inject('servers').kafkaBrokers.join(','),
    }
    const says = /PostgreSQL \(MIGRATE_DATABASE_URL\) refuses the role or its password/
    expectSentence(await failingStart('migrate', env), says)
    expectSentence(await failingStart('ingress', env), says)
  })
})

test('the whole service runs over TLS, and pg has nothing to warn of', async () => {
  const other = await makeWorld()
  onTestFinished(() => other.close())
  const tls = { sslmode: 'verify-ca', ...trusted() }
  const world: World = {
    ...other,
    env: { ...other.env, DATABASE_URL: urlOf(SERVICE, tls), MIGRATE_DATABASE_URL: ownerUrl(tls) },
  }
  const service = await startProcess('all-in-one', world)
  expect(await post(`${service.url}/api/v1/workflows`, aWorkflow())).toMatchObject({ status: 201 })
  const { rows } = await owner.query(
    'select bool_and(ssl) as ssl from pg_stat_ssl join pg_stat_activity using (pid) where usename = $1',
    [SERVICE.username],
  )
  expect(rows).toEqual([{ ssl: true }])
  expect(service.stderr).toEqual([])

  await owner.query(`alter role ${SERVICE.username} password 'another'`)
  await owner.query('select pg_terminate_backend(pid) from pg_stat_activity where usename = $1', [
    SERVICE.username,
  ])
  await until('readiness to say that the password is wrong', async () => {
    const { status, body } = await get(`${service.url}/health/ready`)
    return status === 503 && /refuses the role or its password/.test(body.detail)
  })
  expect(service.lines.join()).not.toContain(SECRET)
})

test('the server, which logs each statement, never hears the password of the role that a migration makes', () => {
  const log = readFileSync(postgres.logFile, 'utf8')
  expect(log).toContain(`create role "${SERVICE.username}"`)
  expect(log).not.toContain(SECRET)
})
