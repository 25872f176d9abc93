import { drizzle } from 'drizzle-orm/node-postgres'
import pg from 'pg'
import { catalog } from '../../../src/db/catalog.ts'
import type { Db } from '../../../src/db/open.ts'
import { registrations } from '../../../src/db/registrations.ts'
import { GENERATED } from '../generate.ts'
import type { Lab } from '../lab.ts'
import { sampleOf } from './sample.ts'
import { requests } from './storing.ts'

const LONGEST_LINE = 140

/** By the name of a file, the plans of some statements. */
export type Plans = Readonly<Record<string, string>>

/**
 * How PostgreSQL carries out our statements on the catalog as it is: rows and pages, and no times, which differ each
 * time.
 */
export async function explain(lab: Lab): Promise<Plans> {
  const pool = new pg.Pool({ connectionString: lab.postgres.serviceUrl, max: 1 })
  const lines: string[] = []
  const db = explaining(pool, (plan) => lines.push(...plan))
  const { storeMany, storeCreated, read, list } = registrations(db)
  const { byId, byVersion, idsOf, someOf, versionsOf } = catalog(db)
  const { requestIds, workflowIds, names, middleId } = await sampleOf(lab)
  const page = { before: undefined, limit: 51 }
  const requestPage = { since: undefined, before: undefined, limit: 51 }

  const files: Record<string, Record<string, () => Promise<unknown>>> = {
    'explain-storing': {
      '500 requests at once': () => storeMany(requests(500), []),
      'one request': () => storeCreated(requests(1)[0]!, []),
    },
    'explain-status': {
      '500 outcomes': () => read(requestIds.slice(0, 500)),
      'one outcome': () => read(requestIds.slice(0, 1)),
      'a page of the requests that ended': () => list({ ...requestPage, outcome: undefined }),
      'those that ended in conflict, of which there are none': () =>
        list({ ...requestPage, outcome: 'conflict' }),
      'those that failed, of which there are none': () => list({ ...requestPage, outcome: 'failed' }),
    },
    'explain-catalog': {
      'by id': () => byId(workflowIds[0]!),
      'by name and version': () => byVersion(names[0]!, '1.0.0'),
      'the versions of a name with 10': () => versionsOf(names[0]!),
      'the versions of the name with 1 000': () => versionsOf(GENERATED.longest),
      'first page': () => idsOf({}, page),
      'a page from the middle': () => idsOf({}, { ...page, before: middleId }),
      'the rows of a page': () => someOf(workflowIds.slice(0, 50), { withContent: false }),
      'first page of a name': () => idsOf({ workflow_name: names[0] }, page),
      'first page by a label of 1 in 200': () => idsOf({ labels: GENERATED.label }, page),
      'first page by a label of 1 in 10 000': () => idsOf({ labels: GENERATED.rareLabel }, page),
      'first page by a label of none': () => idsOf({ labels: { team: 'none' } }, page),
      'first page by a status of none': () => idsOf({ status: 'archived' }, page),
    },
  }
  const plans: Record<string, string> = {}
  for (const [file, statements] of Object.entries(files)) {
    for (const [name, run] of Object.entries(statements)) {
      lines.push(`-- ${name}`)
      await run()
      lines.push('')
    }
    plans[file] = lines.splice(0).join('\n')
  }
  await pool.end()
  return plans
}

/** A database that tells the plan of each statement before it runs it. */
function explaining(pool: pg.Pool, tell: (plan: readonly string[]) => void): Db {
  const query = pool.query.bind(pool)
  const explained = async ({ text, ...config }: pg.QueryConfig, values = config.values) => {
    await query('begin')
    const { rows } = await query<{ 'QUERY PLAN': string }>(
      `explain (analyze, buffers, costs off, timing off, summary off) ${text}`,
      values,
    )
    await query('rollback')
    tell(rows.map((row) => cut(row['QUERY PLAN'])))
  }
  pool.query = (async (config: pg.QueryConfig, values?: unknown[]) => {
    await explained(config, values)
    return query(config, values)
  }) as typeof pool.query
  return drizzle(pool)
}

const cut = (line: string) => (line.length > LONGEST_LINE ? `${line.slice(0, LONGEST_LINE)}…` : line)
