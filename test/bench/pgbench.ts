import { execFile } from 'node:child_process'
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { aBody } from './generate.ts'
import { INSERT_WORKFLOW, workflowValues } from './plain-insert.ts'

const ITS_OWN = 'gen_random_uuid()'

/** Of the values for `INSERT_WORKFLOW`, by their position: what no two rows may share. */
const UNIQUE: Readonly<Record<string, string>> = { 1: ITS_OWN, 2: ITS_OWN, 10: ITS_OWN }

/** Of all transactions, those that must have a time. */
const TIMED = 0.99

/** How long pgbench took for each insert of a row, in ms: one client, a prepared statement, a transaction each. */
export async function pgbenchInserts(databaseUrl: string, seconds: number): Promise<number[]> {
  const pgbench = findPgbench()
  const folder = mkdtempSync(path.join(tmpdir(), 'workflow-registrar-pgbench-'))
  try {
    const insert = INSERT_WORKFLOW.replace(
      /\$(\d+)/g,
      (_, position) => UNIQUE[position] ?? `:value${position}`,
    )
    writeFileSync(path.join(folder, 'insert.sql'), `${insert};\n`)
    const values = workflowValues(aBody()).map(
      (value, index) =>
        `--define=value${index + 1}=${value instanceof Buffer ? `\\x${value.toString('hex')}` : value}`,
    )
    const settings = ['--no-vacuum', '--protocol=prepared', '--client=1', `--time=${seconds}`]
    await promisify(execFile)(
      pgbench,
      [...settings, ...values, '--file=insert.sql', '--log', '--log-prefix=log', databaseUrl],
      { cwd: folder },
    )
    const [log] = globSync('log.*', { cwd: folder })
    return latenciesIn(readFileSync(path.join(folder, log!), 'utf8'))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/**
 * From a log of pgbench, which has a line for each transaction; its third field is the time in µs. That is 0 where the
 * answer was there before pgbench began to wait for it, because it looks at its clock after a wait only: not a time.
 */
function latenciesIn(log: string): number[] {
  const lines = log.trimEnd().split('\n')
  const latencies = lines
    .map((line) => Number(line.split(' ')[2]) / 1_000)
    .filter((latencyMs) => latencyMs > 0)
  if (latencies.length < lines.length * TIMED)
    throw new Error(`pgbench tells the time of ${latencies.length} transactions of ${lines.length}`)
  return latencies
}

function findPgbench(): string {
  const folders = [
    ...(process.env.PATH ?? '').split(path.delimiter),
    ...globSync('/usr/lib/postgresql/*/bin').toSorted().reverse(),
  ]
  const found = folders.map((folder) => path.join(folder, 'pgbench')).find((file) => existsSync(file))
  if (!found)
    throw new Error(
      "There is no pgbench on PATH or in /usr/lib/postgresql: Debian's package postgresql-contrib brings it",
    )
  return found
}
