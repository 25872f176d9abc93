import type { FastifyPluginAsync } from 'fastify'
import type { Admin } from 'kafkajs'
import { type CloseStack, closeStack } from './close-stack.ts'
import type { Config, Infrastructure } from './config.ts'
import { catalog } from './db/catalog.ts'
import { throwingFaults } from './db/faults.ts'
import { isMigrated, migrate } from './db/migrate.ts'
import { type Db, openDb } from './db/open.ts'
import { progressOf } from './db/progress.ts'
import { purgeOf } from './db/purge.ts'
import { registrations } from './db/registrations.ts'
import { dbFailure } from './db/sqlstate.ts'
import { logTag } from './domain/accepted-at.ts'
import { type MakeProblem, problemsAt } from './domain/problem.ts'
import type { Registered, ValidRequest } from './domain/request.ts'
import { gather } from './gather.ts'
import { type Check, healthRoutes } from './http/health.ts'
import { buildServer } from './http/server.ts'
import { workflowRequestRoutes } from './http/workflow-requests.ts'
import { workflowRoutes } from './http/workflows.ts'
import { kafkaClient } from './kafka/client.ts'
import { startConsumer } from './kafka/consumer.ts'
import { toLogEnd } from './kafka/list-offsets.ts'
import { requestMessage } from './kafka/messages.ts'
import { openPublisher, type Publisher } from './kafka/publish.ts'
import { type Step, settleWith } from './kafka/settle.ts'
import { ensureTopics, readCommitted, readOffsets, retentionOf } from './kafka/topics.ts'
import type { Logger } from './logger.ts'
import { registerWith } from './register.ts'
import { retentionComplaint, startRetention } from './retention.ts'
import { readStatusWith } from './status.ts'
import { within } from './within.ts'

export type Role = 'ingress' | 'worker'

