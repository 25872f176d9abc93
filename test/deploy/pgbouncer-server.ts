import { chownSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import pg from 'pg'
import { onTestFinished } from 'vitest'
import { freePort } from '../../src/embedded/ports.ts'
import { server } from '../../src/embedded/server.ts'
import { PGBOUNCER, serverFolder } from './debian.ts'

export interface PgBouncer {
  /** The same database and role, by way of the pooler. */
  url: string
  /** What it has logged so far. */
  log(): string
}

/** So few that the statements of a client must change from one session to another. */
export const SESSIONS = 2

/** A PgBouncer in transaction mode before the database of this URL, whose role is there; gone when the test is over. */
export async function startPgBouncer(databaseUrl: string): Promise<PgBouncer> {
  const target = new URL(databaseUrl)
  const { folder, runAs, remove } = await serverFolder('pgbouncer', { binary: PGBOUNCER, from: 'pgbouncer' })
  const at = (name: string) => path.join(folder, name)
  const port = await freePort()
  const settings = {
    listen_addr: '127.0.0.1',
    listen_port: port,
    unix_socket_dir: '',
    auth_type: 'scram-sha-256',
    auth_file: at('users.txt'),
    pool_mode: 'transaction',
    default_pool_size: SESSIONS,
    max_client_conn: 200,
  }
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}`)
  const databases = `[databases]\n* = host=${target.hostname} port=${target.port}`
  const files = {
    'users.txt': `"${target.username}" "${target.password}"\n`,
    'pgbouncer.ini': `${databases}\n\n[pgbouncer]\n${lines.join('\n')}\n`,
  }
  for (const [name, content] of Object.entries(files)) {
    writeFileSync(at(name), content, { mode: 0o600 })
    if (runAs.user) chownSync(at(name), runAs.user.uid, runAs.user.gid)
  }

  const url = new URL(target)
  url.hostname = '127.0.0.1'
  url.port = String(port)
  const bouncer = server({
    name: 'PgBouncer',
    prepare: async () => ({
      command: PGBOUNCER,
      args: [at('pgbouncer.ini')],
      runAs,
      logFile: at('log'),
      pidFile: at('pid'),
      stopSignal: 'SIGTERM',
    }),
    answers: () => answers(url.href),
    onExit: () => {},
  })
  onTestFinished(async () => {
    await bouncer.stop()
    remove()
  })
  await bouncer.start()
  return { url: url.href, log: () => readFileSync(at('log'), 'utf8') }
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {}) // the awaited calls tell
  try {
    await client.connect()
    await client.query('select 1')
    return true
  } finally {
    await client.end()
  }
}
