import type { FastifyPluginAsync } from 'fastify'
import type { Admin, Kafka } from 'kafkajs'
import { type CloseStack, closeStack } from './close-stack.ts'
import type { Config, Infrastructure } from './config.ts'
import { catalog, catalogChanges } from './db/catalog.ts'
import { dbRefusal } from './db/failure.ts'
import { throwingFaults } from './db/faults.ts'
import { isMigrated, migrate } from './db/migrate.ts'
import { type Db, type DbOptions, openDb } from './db/open.ts'
import { outlooks } from './db/outlook.ts'
import { progressOf } from './db/progress.ts'
import { purgeOf } from './db/purge.ts'
import { registrations } from './db/registrations.ts'
import { dbFailure } from './db/sqlstate.ts'
import { logTag } from './domain/accepted-at.ts'
import { Fault } from './domain/fault.ts'
import { CHUNK_LIMITS } from './domain/limits.ts'
import { type MakeProblem, problemsAt } from './domain/problem.ts'
import type { Registered, Settled, ValidRequest } from './domain/request.ts'
import { foreseeWith } from './dry-run.ts'
import { gather } from './gather.ts'
import { batchRoutes } from './http/batch.ts'
import { catalogRoutes } from './http/catalog.ts'
import { descriptionRoutes } from './http/description.ts'
import { type Check, healthRoutes } from './http/health.ts'
import { requestListRoutes } from './http/request-list.ts'
import { buildServer } from './http/server.ts'
import { workflowRequestRoutes } from './http/workflow-requests.ts'
import { workflowRoutes } from './http/workflows.ts'
import { kafkaClient } from './kafka/client.ts'
import { startConsumer } from './kafka/consumer.ts'
import { asyncApiDocument } from './kafka/contract/asyncapi.ts'
import { eventSchemas } from './kafka/contract/schemas.ts'
import { kafkaRefusal } from './kafka/failure.ts'
import { toLogEnd } from './kafka/list-offsets.ts'
import { readCommitted, readOffsets } from './kafka/log-offsets.ts'
import { requestMessage } from './kafka/messages.ts'
import { openPublisher, type Publisher } from './kafka/publish.ts'
import { openReplies, ROUTE_TIMEOUT_MS } from './kafka/replies.ts'
import { type Step, settleWith } from './kafka/settle.ts'
import type { TopicsFound } from './kafka/topics.ts'
import type { Logger } from './logger.ts'
import { outcomeWaiters } from './outcome-waiters.ts'
import { registerWith } from './register.ts'
import { startRetention } from './retention.ts'
import { reaching, StartError } from './start-error.ts'
import { readStatusWith } from './status.ts'
import { prepareTopics, purgedTooSoon, refuseOtherMembers } from './topics-at-start.ts'
import { TimeLimitExceeded, within } from './within.ts'

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

