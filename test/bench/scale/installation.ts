import { median } from '../figure.ts'
import type { CatalogCost, Cost, ScaleResult } from './result.ts'

/** What is taken for granted of an installation, and is measured nowhere. */
export const ASSUMED = {
  /** Peak ÷ average. */
  peak: 5,
  utilisation: 0.5,
  /** How often a caller looks how a request ended. */
  polls: 2,
  statusDays: 30,
  topicDays: 7,
  replicas: 3,
  /** Of a table, what is dead until autovacuum comes: its default. */
  dead: 0.2,
  /** What may not stand still when one of them does. */
  leastProcesses: 2,
  leastPartitions: 12,
  /** How long the worker lets a fetch wait for more. */
  fetchMs: 100,
} as const

const SECONDS_A_DAY = 86_400

/** Indexes whose keys come in no order, so that all of their pages are in use. */
const RANDOM_INDEXES = {
  registration_request: ['pk_registration_request', 'uq_registration_request_idempotency_key'],
  workflow: ['uq_workflow_name_version', 'uq_workflow_created_by_request'],
} as const

/** The measured figures that the arithmetic takes, of one request where nothing else is said. */
export interface Inputs {
  drainPerSecond: number
  storing: CatalogCost['storing']
  ingressCoreMs: number
  ingressPollCoreMs: number
  postgresPollCoreMs: number
  kafkaCoreMs: number
  purging: Cost
  walBytes: { least: number; most: number }
  statusBytes: number
  workflowBytes: number
  /** In the indexes that come in no order. */
  randomIndexBytes: { status: number; workflow: number }
  randomIndexes: number
  logBytes: { requests: number; replies: number }
  workerRssBytes: number
  ingressRssBytes: number
}

export function inputsOf({ workers, accepting, catalogs, purging }: ScaleResult): Inputs {
  const [one] = workers
  const largest = catalogs.at(-1)
  if (!one || !largest) throw new Error('The results lack workers or catalogs')
  const table = (name: keyof typeof RANDOM_INDEXES) => {
    const { bytes, indexes } = largest.tables.find((candidate) => candidate.name === name)!
    const isRandom = (index: string) => RANDOM_INDEXES[name].some((random) => random === index)
    const sum = (some: typeof indexes) => some.reduce((total, index) => total + index.bytes, 0)
    return {
      bytes: (bytes + sum(indexes)) / largest.rows,
      random: sum(indexes.filter((index) => isRandom(index.name))) / largest.rows,
    }
  }
  const [status, workflow] = [table('registration_request'), table('workflow')]
  return {
    drainPerSecond: median(one.rowsPerSecond),
    storing: largest.storing,
    ingressCoreMs: accepting.coreMs.ingress,
    ingressPollCoreMs: accepting.poll.ingressCoreMs,
    postgresPollCoreMs: accepting.poll.postgresCoreMs,
    kafkaCoreMs: accepting.coreMs.kafka + one.coreMs.kafka,
    purging,
    walBytes: {
      least: one.walBytes,
      most: Math.max(...largest.storing.map(({ walBytes }) => walBytes)) + purging.walBytes,
    },
    statusBytes: status.bytes,
    workflowBytes: workflow.bytes,
    randomIndexBytes: { status: status.random, workflow: workflow.random },
    randomIndexes: Object.values(RANDOM_INDEXES).flat().length,
    logBytes: { requests: accepting.logBytes, replies: one.logBytes.replies },
    workerRssBytes: one.peakRssBytes,
    ingressRssBytes: accepting.peakRssBytes,
  }
}

/** What so many requests a day need. Rates are at the peak. */
export interface Installation {
  perDay: number
  average: number
  peak: number
  /** How many requests one statement stores. */
  chunk: number
  partitions: number
  workers: number
  ingresses: number
  postgresCores: number
  brokerCores: number
  walBytesADay: { least: number; most: number }
  statusBytes: number
  catalogBytesADay: number
  topicBytesABroker: number
  brokerBytesPerSecond: number
  walBytesPerSecond: { least: number; most: number }
  processBytes: number
  indexBytes: number
  pageReadsPerSecond: number
}

export function installationOf(inputs: Inputs, perDay: number): Installation {
  const average = perDay / SECONDS_A_DAY
  const peak = average * ASSUMED.peak
  const cores = (coreMs: number) => Math.ceil((peak * coreMs) / 1_000 / ASSUMED.utilisation)
  const { chunk, partitions, workers, postgresCoreMs } = consumersOf(inputs, peak)
  const wal = (times: number) => ({
    least: inputs.walBytes.least * times,
    most: inputs.walBytes.most * times,
  })
  const logBytes = inputs.logBytes.requests + inputs.logBytes.replies
  const statusRows = perDay * ASSUMED.statusDays
  const ingresses = Math.max(
    ASSUMED.leastProcesses,
    cores(inputs.ingressCoreMs + ASSUMED.polls * inputs.ingressPollCoreMs),
  )
  return {
    ...{ perDay, average, peak, chunk, partitions, workers, ingresses },
    postgresCores: cores(
      postgresCoreMs + ASSUMED.polls * inputs.postgresPollCoreMs + inputs.purging.postgresCoreMs,
    ),
    brokerCores: cores(inputs.kafkaCoreMs),
    walBytesADay: wal(perDay),
    statusBytes: statusRows * inputs.statusBytes * (1 + ASSUMED.dead),
    catalogBytesADay: perDay * inputs.workflowBytes,
    topicBytesABroker: perDay * ASSUMED.topicDays * logBytes,
    brokerBytesPerSecond: peak * logBytes,
    walBytesPerSecond: wal(peak),
    processBytes: workers * inputs.workerRssBytes + ingresses * inputs.ingressRssBytes,
    indexBytes: statusRows * (inputs.randomIndexBytes.status + inputs.randomIndexBytes.workflow),
    pageReadsPerSecond: peak * inputs.randomIndexes,
  }
}

/** More workers want more partitions, and so have less in each chunk: as many as both agree on. */
function consumersOf({ storing, drainPerSecond }: Inputs, peak: number) {
  for (let partitions: number = ASSUMED.leastPartitions; ; partitions += ASSUMED.leastPartitions) {
    const fetched = ((peak / partitions) * ASSUMED.fetchMs) / 1_000
    const far = ({ chunk }: { chunk: number }) => Math.abs(Math.log(chunk / fetched))
    const stored = storing.toSorted((a, b) => far(a) - far(b))[0]!
    const perSecond = Math.min(drainPerSecond, 1_000 / stored.ms)
    const workers = Math.max(ASSUMED.leastProcesses, Math.ceil(peak / (perSecond * ASSUMED.utilisation)))
    if (workers * 2 <= partitions)
      return { chunk: stored.chunk, partitions, workers, postgresCoreMs: stored.postgresCoreMs }
  }
}
