import type { FastifyPluginAsync } from 'fastify'
import { type CloseStack, closeStack } from './close-stack.ts'
import type { Config, Infrastructure } from './config.ts'
import { isMigrated, migrate } from './db/migrate.ts'
import type { Db } from './db/open.ts'
import { problemsAt } from './domain/problem.ts'
import { exposureOf } from './exposure.ts'
import { healthRoutes } from './http/health.ts'
import { serveMetrics } from './http/metrics-server.ts'
import { buildServer } from './http/server.ts'
import { tokensOf } from './http/tokens.ts'
import { ingressRoutes } from './ingress.ts'
import { CLIENT_ID, kafkaClient } from './kafka/client.ts'
import type { RunningConsumer } from './kafka/consumer.ts'
import type { Step } from './kafka/settle.ts'
import type { Logger } from './logger.ts'
import { openMetrics } from './metrics.ts'
import { type Opening, opening } from './opening.ts'
import { poolsOf } from './pools.ts'
import { reachKafka } from './reached-kafka.ts'
import { readinessOf } from './readiness.ts'
import { readsOf } from './reads.ts'
import { reaching, StartError } from './start-error.ts'
import { openTracing } from './tracing.ts'
import { startWorker } from './worker.ts'

export type Role = 'ingress' | 'worker'

export interface RunningApp {
  /** Where HTTP listens. */
  url: string
  /** Where the metrics are. */
  metricsUrl: string
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

/**
 * Opens, connects and starts everything that `roles` ask for; what opened first closes last. A server that is away is
 * waited for, and readiness tells. One that refuses us ends the start with a `StartError`, and later the process.
 */
export async function start(options: StartOptions): Promise<RunningApp> {
  const { config, infrastructure, roles, log, say } = options
  const hasDoors = roles.includes('ingress')
  const hasWorker = roles.includes('worker')
  const opened = closeStack()
  const open = openerOf(options, opened)
  try {
    const client = kafkaClient(infrastructure.kafka, CLIENT_ID, log) // reads its files before anything is opened
    const tracing = await openTracing({ endpoint: config.traceEndpoint, log })
    if (tracing) opened.add(() => tracing.close())
    const makeProblem = problemsAt(config.problemBaseUrl)
    const metrics = openMetrics()
    const { host, metricsPort } = config.http
    const metricsServer = await listening('METRICS_PORT', host, metricsPort, () =>
      serveMetrics({ host, port: metricsPort, text: metrics.text, contentType: metrics.contentType, log }),
    )
    opened.add(() => metricsServer.close())
    const pool = poolsOf(infrastructure.databaseUrl, log, metrics.pool)
    const readDb = pool(opened, 'reads', 4)
    const reads = readsOf(readDb)

    const database = open('PostgreSQL', PATIENCE_MS, async () => {
      await prepareSchema(options, readDb)
      return reads
    })
    const kafka = open('Kafka', PATIENCE_MS, (opened) => reachKafka(client, options, opened))
    await Promise.all([database.tried, kafka.tried])

    const shared = { config, pool, makeProblem, metrics, log, tracing }
    const routes: FastifyPluginAsync[] = []
    if (hasDoors) {
      const publishing = open('the asynchronous door', undefined, async (opened) => {
        const reached = await kafka.opened
        return { kafka: reached, publisher: await reached.publish(opened) }
      })
      if (kafka.value) await publishing.tried
      routes.push(...ingressRoutes({ ...shared, reads, publishing: publishing.opened }, opened))
    }
    let consumer: RunningConsumer | undefined
    const troubles = () => consumer?.troubles() ?? ['the worker has not joined its consumer group yet']
    const readiness = readinessOf({
      database,
      kafka,
      topics: config.topics,
      hasDoors,
      ...(hasWorker && { troubles }),
    })
    routes.push(healthRoutes({ ...readiness, makeProblem }))
    const server = await buildServer({
      ...{ routes, makeProblem, log, tracing },
      onAnswered: metrics.answered,
      readToken: config.access && tokensOf(config.access),
    })
    opened.add(() => server.close())
    const url = await listening('PORT', host, config.http.port, () => server.listen(config.http))
    say(`HTTP: listening on ${url}`)
    say(`Metrics: ${metricsServer.url}`)
    const exposure = hasDoors ? exposureOf(config) : undefined
    if (exposure) {
      log.warn(exposure)
      say(`Warning: ${exposure}`)
    }

    if (hasWorker) {
      metrics.worker(() => consumer?.state())
      const worker = open('the worker', undefined, async (opened) => {
        const [reached] = await Promise.all([kafka.opened, database.opened])
        consumer = await startWorker({ ...options, ...shared, kafka: reached }, opened)
        say('Worker: consuming')
      })
      if (kafka.value && database.value) await worker.tried
      opened.add(() => server.close()) // first of all at the end: no request comes in while the worker finishes
    }
    return { url, metricsUrl: metricsServer.url, close: opened.close }
  } catch (error) {
    await opened.close().catch(() => {}) // the failure to start is the one to report
    throw error
  }
}

/** Opens what may be away, tells of it, and has it closed with `opened`. */
function openerOf({ log, say, onCrash }: StartOptions, opened: CloseStack) {
  return function open<T>(
    name: string,
    patienceMs: number | undefined,
    step: (opened: CloseStack) => Promise<T>,
  ): Opening<T> {
    const one = opening({
      name,
      ...(patienceMs !== undefined && { patienceMs }),
      open: step,
      onWait({ reason }) {
        log.warn({ reason }, 'the start waits')
        say(`Waiting: ${reason}`)
      },
      onOpen() {
        log.info({ server: name }, 'the start goes on')
        say(`${name} answers`)
      },
      onRefused: (error) => onCrash(error as Error),
    })
    opened.add(() => one.close())
    return one
  }
}

/** Migrates where that is asked for, and sees to it that the schema is not behind this code. Throws a `StartError`. */
async function prepareSchema({ infrastructure, say }: StartOptions, db: Db): Promise<void> {
  const { migrateDatabaseUrl, databaseUrl } = infrastructure
  if (migrateDatabaseUrl) {
    await reaching('MIGRATE_DATABASE_URL', () => migrate(migrateDatabaseUrl, databaseUrl))
    say('PostgreSQL: the schema is up to date')
  }
  if (!(await reaching('DATABASE_URL', () => isMigrated(db))))
    throw new StartError(
      'The schema of the database is behind this code: run `npm run migrate` as its owner first',
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
    const { code } = error as NodeJS.ErrnoException
    throw new StartError(
      code === 'EADDRINUSE'
        ? `Port ${port} on ${host} is in use: set ${variable} to another one`
        : `Cannot listen on ${host}:${port} (${code}): HOST and ${variable} say where`,
      { cause: error },
    )
  }
}
