import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { postgresUser } from '../../src/embedded/postgres-user.ts'

/** Where Debian puts what the packages hold that these tests run. */
export const PGBOUNCER = '/usr/sbin/pgbouncer'
export const POSTGRES_15 = '/usr/lib/postgresql/15/bin'

/** A temporary folder, and the user that may not be root, who runs a server of `binary` there. */
export async function serverFolder(name: string, { binary, from }: { binary: string; from: string }) {
  if (!existsSync(binary)) throw new Error(`There is no ${binary}: install Debian's ${from}`)
  const folder = mkdtempSync(path.join(tmpdir(), `workflow-registrar-${name}-`))
  const runAs = await postgresUser({ dataDir: folder, binary })
  return { folder, runAs, remove: () => rmSync(folder, { recursive: true, force: true }) }
}
