import { setMaxListeners } from 'node:events'
import { commandOf } from './built.ts'
import { type CloseStack, closeStack } from './close-stack.ts'
import type { Config, Infrastructure } from './config.ts'
import { isMigrated, migrate } from './db/migrate.ts'
import type { Db } from './db/open.ts'
import { Fault } from './domain/fault.ts'
import { problemsAt } from './domain/problem.ts'
import { exposureOf } from './exposure.ts'
import { healthRoutes } from './http/health.ts'
import { openKeys } from './http/keys.ts'
import { serveMetrics } from './http/metrics-server.ts'
import { buildServer } from './http/server.ts'
import { tokensOf } from './http/tokens.ts'
import { ingressRoutes } from './ingress.ts'
import { CLIENT_ID, kafkaClient } from './kafka/client.ts'
import type { RunningConsumer } from './kafka/consumer.ts'
import type { Step } from './kafka/settle.ts'
import type { Logger } from './logger.ts'
import { openMetrics } from './metrics.ts'
import { poolsOf } from './pools.ts'
import { reachKafka } from './reached-kafka.ts'
import { readinessOf } from './readiness.ts'
import { readsOf } from './reads.ts'
import { requestLog } from './request-log.ts'
import { reaching, StartError } from './start-error.ts'
import { startup } from './startup.ts'
import { openTracing } from './tracing.ts'
import { unlessAborted } from './within.ts'
import { startWorker } from './worker.ts'

export type Role = 'ingress' | 'worker'

export interface RunningApp {
  /** Where HTTP listens. */
  url: string
  /** Where the metrics are. */
  metricsUrl: string
  /** What it still waits for, in sentences: until then not all of it works. */
  waitsFor: readonly string[]
  /** Finishes what is in hand and closes everything. */
  close(): Promise<void>
}

export interface StartOptions {
  config: Config
  infrastructure: Infrastructure
  roles: readonly Role[]
  log: Logger
  /** One line for each step of the start. */
  say: (line: string) => void
  /** Called when the process can no longer do its job and should end. */
  onCrash: (error: Error) => void
  /** Called after each step of the worker, for tests that end the process there. */
  onStep?: (step: Step) => void
  /** Aborted when the process is told to stop before it is up. */
  signal?: AbortSignal
}

/** How long a start tries to reach a server, before it goes on without it. */
const PATIENCE_MS = 5_000

/** How long what is in hand may take at the end, which is as long as PostgreSQL gives a statement. Then it is given up. */
const LAST_MS = 5_000

/**
 * Opens, connects and starts everything that `roles` ask for; what opened first closes last. A server that is away is
 * waited for, and readiness tells. One that refuses us ends the start with a `StartError`, and later the process.
 */