export interface RunningApp {
  /** Where HTTP listens. */
  url: string
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

/** Cannot start: one sentence that says why. */
export class StartError extends Error {
  override readonly name = 'StartError'
}

/** Opens, connects and starts everything that `roles` ask for; what opened first closes last. */
export async function start(options: StartOptions): Promise<RunningApp> {
  const { config, infrastructure, roles, log, say } = options
  const opened = closeStack()
  const makeProblem = problemsAt(config.problemBaseUrl)
  const { topics } = config
  const pool = (name: string, maxConnections: number) => {
    const open = openDb({ url: infrastructure.databaseUrl, name, maxConnections }, log)
    opened.add(() => open.close())
    return open.db
  }
  try {
    if (infrastructure.migrateDatabaseUrl) {
      const { migrateDatabaseUrl, databaseUrl } = infrastructure
      await reaching(POSTGRESQL, () => migrate(migrateDatabaseUrl, databaseUrl))
      say('PostgreSQL: the schema is up to date')
    }
    const readDb = pool('reads', 4)
    if (!(await reaching(POSTGRESQL, () => isMigrated(readDb))))
      throw new StartError(
        'The schema of the database is behind this code: run `npm run migrate` as its owner first',
      )
    const reads = readsOf(readDb)

    const kafka = kafkaClient(infrastructure.kafkaBrokers, CLIENT_ID, log)
    const admin = kafka.admin()
    opened.add(() => admin.disconnect())
    await reaching(KAFKA, () => admin.connect())
    const { clusterId } = await reaching(KAFKA, () => admin.describeCluster())
    const made = await reaching(KAFKA, () => ensureTopics(admin, topics))
    say(made.length > 0 ? `Kafka: made the topics ${made.join(', ')}` : 'Kafka: the topics are there')
    const publisher = await openPublisher(kafka, { timeoutMs: config.kafkaSendTimeoutMs })
    opened.add(() => publisher.close())

    const shared: Shared = { config, clusterId, admin, publisher, makeProblem, log, pool }
    const checks: Check[] = [
      () => reason('PostgreSQL does not answer', () => reads.progress.read(clusterId, topics.requests)),
      () => reason('Kafka does not answer', () => admin.fetchTopicMetadata({ topics: [topics.requests] })),
    ]
    let troubles = () => ['the worker has not joined its consumer group yet']
    if (roles.includes('worker')) checks.push(async () => troubles())
    const routes: FastifyPluginAsync[] = [healthRoutes({ checks, makeProblem })]

    if (roles.includes('ingress')) routes.push(...ingressRoutes(shared, reads))

    const server = await buildServer({ routes, makeProblem, log })
    opened.add(() => server.close())
    const url = await listen(server, config.http)
    say(`HTTP: listening on ${url}`)

    if (roles.includes('worker')) {
      const consumer = await startWorker(shared, options, opened)
      troubles = consumer.troubles
      opened.add(() => server.close()) // first of all at the end: no request comes in while the worker finishes
      say('Worker: consuming')
    }
    return { url, close: opened.close }
  } catch (error) {
    await opened.close().catch(() => {}) // the failure to start is the one to report
    throw error
  }
}

/** What the two roles share. */
interface Shared {
  config: Config
  clusterId: string
  admin: Admin
  publisher: Publisher
  makeProblem: MakeProblem
  log: Logger
  /** A pool of connections of its own for each use. */
  pool: (name: string, maxConnections: number) => Db
}

type Reads = ReturnType<typeof readsOf>

/** Reads that no outcome depends on. */
function readsOf(db: Db) {
  return {
    ...throwingFaults(catalog(db)),
    status: throwingFaults(registrations(db)),
    progress: throwingFaults(progressOf(db)),
  }
}

/** The two HTTP doors, each with what it needs and nothing of the other. */
function ingressRoutes(shared: Shared, reads: Reads): FastifyPluginAsync[] {
  const { config, clusterId, admin, publisher, makeProblem, pool } = shared
  const topic = config.topics.requests
  const register = registerWith({ ...registrations(pool('writes', 4)), failureOf: dbFailure })
  const registerTogether = gather<{ request: ValidRequest; bytes: number }, Registered>({
    run: (calls) => register(calls.map(({ request }) => request)),
    sizeOf: ({ bytes }) => bytes,
    maxItems: 500,
    maxSize: 4 * 1024 * 1024,
    maxInFlight: 2,
  })
  const readLogTogether = gather({
    run: async (callers: null[]) => {
      const log = await within(
        CHECK_TIMEOUT_MS,
        toLogEnd(() => readOffsets(admin, topic)),
      )
      return callers.map(() => log)
    },
    ...{ sizeOf: () => 0, maxItems: Number.POSITIVE_INFINITY, maxSize: 0, maxInFlight: 1 },
  })
  return [
    workflowRoutes({
      register: (request, bytes) => registerTogether({ request, bytes }),
      workflowById: reads.byId,
      makeProblem,
    }),
    workflowRequestRoutes({
      publish: ({ workflow, ...request }, body) =>
        publisher.send(topic, requestMessage({ ...request, workflowName: workflow.workflow_name, body })),
      readStatus: readStatusWith({
        read: reads.status.read,
        readProgress: reads.progress.read,
        readPartition: reads.progress.readOne,
        readLogs: reads.progress.readLogs,
        readLog: () => readLogTogether(null),
        clusterId,
        topic,
      }),
      logTag: logTag(clusterId, topic),
      makeProblem,
    }),
  ]
}

/** The consumer and the purge. What is opened closes with `opened`. */
async function startWorker(
  { config, clusterId, admin, publisher, makeProblem, log, pool }: Shared,
  { infrastructure, onCrash, onStep = () => {}, signal }: StartOptions,
  opened: CloseStack,
) {
  const { topics, consumerGroup: group, requestRetentionDays: days } = config
  const topic = topics.requests
  await refuseShortRetention(days, await retentionOf(admin, topic), log)
  const db = pool('worker', 4)
  const progress = throwingFaults(progressOf(db))
  const settle = settleWith({
    register: registerWith({ ...registrations(db), failureOf: dbFailure }),
    moveProgress: progress.move,
    ...{ publisher, topics, makeProblem, log, onStep },
  })
  const consumer = await startConsumer({
    kafka: kafkaClient(infrastructure.kafkaBrokers, CLIENT_ID, log, 'endless'),
    readOffsets: () => within(ADMIN_TIMEOUT_MS, readOffsets(admin, topic)),
    readCommitted: () => within(ADMIN_TIMEOUT_MS, readCommitted(admin, group, topic)),
    ...{ clusterId, topic, group, settle, progress, log, onStep, onCrash, signal },
  })
  opened.add(() => consumer.close())
  opened.add(startRetention({ ...purgeOf(db), days, log }))
  return consumer
}

async function refuseShortRetention(days: number, topicMs: number | undefined, log: Logger) {
  if (topicMs === undefined)
    return log.warn(
      'the brokers do not say how long they keep requests: status rows may be purged before them',
    )
  const complaint = retentionComplaint(days, topicMs)
  if (complaint) throw new StartError(`Cannot start: ${complaint}`)
}

const CLIENT_ID = 'workflow-registrar'
const POSTGRESQL = 'PostgreSQL (DATABASE_URL, MIGRATE_DATABASE_URL)'
const KAFKA = 'Kafka (KAFKA_BROKERS)'

/** Says in one sentence what a start could not reach, without the address: it may hold a password. */
async function reaching<T>(what: string, step: () => Promise<T>): Promise<T> {
  try {
    return await step()
  } catch (error) {
    const code = dbFailure(error)?.code ?? (error instanceof Error ? error.name : 'unknown')
    throw new StartError(`Cannot start: ${what} does not answer as it should (${code})`, { cause: error })
  }
}

async function listen(
  server: Awaited<ReturnType<typeof buildServer>>,
  http: Config['http'],
): Promise<string> {
  try {
    return await server.listen(http)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new StartError(
      code === 'EADDRINUSE'
        ? `Port ${http.port} on ${http.host} is in use: set PORT to another one`
        : `Cannot listen on ${http.host}:${http.port} (${code}): HOST and PORT say where`,
      { cause: error },
    )
  }
}

async function reason(words: string, step: () => Promise<unknown>): Promise<string[]> {
  return within(CHECK_TIMEOUT_MS, step()).then(
    () => [],
    () => [words],
  )
}

/** What has not answered by then counts as away, for readiness and for the status of a request. */
const CHECK_TIMEOUT_MS = 1_500

/** How long the worker waits for Kafka to tell of offsets, before it asks again. */
const ADMIN_TIMEOUT_MS = 15_000
