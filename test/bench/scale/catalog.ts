import { openDb } from '../../../src/db/open.ts'
import { registrations } from '../../../src/db/registrations.ts'
import type { Lab } from '../lab.ts'
import { measureReads } from './reads.ts'
import type { CatalogCost } from './result.ts'
import { sampleOf } from './sample.ts'
import { measureStoring } from './storing.ts'
import { medianMs } from './timing.ts'

const OUTCOMES = 500

/** What a catalog of so many rows costs: first what is there and how it reads, then what goes in. */
export async function measureCatalog(lab: Lab, rows: number): Promise<CatalogCost> {
  const began = performance.now()
  const ground = await lab.ground({ rows })
  lab.say(`${rows} rows: loaded in ${Math.round((performance.now() - began) / 1_000)} s`)
  const tables = await sizes(lab)
  const sample = await sampleOf(lab)
  const ingress = await lab.start('ingress', ground)
  const reads = await measureReads(ingress.url, sample)
  await ingress.stop()

  const options = { url: lab.postgres.serviceUrl, name: 'bench', maxConnections: 1, keepsPlans: true }
  const { db, close } = openDb(options, lab.log)
  const { read } = registrations(db)
  const ids = (turn: number) => sample.requestIds.slice((turn % 2) * OUTCOMES, ((turn % 2) + 1) * OUTCOMES)
  const readingOutcomesMs = await medianMs((turn) => read(ids(turn)))
  const storing = await measureStoring(lab, db)
  await close()
  lab.say(`${rows} rows: took ${Math.round((performance.now() - began) / 1_000)} s`)
  return { rows, tables, storing, readingOutcomesMs, reads }
}

async function sizes(lab: Lab): Promise<CatalogCost['tables']> {
  const indexes = await lab.query<{ table: string; name: string; bytes: number }>(`
    select indrelid::regclass::text as table, indexrelid::regclass::text as name,
      pg_relation_size(indexrelid)::float8 as bytes
    from pg_index where indrelid in ('workflow'::regclass, 'registration_request'::regclass)
    order by indexrelid`)
  const tables = await lab.query<{ name: string; bytes: number }>(`
    select name, pg_table_size(name::regclass)::float8 as bytes
    from unnest(array['workflow', 'registration_request']) as name`)
  return tables.map((table) => ({
    ...table,
    indexes: indexes
      .filter((index) => index.table === table.name)
      .map(({ name, bytes }) => ({ name, bytes })),
  }))
}
