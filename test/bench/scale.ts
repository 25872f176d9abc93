/* How far does it go: with more workers, with a larger catalog, in a larger installation? `--help` says how. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { openDb } from '../../src/db/open.ts'
import { withBuild } from './built.ts'
import { type Lab, openLab } from './lab.ts'
import { machine } from './report.ts'
import { measureAccepting } from './scale/accepting.ts'
import { measureCatalog } from './scale/catalog.ts'
import { pageOf } from './scale/page.ts'
import { explain, type Plans } from './scale/plans.ts'
import { plotOf } from './scale/plot.ts'
import type { CatalogCost, ScaleResult } from './scale/result.ts'
import { measurePurging } from './scale/storing.ts'
import { measureWorkers } from './scale/workers.ts'
import { writeSection } from './section.ts'

const ROWS = [10_000, 100_000, 1_000_000]
const ROWS_QUICK = [4_000, 8_000, 20_000]

const PAGE = path.join(import.meta.dirname, 'README.md')
const RESULTS = path.join(import.meta.dirname, 'results')
const RESULT = path.join(RESULTS, 'scale.json')
const PLOT = path.join(RESULTS, 'scale.svg')

const HELP = `Usage: npm run bench:scale [-- --quick | --render]

Measures 1, 2 and 3 worker processes on 12 partitions, and catalogs of 10 k to 1 M workflows, on a PostgreSQL and a Kafka
of its own. Writes the figures, the plans of the statements and a plot to test/bench/results/, and with what they come to
in an installation the section "Scale" of test/bench/README.md.

  --quick     a little of everything, to see that it runs: prints the section, and writes nothing
  --render    writes plot and section again from the figures that are there
`

const options = readOptions()
const say = (line: string) => void process.stderr.write(`${line}\n`)

if (options.render) render(JSON.parse(readFileSync(RESULT, 'utf8')))
else {
  const { result, plans } = await measure()
  if (options.quick) {
    process.stdout.write(`${pageOf(result)}\n`)
    plotOf(result)
  } else {
    mkdirSync(RESULTS, { recursive: true })
    writeFileSync(RESULT, `${JSON.stringify(result, null, 2)}\n`)
    for (const [name, plan] of Object.entries(plans)) writeFileSync(path.join(RESULTS, `${name}.txt`), plan)
    render(result)
  }
}

function measure(): Promise<{ result: ScaleResult; plans: Plans }> {
  return withBuild(async (build) => {
    const lab = await openLab({ build, quick: options.quick, say })
    try {
      return await measureIn(lab)
    } finally {
      await lab.close()
    }
  })
}

async function measureIn(lab: Lab): Promise<{ result: ScaleResult; plans: Plans }> {
  const workers = await measureWorkers(lab)
  const accepting = await measureAccepting(lab)
  const catalogs: CatalogCost[] = []
  for (const rows of options.quick ? ROWS_QUICK : ROWS) catalogs.push(await measureCatalog(lab, rows))
  const plans = await explain(lab)
  const { db, close } = openDb({ url: lab.postgres.serviceUrl, name: 'bench', maxConnections: 1 }, lab.log)
  const purging = await measurePurging(lab, db)
  await close()
  const taken = { ...machine(), date: new Date().toISOString().slice(0, 10) }
  return { result: { taken, cores: availableParallelism(), workers, accepting, catalogs, purging }, plans }
}

function render(result: ScaleResult): void {
  writeFileSync(PLOT, plotOf(result))
  writeSection(PAGE, 'scale', pageOf(result))
}

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        quick: { type: 'boolean', default: false },
        render: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
    if (values.quick && values.render) throw new Error('--quick or --render, not both')
    if (values.help) {
      process.stdout.write(HELP)
      process.exit(0)
    }
    return values
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n\n${HELP}`)
    process.exit(2)
  }
}