/** Opens, connects and starts everything that `roles` ask for; what opened first closes last. */
export async function start(options: StartOptions): Promise<RunningApp> {
  const { config, infrastructure, roles, log, say } = options
  const opened = closeStack()
  const makeProblem = problemsAt(config.problemBaseUrl)
  const { topics } = config
  const pool = (name: string, maxConnections: number, options?: PoolOptions) => {
    const open = openDb({ url: infrastructure.databaseUrl, name, maxConnections, ...options }, log)
    opened.add(() => open.close())
    return open.db
  }
  try {
    const kafka = kafkaClient(infrastructure.kafka, CLIENT_ID, log) // reads its files before anything is opened
    if (infrastructure.migrateDatabaseUrl) {
      const { migrateDatabaseUrl, databaseUrl } = infrastructure
      await reaching('MIGRATE_DATABASE_URL', () => migrate(migrateDatabaseUrl, databaseUrl))
      say('PostgreSQL: the schema is up to date')
    }
    const readDb = pool('reads', 4)
    if (!(await reaching('DATABASE_URL', () => isMigrated(readDb))))
      throw new StartError(
        'The schema of the database is behind this code: run `npm run migrate` as its owner first',
      )
    const reads = readsOf(readDb)

    const admin = kafka.admin()
    opened.add(() => admin.disconnect())
    await reaching('KAFKA_BROKERS', () => admin.connect())
    const { clusterId } = await reaching('KAFKA_BROKERS', () => admin.describeCluster())
    const found = await prepareTopics(admin, options)
    // One for each topic: a topic that is gone stops, in kafkajs, whatever else a producer has sent to.
    const publish = async () => {
      const publisher = await reaching('KAFKA_BROKERS', () =>
        openPublisher(kafka, { timeoutMs: config.kafkaSendTimeoutMs }),
      )
      opened.add(() => publisher.close())
      return publisher
    }

    const shared: Shared = { config, clusterId, kafka, admin, found, publish, makeProblem, log, pool }
    const needed = [
      topics.requests,
      ...(roles.includes('worker') ? [topics.replies, topics.deadLetters] : []),
    ]
    const checks: Check[] = [
      () => reason('PostgreSQL does not answer', () => reads.progress.read(clusterId, topics.requests)),
      ...needed.map(
        (topic): Check =>
          () =>
            reason(`Kafka does not answer for the topic ${topic}`, () =>
              admin.fetchTopicMetadata({ topics: [topic] }),
            ),
      ),
    ]
    let troubles = () => ['the worker has not joined its consumer group yet']
    if (roles.includes('worker')) checks.push(async () => troubles())
    const routes: FastifyPluginAsync[] = [healthRoutes({ checks, makeProblem })]

    if (roles.includes('ingress')) routes.push(...ingressRoutes(shared, reads, await publish()))

    const server = await buildServer({ routes, makeProblem, log })
    opened.add(() => server.close())
    const url = await listen(server, config.http)
    say(`HTTP: listening on ${url}`)

    if (roles.includes('worker')) {
      const consumer = await startWorker(shared, options, opened)
      troubles = consumer.troubles
      // Of two that start at once, neither saw the other before.
      await refuseOtherMembers(admin, config.consumerGroup, topics.requests)
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
  kafka: Kafka
  admin: Admin
  found: TopicsFound
  /** Opens a publisher; it closes with everything. */
  publish: () => Promise<Publisher>
  makeProblem: MakeProblem
  log: Logger
  /** A pool of connections of its own for each use. */
  pool: (name: string, maxConnections: number, options?: PoolOptions) => Db
}

type PoolOptions = Pick<DbOptions, 'keepsPlans'>

type Reads = ReturnType<typeof readsOf>

/** Reads that no outcome depends on. */
function readsOf(db: Db) {
  return {
    catalog: throwingFaults(catalog(db)),
    outlook: throwingFaults(outlooks(db)),
    status: throwingFaults(registrations(db)),
    progress: throwingFaults(progressOf(db)),
  }
}

/** The two HTTP doors, each with what it needs and nothing of the other. */
function ingressRoutes(shared: Shared, reads: Reads, publisher: Publisher): FastifyPluginAsync[] {
  const { config, clusterId, admin, makeProblem, pool } = shared
  const topic = config.topics.requests
  const writes = pool('writes', 4, { keepsPlans: true })
  const lists = readsOf(pool('lists', 2)) // what may take long holds up nothing else
  const register = registerWith({ ...registrations(writes), failureOf: dbFailure })
  const registerTogether = gather<{ request: ValidRequest; bytes: number }, Registered>({
    run: (calls) => register(calls.map(({ request }) => request)),
    sizeOf: ({ bytes }) => bytes,
    maxItems: CHUNK_LIMITS.requests,
    maxSize: CHUNK_LIMITS.bytes,
    maxInFlight: 2,
  })
  const readStoredTogether = gather<string, Settled | undefined>({
    run: async (ids) => {
      const stored = await reads.status.read(ids)
      return ids.map((id) => stored.get(id))
    },
    ...{ sizeOf: () => 0, maxItems: 500, maxSize: 0, maxInFlight: 2 },
  })
  const registerBatch = gather<readonly ValidRequest[], Registered[]>({
    run: (batches) => Promise.all(batches.map((requests) => register(requests))),
    ...{ sizeOf: () => 0, maxItems: 1, maxSize: 0, maxInFlight: 2 }, // each alone, and beside the single ones
  })
  const foresee = foreseeWith({ look: reads.outlook.look, read: reads.status.read })
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
  const readStatus = readStatusWith({
    read: readStoredTogether,
    readProgress: reads.progress.read,
    readPartition: reads.progress.readOne,
    readLogs: reads.progress.readLogs,
    readLog: () => readLogTogether(null),
    clusterId,
    topic,
  })
  return [
    descriptionRoutes({
      problemBaseUrl: config.problemBaseUrl,
      events: {
        document: asyncApiDocument(config.topics, config.problemBaseUrl),
        schemas: eventSchemas(config.problemBaseUrl),
      },
      makeProblem,
    }),
    workflowRoutes({
      register: (request, bytes) => registerTogether({ request, bytes }),
      foresee,
      workflowById: reads.catalog.byId,
      makeProblem,
    }),
    batchRoutes({ register: registerBatch, foresee, workflowsByIds: reads.catalog.byIds, makeProblem }),
    catalogRoutes({
      catalog: { ...lists.catalog, byId: reads.catalog.byId, byVersion: reads.catalog.byVersion },
      change: throwingFaults(catalogChanges(writes)).change,
      makeProblem,
    }),
    workflowRequestRoutes({
      foresee,
      publish: ({ workflow, ...request }, body, trace) =>
        publisher.send(
          topic,
          requestMessage({ ...request, workflowName: workflow.workflow_name, body, trace }),
        ),
      readStatus: (requestId, at) => promptly(readStatus(requestId, at)),
      waiters: outcomeWaiters({
        read: reads.status.read,
        readProgress: () => reads.progress.read(clusterId, topic),
      }),
      logTag: logTag(clusterId, topic),
      workflowById: (workflowId) => promptly(reads.catalog.byId(workflowId)),
      makeProblem,
    }),
    requestListRoutes({ list: lists.status.list, makeProblem }),
  ]
}

/** The consumer and the purge. What is opened closes with `opened`. */
async function startWorker(
  { config, clusterId, kafka, admin, found, publish, makeProblem, log, pool }: Shared,
  { infrastructure, onCrash, onStep = () => {}, signal }: StartOptions,
  opened: CloseStack,
) {
  const { topics, consumerGroup: group, requestRetentionDays: days } = config
  const topic = topics.requests
  const complaint = purgedTooSoon(days, topic, found)
  if (complaint) throw new StartError(`Cannot start: ${complaint}`)
  if (!(await refuseOtherMembers(admin, group, topic)))
    log.warn({ group }, 'the brokers do not tell what the members of the consumer group subscribe to')
  const db = pool('worker', 4, { keepsPlans: true })
  const progress = throwingFaults(progressOf(db))
  const replies = openReplies({
    publisher: await publish(),
    defaultTopic: topics.replies,
    allowedTopics: topics.allowedReplies,
    openRoute: () => openPublisher(kafka, { timeoutMs: ROUTE_TIMEOUT_MS, retries: 0 }),
    kafkaAnswers: () => within(config.kafkaSendTimeoutMs, admin.describeCluster()),
    log,
  })
  opened.add(() => replies.close())
  const settle = settleWith({
    register: registerWith({ ...registrations(db), failureOf: dbFailure }),
    moveProgress: progress.move,
    deadLetterTopic: topics.deadLetters,
    publisher: await publish(),
    ...{ replies, makeProblem, log, onStep },
  })
  const consumer = await reaching('KAFKA_BROKERS', () =>
    startConsumer({
      kafka: kafkaClient(infrastructure.kafka, CLIENT_ID, log, 'endless'),
      readOffsets: () => within(ADMIN_TIMEOUT_MS, readOffsets(admin, topic)),
      readCommitted: () => within(ADMIN_TIMEOUT_MS, readCommitted(admin, group, topic)),
      ...{ clusterId, topic, group, settle, progress, log, onStep, onCrash, signal },
    }),
  )
  opened.add(() => consumer.close())
  opened.add(startRetention({ ...purgeOf(pool('purge', 1)), days, log }))
  return consumer
}

const CLIENT_ID = 'workflow-registrar'

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
    (error) => [kafkaRefusal(error) ?? dbRefusal(error) ?? words],
  )
}

/** A read that somebody waits for: one that takes too long counts as an outage. It goes on, unheard. */
async function promptly<T>(read: Promise<T>): Promise<T> {
  try {
    return await within(READ_TIMEOUT_MS, read)
  } catch (error) {
    throw error instanceof TimeLimitExceeded ? new Fault('outage', { code: 'ETIMEDOUT' }, error) : error
  }
}

/** Less than a process that is told to stop has left. */
const READ_TIMEOUT_MS = 3_000

/** What has not answered by then counts as away, for readiness and for the status of a request. */
const CHECK_TIMEOUT_MS = 1_500

/** How long the worker waits for Kafka to tell of offsets, before it asks again. */
const ADMIN_TIMEOUT_MS = 15_000
