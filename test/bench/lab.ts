import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { type Admin, Kafka, type KafkaJSError, logLevel } from 'kafkajs'
import pg from 'pg'
import pino, { type Logger } from 'pino'
import { closeStack } from '../../src/close-stack.ts'
import { migrate } from '../../src/db/migrate.ts'
import { mendRequestQueue } from '../../src/kafka/request-queue.ts'
import { startOwnServers } from '../support/own-servers.ts'
import { catalogOf } from './generate.ts'
import { type Running, runScript } from './processes.ts'

/** A part of the catalog is there before each round, so that no statement is planned for tables that are empty. */
const ROWS_BEFORE = 10_000

/** Topics and a group that nothing has used yet, on tables that hold nothing but that part. */
export interface Ground {
  topics: { requests: string; replies: string; deadLetters: string }
  /** For a process of ours. */
  env: Readonly<Record<string, string>>
}

/** What a figure is measured with: a PostgreSQL that keeps what it says it keeps, and a Kafka, of its own. */
export interface Lab {
  postgres: { serviceUrl: string; ownerUrl: string; restart(): Promise<void>; stop(): Promise<void> }
  brokers: readonly string[]
  kafka: Kafka
  /** Silent. */
  log: Logger
  /** As the owner of the tables. */
  query<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]>
  /** How often to measure: once when only trying. */
  rounds(usual: number): number
  /** How much to do: a twentieth when only trying. */
  size(usual: number): number
  /** Where all begins anew, with so many rows in the catalog. */
  ground(options?: { partitions?: number; rows?: number }): Promise<Ground>
  /** Starts a process of the production build; resolves when its HTTP listens. It ends with the lab. */
  start(
    name: 'ingress' | 'worker' | 'all-in-one',
    ground: Ground,
    env?: Record<string, string>,
  ): Promise<Running>
  /** Starts a script of `limits/`, which says where it listens as ours do. */
  startLimit(name: string, ground: Ground): Promise<Running>
  /** Tells how far it is. */
  say(line: string): void
  close(): Promise<void>
}

export interface LabOptions {
  /** Folder of the production build. */
  build: string
  /** A little of everything, to see that it runs. */
  quick: boolean
  /** Where each of our processes leaves a CPU profile by its name; then a round is enough. */
  profiles?: string | undefined
  say(line: string): void
}

export async function openLab({ build, quick, profiles, say }: LabOptions): Promise<Lab> {
  const opened = closeStack()
  try {
    const servers = await startOwnServers({ durable: true })
    opened.add(() => servers.close())
    const { serviceUrl, ownerUrl } = servers.postgres
    await migrate(ownerUrl, serviceUrl)
    const owner = new pg.Pool({ connectionString: ownerUrl, max: 2 })
    owner.on('error', () => {}) // it may be stopped on purpose
    opened.add(() => owner.end())
    const brokers = servers.kafka.brokers
    mendRequestQueue() // or a client of the benchmark would cost more than it does
    const kafka = new Kafka({ brokers: [...brokers], clientId: 'bench', logLevel: logLevel.NOTHING })
    const admin = kafka.admin()
    await admin.connect()
    opened.add(() => admin.disconnect())

    let profiled = 0
    const profiling = (name: string) =>
      profiles === undefined
        ? []
        : ['--cpu-prof', `--cpu-prof-dir=${profiles}`, `--cpu-prof-name=${++profiled}-${name}`]

    async function run(
      script: string,
      env: Record<string, string>,
      nodeOptions: readonly string[] = [],
    ): Promise<Running> {
      const running = await runScript(script, env, nodeOptions)
      opened.add(() => running.stop())
      return running
    }

    return {
      postgres: {
        serviceUrl,
        ownerUrl,
        restart: () => servers.postgres.start(),
        stop: () => servers.postgres.stop(),
      },
      brokers,
      kafka,
      log: pino({ level: 'silent' }),
      query: async (text, values) => (await owner.query(text, values)).rows,
      rounds: (usual) => (quick || profiles !== undefined ? 1 : usual),
      size: (usual) => (quick ? Math.ceil(usual / 20) : usual),
      async ground({ partitions = 12, rows = ROWS_BEFORE } = {}) {
        await owner.query('truncate workflow, registration_request, consumer_progress')
        await owner.query(catalogOf(rows))
        await owner.query('vacuum analyze')
        await owner.query('checkpoint')
        const id = randomUUID().slice(0, 8)
        const topics = { requests: `requests-${id}`, replies: `replies-${id}`, deadLetters: `dead-${id}` }
        await admin.createTopics({
          topics: Object.values(topics).map((topic) => ({
            topic,
            numPartitions: partitions,
            replicationFactor: 1,
          })),
        })
        for (const topic of Object.values(topics)) await untilWritable(admin, topic)
        const env = {
          DATABASE_URL: serviceUrl,
          KAFKA_BROKERS: brokers.join(','),
          REQUEST_TOPIC: topics.requests,
          REPLY_TOPIC: topics.replies,
          DEAD_LETTER_TOPIC: topics.deadLetters,
          CONSUMER_GROUP: `group-${id}`,
          PORT: '0',
          METRICS_PORT: '0',
          REQUEST_RETENTION_DAYS: '0',
        }
        return { topics, env }
      },
      start: (name, ground, env = {}) =>
        run(`${build}/${name}.js`, { ...ground.env, ...env }, profiling(name)),
      startLimit: (name, ground) =>
        run(new URL(`limits/${name}.ts`, import.meta.url).pathname, { ...ground.env }),
      say,
      close: opened.close,
    }
  } catch (error) {
    await opened.close().catch(() => {})
    throw error
  }
}

/**
 * Resolves when every partition has a leader that knows it. Of a produce that one partition refuses, kafkajs sends all
 * again, and what the others took is there twice.
 */
async function untilWritable(admin: Admin, topic: string): Promise<void> {
  const hasLeaders = () =>
    admin.fetchTopicOffsets(topic).then(
      () => true,
      (error: KafkaJSError) => {
        if (error.retriable) return false
        throw error
      },
    )
  while (!(await hasLeaders())) await delay(10)
}
