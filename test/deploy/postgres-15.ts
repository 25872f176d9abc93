import { randomBytes } from 'node:crypto'
import { chownSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import pg from 'pg'
import { run } from '../../src/embedded/command.ts'
import { freePort } from '../../src/embedded/ports.ts'
import { server } from '../../src/embedded/server.ts'
import { POSTGRES_15, serverFolder } from './debian.ts'

/** A PostgreSQL of Debian's, whose tools can dump and restore it, until `close`. Answers its superuser's URL. */
export async function startPostgres15(): Promise<{ url: string; close(): Promise<void> }> {
  const binary = path.join(POSTGRES_15, 'postgres')
  const { folder, runAs, remove } = await serverFolder('postgres-15', { binary, from: 'postgresql-15' })
  const at = (name: string) => path.join(folder, name)
  const password = randomBytes(12).toString('hex')
  writeFileSync(at('password'), password, { mode: 0o600 })
  if (runAs.user) for (const file of [folder, at('password')]) chownSync(file, runAs.user.uid, runAs.user.gid)
  const made = await run(
    path.join(POSTGRES_15, 'initdb'),
    [
      ...['--encoding=UTF8', '--locale=C', '--auth=scram-sha-256', '--username=postgres', '--no-sync'],
      ...[`--pgdata=${at('data')}`, `--pwfile=${at('password')}`],
    ],
    { runAs },
  )
  if (made.code !== 0) throw new Error(`initdb of PostgreSQL 15 failed: ${made.output}`)

  const port = await freePort()
  const url = `postgresql://postgres:${password}@127.0.0.1:${port}/postgres`
  const postgres = server({
    name: 'PostgreSQL 15',
    prepare: async () => ({
      command: binary,
      args: [
        ...['-D', at('data'), '-p', String(port), '-c', 'listen_addresses=127.0.0.1'],
        ...['-c', 'unix_socket_directories=', '-c', 'fsync=off'],
      ],
      runAs,
      logFile: at('log'),
      pidFile: at('pid'),
      stopSignal: 'SIGINT',
    }),
    async answers() {
      const client = new pg.Client({ connectionString: url })
      client.on('error', () => {}) // the awaited call tells
      await client.connect()
      await client.end()
      return true
    },
    onExit: () => {},
  })
  await postgres.start()
  return {
    url,
    async close() {
      await postgres.stop()
      remove()
    },
  }
}
