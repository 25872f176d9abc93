/** What a run measured: all that table, plot and arithmetic are made from. */
export interface ScaleResult {
  /** Commit, machine and settings. */
  taken: Readonly<Record<string, string>>
  /** Of the machine. */
  cores: number
  workers: readonly DrainedBy[]
  accepting: Accepting
  catalogs: readonly CatalogCost[]
  purging: Cost
}

/** So many workers on one topic. */
export interface DrainedBy {
  workers: number
  records: number
  /** One for each round. */
  rowsPerSecond: readonly number[]
  /** Of a core, for each request. */
  coreMs: { workers: number; postgres: number; kafka: number }
  /** The most that a worker had. */
  peakRssBytes: number
  /** For each request. */
  walBytes: number
  /** On the disk of one broker, for each request. */
  logBytes: { requests: number; replies: number }
}

/** An ingress process at its two busiest doors. */
export interface Accepting {
  perSecond: number
  /** Of a core, for each request that is accepted. */
  coreMs: { ingress: number; kafka: number }
  peakRssBytes: number
  logBytes: number
  /** Of a core, for each look at how a request ended. */
  poll: { ingressCoreMs: number; postgresCoreMs: number }
}

/** What a catalog of this size costs. */
export interface CatalogCost {
  rows: number
  tables: readonly { name: string; bytes: number; indexes: readonly { name: string; bytes: number }[] }[]
  /** By how many requests one statement takes. */
  storing: readonly (Cost & { chunk: number })[]
  /** Reading how 500 requests ended. */
  readingOutcomesMs: number
  /** Over HTTP, by what is read. */
  reads: readonly { name: string; ms: number }[]
}

/** Of one row. */
export interface Cost {
  ms: number
  postgresCoreMs: number
  walBytes: number
}
