import { median } from '../figure.ts'
import { ASSUMED, type Inputs, type Installation, inputsOf, installationOf } from './installation.ts'
import type { CatalogCost, DrainedBy, ScaleResult } from './result.ts'
import { amount, bytes, grouped, ms, rowsShort } from './units.ts'

const PER_DAY = [2_000_000, 200_000_000]

/** The section about scale, in Markdown. */
export function pageOf(result: ScaleResult): string {
  const inputs = inputsOf(result)
  const installations = PER_DAY.map((perDay) => installationOf(inputs, perDay))
  const { commit, machine, node, postgresql, kafka, date } = result.taken
  return `## Scale

Taken on ${date} at commit \`${commit}\` with \`npm run bench:scale\`, which writes this section: ${machine}; Node ${node};
PostgreSQL ${postgresql}; Kafka ${kafka}. Times are medians.

![Rows a second with 1, 2 and 3 workers, the cores they keep busy, and what a catalog costs as it grows](results/scale.svg)

### More workers

${grouped(result.workers[0]!.records)} records of 1 KB on 12 partitions, drained by 1, 2 and 3 worker processes in turn, ${result.workers[0]!.rowsPerSecond.length} rounds. The records
lie in a Kafka transaction that is committed when the group is balanced: from that moment all of them are there.

${workersTable(result)}

${onTheseCores(result)}

### A larger catalog

About ten versions of a name, a thousand of one; random request ids, an idempotency key each. One caller, one call after
another; reads go over HTTP through an ingress process, \`storing\` is \`register\` from memory on one connection. The
plans at ${rowsShort(result.catalogs.at(-1)!.rows)} rows: [storing](results/explain-storing.txt), [catalog](results/explain-catalog.txt), [status](results/explain-status.txt).

${catalogTable(result.catalogs)}

What is there, in tables and indexes:

${sizesTable(result.catalogs)}

### What an installation needs

Three brokers, and two million requests a day or a hundred times that. **Measured** are the figures of the first table, on
one machine and with one broker; **arithmetic** is all of the second. Taken for granted: a peak of ${ASSUMED.peak} × the average,
${ASSUMED.utilisation * 100} % utilisation at most at that peak, requests of 1 KB that each make a workflow, each looked at ${ASSUMED.polls} times, status rows
kept ${ASSUMED.statusDays} days, topics ${ASSUMED.topicDays} days on ${ASSUMED.replicas} replicas, two of each process at least. A broker is said to need for its replicas what the
one broker here needed for all. PostgreSQL writes a page whole when it changes for the first time after a checkpoint: the
lower figure of its WAL is for pages that change often, the higher one for pages that do not. No figure here shows a
replica, a network between machines, or tables beyond ${rowsShort(result.catalogs.at(-1)!.rows)} rows.

${inputsTable(inputs)}

${installationTable(inputs, installations)}`
}

type Cells = readonly (string | number)[]

/** The first columns hold words, one unless there are more. */
function table(head: Cells, rows: readonly Cells[], words = 1): string {
  const line = (cells: Cells) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map((_, n) => (n < words ? '---' : '---:'))), ...rows.map(line)].join('\n')
}

export const coresBusy = (drained: DrainedBy, of: keyof DrainedBy['coreMs']) =>
  (median(drained.rowsPerSecond) * drained.coreMs[of]) / 1_000

function workersTable({ workers }: ScaleResult): string {
  const one = median(workers[0]!.rowsPerSecond)
  return table(
    [
      'workers',
      'rows/s',
      'min to max',
      '÷ one',
      'cores busy: workers',
      'PostgreSQL',
      'Kafka',
      'core-ms a row',
    ],
    workers.map((drained) => {
      const { rowsPerSecond, coreMs } = drained
      return [
        drained.workers,
        grouped(median(rowsPerSecond)),
        `${grouped(Math.min(...rowsPerSecond))} to ${grouped(Math.max(...rowsPerSecond))}`,
        amount(median(rowsPerSecond) / one),
        amount(coresBusy(drained, 'workers')),
        amount(coresBusy(drained, 'postgres')),
        amount(coresBusy(drained, 'kafka')),
        (coreMs.workers + coreMs.postgres + coreMs.kafka).toFixed(3),
      ]
    }),
  )
}

