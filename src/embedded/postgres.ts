import { randomBytes } from 'node:crypto'
import { chownSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { type RunAs, STOP_GRACE_MS } from './child.ts'
import { run } from './command.ts'
import { deadPid, stopLeftover } from './pid-file.ts'
import { assertPortFree, freePort } from './ports.ts'
import { type PostgresBinaries, postgresBinaries } from './postgres-binaries.ts'
import { postgresUser } from './postgres-user.ts'
import { type Server, server } from './server.ts'
import { StartFailure } from './start-failure.ts'

const NAME = 'PostgreSQL 18'

export type Postgres = Server & {
  port: number
  /** The superuser, in the database `registrar`. */
  ownerUrl: string
  /** The role `registrar` in the same database; the role itself is made by the migration. */
  serviceUrl: string
  logFile: string
}

export type PostgresOptions = {
  /** Absolute, and claimed by us. */
  dataDir: string
  /** 0 for a free one, which is then kept. */
  port: number
  /** False lets a power failure (not a crash) lose data, for speed. */
  durable: boolean
  say(line: string): void
  onExit(sentence: string): void
  signal: AbortSignal
}

/** Starts PostgreSQL on the data in `dataDir`, which it makes the first time. */
export async function startPostgres(options: PostgresOptions): Promise<Postgres> {
  const { dataDir, durable, say, onExit, signal } = options
  const began = Date.now()
  const binaries = postgresBinaries()
  const pidFile = join(dataDir, 'postgres.pid')
  const logFile = join(dataDir, 'postgres.log')
  const cluster = join(dataDir, 'postgres')
  const [runAs, port] = await Promise.all([
    postgresUser({ dataDir, binary: binaries.postgres }),
    options.port === 0 ? freePort() : options.port,
    stopLeftover(pidFile, 'SIGINT', STOP_GRACE_MS),
  ])
  await assertPortFree(port, NAME, 'EMBEDDED_POSTGRES_PORT')
  const passwords = passwordsIn(dataDir, cluster)
  if (!existsSync(cluster)) {
    say(`${NAME}: making a database cluster`)
    await makeCluster({ cluster, dataDir, binaries, runAs, password: passwords.postgres, durable, signal })
  }

  const url = (user: keyof typeof passwords, database: string) =>
    `postgresql://${user}:${passwords[user]}@127.0.0.1:${port}/${database}`
  const settings = {
    listen_addresses: '127.0.0.1',
    port,
    unix_socket_directories: '',
    max_connections: 200,
    timezone: 'UTC',
    log_timezone: 'UTC',
    log_checkpoints: 'off',
    log_error_verbosity: 'terse', // the detail of an error is the row that was refused
    ...(durable ? {} : { fsync: 'off', full_page_writes: 'off' }),
  }

  const postgres = server({
    name: NAME,
    async prepare() {
      await assertPortFree(port, NAME, 'EMBEDDED_POSTGRES_PORT')
      forgetPostmaster(cluster, deadPid(pidFile))
      const args = [
        '-D',
        cluster,
        ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
      ]
      return { command: binaries.postgres, args, runAs, logFile, pidFile, stopSignal: 'SIGINT' }
    },
    answers: () => connected(url('postgres', 'postgres'), ensureDatabase),
    onExit,
  })
  const start = (abort?: AbortSignal) => startAfterBackends(() => postgres.start(abort))
  await start(signal)
  say(`${NAME}: ready on 127.0.0.1:${port} in ${((Date.now() - began) / 1000).toFixed(1)} s`)
  const urls = { ownerUrl: url('postgres', 'registrar'), serviceUrl: url('registrar', 'registrar') }
  return { ...postgres, start, port, logFile, ...urls }
}

type Passwords = { postgres: string; registrar: string }

function passwordsIn(dataDir: string, cluster: string): Passwords {
  const file = join(dataDir, 'passwords.json')
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8'))
  if (existsSync(cluster)) {
    throw new StartFailure(
      `${file} is gone, and with it the passwords of the database beside it: put it back, or delete ${dataDir} to begin anew.`,
    )
  }
  const random = () => randomBytes(24).toString('base64url')
  const passwords = { postgres: random(), registrar: random() }
  writeFileSync(`${file}.new`, JSON.stringify(passwords), { mode: 0o600 })
  renameSync(`${file}.new`, file)
  return passwords
}

type ClusterOptions = {
  cluster: string
  dataDir: string
  binaries: PostgresBinaries
  runAs: RunAs
  password: string
  durable: boolean
  signal: AbortSignal
}

/** Makes the cluster beside its place and moves it there when complete. */
async function makeCluster({ cluster, dataDir, binaries, runAs, password, durable, signal }: ClusterOptions) {
  const made = mkdtempSync(join(dataDir, 'new-postgres-'))
  const passwordFile = `${made}.password`
  try {
    writeFileSync(passwordFile, password, { mode: 0o600 })
    if (runAs.user) {
      chownSync(made, runAs.user.uid, runAs.user.gid)
      chownSync(passwordFile, runAs.user.uid, runAs.user.gid)
    }
    const args = ['--encoding=UTF8', '--locale=C', '--auth=scram-sha-256', '--username=postgres']
    const where = [`--pgdata=${made}`, `--pwfile=${passwordFile}`]
    const sync = durable ? [] : ['--no-sync']
    const { code, output } = await run(binaries.initdb, [...args, ...where, ...sync], { runAs, signal })
    if (code !== 0) {
      const reason = output.split('\n').findLast((line) => /error|fatal/i.test(line)) ?? output
      throw new StartFailure(`${NAME} could not make a database cluster in ${dataDir}: ${reason}`)
    }
    renameSync(made, cluster)
  } finally {
    rmSync(passwordFile, { force: true })
    rmSync(made, { recursive: true, force: true })
  }
}

async function connected(url: string, use: (client: pg.Client) => Promise<void>): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 })
  client.on('error', () => {}) // the awaited calls tell
  try {
    await client.connect()
    await use(client)
    return true
  } finally {
    await client.end().catch(() => {})
  }
}

async function ensureDatabase(client: pg.Client): Promise<void> {
  const { rowCount } = await client.query("select 1 from pg_database where datname = 'registrar'")
  if (rowCount === 0) await client.query('create database registrar')
}

/**
 * PostgreSQL knows its predecessor only by pid, and will not start while that number is in use: by a zombie
 * that nobody waits for, or by a process of another life of the container. Here more is known.
 */
function forgetPostmaster(cluster: string, dead: number | undefined): void {
  const file = join(cluster, 'postmaster.pid')
  if (dead === undefined || !existsSync(file)) return
  if (Number.parseInt(readFileSync(file, 'utf8'), 10) === dead) rmSync(file)
}

/**
 * After a SIGKILL of the server its backends live on for a moment, and PostgreSQL rightly refuses to
 * start beside them; they notice and go.
 */
async function startAfterBackends(start: () => Promise<void>): Promise<void> {
  const deadline = Date.now() + STOP_GRACE_MS
  for (;;) {
    try {
      return await start()
    } catch (error) {
      const backendsRemain = error instanceof StartFailure && error.message.includes('shared memory block')
      if (!backendsRemain || Date.now() > deadline) throw error
      await sleep(100)
    }
  }
}