export async function start(options: StartOptions): Promise<RunningApp> {
  const { config, infrastructure, roles, log, say } = options
  const { host, port, metricsPort } = config.http
  const hasDoors = roles.includes('ingress')
  const hasWorker = roles.includes('worker')
  const opened = closeStack()
  const givenUp = new AbortController()
  setMaxListeners(0, givenUp.signal) // each that waits
  const { open, tried, over } = startup(options, opened)
  const close = async () => {
    const last = setTimeout(() => givenUp.abort(), LAST_MS)
    await opened.close().finally(() => clearTimeout(last))
  }
  try {
    // They read their files before anything is opened.
    const client = kafkaClient(infrastructure.kafka, CLIENT_ID, log)
    const asking = kafkaClient(infrastructure.kafka, CLIENT_ID, log, 'brief')
    const tracing = await openTracing({ endpoint: config.traceEndpoint, ratio: config.traceRatio, log })
    if (tracing) opened.add(() => tracing.close())
    const makeProblem = problemsAt(config.problemBaseUrl)
    const metrics = openMetrics()
    const metricsServer = await listening('METRICS_PORT', host, metricsPort, () =>
      serveMetrics({ host, port: metricsPort, text: metrics.text, contentType: metrics.contentType, log }),
    )
    opened.add(() => metricsServer.close())
    const pool = poolsOf(infrastructure.databaseUrl, log, givenUp.signal, metrics.pool)
    const readDb = pool(opened, 'reads', 4)
    const mustBeOpen = () => {
      if (!database.value) throw new Fault('outage', { code: 'SCHEMA_NOT_READY' })
    }
    const reads = readsOf(readDb, mustBeOpen)

    const prepareDatabase = async (signal: AbortSignal) => {
      await prepareSchema({ ...options, signal }, readDb)
      return reads
    }
    const database = open(
      'PostgreSQL',
      (_, signal) => unlessAborted(signal, prepareDatabase(signal)),
      PATIENCE_MS,
    )
    const connectKafka = async (opened: CloseStack) => {
      const reached = await reachKafka({ client, asking }, { ...options, givenUp: givenUp.signal }, opened)
      if (!hasDoors) return { reached }
      const publisher = await reached.publish(opened)
      return { reached, log: requestLog({ kafka: reached, publisher, topic: config.topics.requests, reads }) }
    }
    const kafka = open('Kafka', (opened, signal) => unlessAborted(signal, connectKafka(opened)), PATIENCE_MS)
    const keys = hasDoors && config.access ? openKeys(config.access.jwksUrl, log) : undefined
    if (keys) opened.add(keys.close)
    await tried(database, kafka)

    const shared = { config, pool, makeProblem, metrics, log, tracing, givenUp: givenUp.signal }
    let consumer: RunningConsumer | undefined
    const troubles = () => consumer?.troubles() ?? ['the worker has not joined its consumer group yet']
    const readiness = readinessOf({
      database,
      kafka,
      topics: config.topics,
      hasDoors,
      ...(keys && { keysTrouble: keys.trouble }),
      ...(hasWorker && { troubles }),
    })
    const server = await buildServer({
      routes: [
        healthRoutes({ ...readiness, makeProblem }),
        ...(hasDoors
          ? ingressRoutes({ ...shared, reads, mustBeOpen, log: () => kafka.value?.log }, opened)
          : []),
      ],
      ...{ makeProblem, log, tracing },
      onAnswered: metrics.answered,
      readToken: config.access && keys && tokensOf(config.access, keys.find),
      givenUp: givenUp.signal,
    })
    opened.add(() => server.close())
    const url = await listening('PORT', host, port, () => server.listen({ host, port }))
    say(`HTTP: listening on ${url}`)
    say(`Metrics: ${metricsServer.url}`)
    const exposure = hasDoors ? exposureOf(config) : undefined
    if (exposure) {
      log.warn(exposure)
      say(`Warning: ${exposure}`)
    }

    if (hasWorker) {
      metrics.worker(() => consumer?.state(), readiness.worker ?? (async () => []))
      const worker = open('The worker', async (opened, signal) => {
        const needed = Promise.all([kafka.opened, database.opened])
        const [{ reached }] = await unlessAborted(signal, needed)
        consumer = await startWorker({ ...options, ...shared, kafka: reached, signal }, opened)
        say('Worker: consuming')
      })
      if (kafka.value && database.value) await tried(worker)
      // First of all at the end: no request comes in while the worker finishes, beside those that are in hand.
      opened.add(() => void server.close().catch(() => {}))
    }
    over()
    const waitsFor = [database, kafka].flatMap(({ reason }) => reason ?? [])
    return { url, metricsUrl: metricsServer.url, waitsFor, close }
  } catch (error) {
    await close().catch(() => {}) // the failure to start is the one to report
    throw error
  }
}

/** Migrates where that is asked for, and sees to it that the schema is not behind this code. Throws a `StartError`. */
async function prepareSchema({ infrastructure, say, signal }: StartOptions, db: Db): Promise<void> {
  const { migrateDatabaseUrl, databaseUrl } = infrastructure
  if (migrateDatabaseUrl) {
    await reaching('MIGRATE_DATABASE_URL', () => migrate(migrateDatabaseUrl, databaseUrl, { signal }))
    say('PostgreSQL: the schema is up to date')
  }
  if (!(await reaching('DATABASE_URL', () => isMigrated(db))))
    throw new StartError(
      `The schema of the database is behind this code: run \`${commandOf('migrate')}\` as its owner first`,
    )
}

/** Says in one sentence why a server cannot listen; `variable` names its port. */
async function listening<T>(
  variable: 'PORT' | 'METRICS_PORT',
  host: string,
  port: number,
  listen: () => Promise<T>,
): Promise<T> {
  try {
    return await listen()
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException
    throw new StartError(
      code === 'EADDRINUSE'
        ? `Port ${port} on ${host} is in use: set ${variable} to another one`
        : NOT_OURS.includes(code)
          ? `Cannot listen on ${host} (${code}): set HOST to an address of this machine`
          : `Cannot listen on ${host}:${port} (${code}): HOST and ${variable} say where`,
      { cause: error },
    )
  }
}

const NOT_OURS = ['EADDRNOTAVAIL', 'EAFNOSUPPORT', 'EINVAL', 'ENOTFOUND', 'EAI_AGAIN']