function onTheseCores({ cores, workers }: ScaleResult): string {
  const [one] = workers
  const { coreMs } = one!
  const busy = coresBusy(one!, 'workers') + coresBusy(one!, 'postgres') + coresBusy(one!, 'kafka')
  return `The machine has ${cores} cores, and PostgreSQL, Kafka and the bench run on them too: one worker and its servers keep
${amount(busy)} of them busy, and what is left is all that more workers can gain here. What the table does show is whether they are in each
other's way: then rows/s would fall, or the core time of a row rise. A row takes ${coreMs.workers.toFixed(3)} ms of a core in the worker, ${coreMs.postgres.toFixed(3)} ms
in PostgreSQL and ${coreMs.kafka.toFixed(3)} ms in Kafka: with a core to itself a worker could do ${grouped(1_000 / coreMs.workers)} a second, and each
core of PostgreSQL ${grouped(1_000 / coreMs.postgres)}.`
}

function catalogTable(catalogs: readonly CatalogCost[]): string {
  const [first] = catalogs
  const rows: { name: string; of: (catalog: CatalogCost) => number }[] = [
    ...first!.storing.map(({ chunk }, n) => ({
      name: chunk === 1 ? 'storing one request' : `storing ${chunk}, of each`,
      of: (catalog: CatalogCost) => catalog.storing[n]!.ms,
    })),
    { name: 'reading 500 outcomes, by `register`', of: (catalog) => catalog.readingOutcomesMs },
    ...first!.reads.map(({ name }, n) => ({ name, of: (catalog: CatalogCost) => catalog.reads[n]!.ms })),
  ]
  return table(
    ['', ...catalogs.map((catalog) => `${rowsShort(catalog.rows)} rows`), 'last ÷ first'],
    rows.map(({ name, of }) => [
      name,
      ...catalogs.map((catalog) => ms(of(catalog))),
      amount(of(catalogs.at(-1)!) / of(first!)),
    ]),
  )
}

function sizesTable(catalogs: readonly CatalogCost[]): string {
  const rows = catalogs[0]!.tables.flatMap((first, t) => [
    { name: `\`${first.name}\``, of: (catalog: CatalogCost) => catalog.tables[t]!.bytes },
    ...first.indexes.map(({ name }, n) => ({
      name: `– \`${name}\``,
      of: (catalog: CatalogCost) => catalog.tables[t]!.indexes[n]!.bytes,
    })),
  ])
  const last = catalogs.at(-1)!
  return table(
    ['', ...catalogs.map((catalog) => `${rowsShort(catalog.rows)} rows`), 'a row'],
    rows.map(({ name, of }) => [
      name,
      ...catalogs.map((catalog) => bytes(of(catalog))),
      bytes(of(last) / last.rows),
    ]),
  )
}

function inputsTable(inputs: Inputs): string {
  const chunks = (of: (cost: Inputs['storing'][number]) => string) => inputs.storing.map(of).join(' / ')
  const sizes = inputs.storing.map(({ chunk }) => chunk).join(' / ')
  const coreMs = (value: number) => `${value.toFixed(3)} ms`
  return table(
    ['measured here', '', 'value'],
    [
      ['D', 'rows/s of one worker', grouped(inputs.drainPerSecond)],
      ['T', `time to store a request, ${sizes} at once`, chunks((cost) => ms(cost.ms))],
      ['P', `core time of PostgreSQL for that`, chunks((cost) => coreMs(cost.postgresCoreMs))],
      [
        'p',
        'core time of PostgreSQL to purge and vacuum a status row',
        coreMs(inputs.purging.postgresCoreMs),
      ],
      ['q', 'core time of PostgreSQL for a look at a status', coreMs(inputs.postgresPollCoreMs)],
      ['I', 'core time of the ingress to accept a request', coreMs(inputs.ingressCoreMs)],
      ['i', 'core time of the ingress for a look at a status', coreMs(inputs.ingressPollCoreMs)],
      ['K', 'core time of Kafka for a request and its reply', coreMs(inputs.kafkaCoreMs)],
      [
        'W',
        'WAL of a request, its purge in the higher figure',
        `${bytes(inputs.walBytes.least)} to ${bytes(inputs.walBytes.most)}`,
      ],
      ['S', 'status row with its indexes', bytes(inputs.statusBytes)],
      ['C', 'workflow with its indexes', bytes(inputs.workflowBytes)],
      [
        'X',
        `of S and C, the ${inputs.randomIndexes} indexes whose keys come in no order`,
        bytes(inputs.randomIndexBytes.status + inputs.randomIndexBytes.workflow),
      ],
      [
        'L',
        'request and reply in their topics',
        `${bytes(inputs.logBytes.requests)} + ${bytes(inputs.logBytes.replies)}`,
      ],
      [
        'M',
        'most memory of a worker / an ingress',
        `${bytes(inputs.workerRssBytes)} / ${bytes(inputs.ingressRssBytes)}`,
      ],
    ],
    2,
  )
}

function installationTable(inputs: Inputs, installations: readonly Installation[]): string {
  const { peak, utilisation, polls, statusDays, topicDays, dead, fetchMs, leastProcesses } = ASSUMED
  const range = ({ least, most }: { least: number; most: number }, unit = '') =>
    `${bytes(least)}${unit} to ${bytes(most)}${unit}`
  const rows: [string, string, (installation: Installation) => string | number][] = [
    ['average (a)', 'requests a day ÷ 86 400 s', ({ average }) => `${amount(average)}/s`],
    ['peak (b)', `${peak} × a`, (of) => `${amount(of.peak)}/s`],
    [
      'stored at once (n)',
      `the nearest that was measured to b ÷ partitions × ${fetchMs / 1_000} s, a fetch`,
      ({ chunk }) => chunk,
    ],
    ['partitions', '12, or 24, …: two for each worker at least', ({ partitions }) => partitions],
    [
      'workers',
      `b ÷ (${utilisation} × the lesser of D and 1 ÷ T of n), ${leastProcesses} at least`,
      ({ workers }) => workers,
    ],
    [
      'ingress processes',
      `b × (I + ${polls} × i) ÷ ${utilisation}, ${leastProcesses} at least`,
      ({ ingresses }) => ingresses,
    ],
    [
      'cores of PostgreSQL',
      `b × (P of n + ${polls} × q + p) ÷ ${utilisation}`,
      ({ postgresCores }) => postgresCores,
    ],
    ['cores of each broker', `b × K ÷ ${utilisation}`, ({ brokerCores }) => brokerCores],
    ['WAL a day', 'requests a day × W', ({ walBytesADay }) => range(walBytesADay)],
    ['WAL at the peak', 'b × W', ({ walBytesPerSecond }) => range(walBytesPerSecond, '/s')],
    [
      'status rows on disk',
      `requests a day × ${statusDays} × S × ${1 + dead}, until autovacuum comes`,
      ({ statusBytes }) => bytes(statusBytes),
    ],
    [
      'the catalog grows',
      'requests a day × C, and stays',
      ({ catalogBytesADay }) => `${bytes(catalogBytesADay)} a day`,
    ],
    [
      'topics on each broker',
      `requests a day × ${topicDays} × L, as each has a replica of all`,
      ({ topicBytesABroker }) => bytes(topicBytesABroker),
    ],
    [
      'network of each broker at the peak',
      'b × L in, as much out (two replicas and one reader, shared by three)',
      ({ brokerBytesPerSecond }) => `${bytes(brokerBytesPerSecond)}/s each way`,
    ],
    ['memory of the processes', 'workers and ingress × M', ({ processBytes }) => bytes(processBytes)],
    [
      'memory of PostgreSQL for indexes',
      `requests of ${statusDays} days × X; more with each day of the catalog`,
      ({ indexBytes }) => bytes(indexBytes),
    ],
    [
      'or instead, at the peak',
      `b × ${inputs.randomIndexes} pages read at random`,
      ({ pageReadsPerSecond }) => `${amount(pageReadsPerSecond)}/s`,
    ],
  ]
  return table(
    ['arithmetic', 'formula', ...installations.map(({ perDay }) => `${rowsShort(perDay)} a day`)],
    rows.map(([what, formula, of]) => [what, formula, ...installations.map(of)]),
    2,
  )
}
