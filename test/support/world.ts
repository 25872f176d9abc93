import { randomBytes } from 'node:crypto'
import { Writable } from 'node:stream'
import pg from 'pg'
import { inject, onTestFinished } from 'vitest'
import { type Role, start } from '../../src/app.ts'
import { type Infrastructure, parseConfig } from '../../src/config.ts'
import { createLogger } from '../../src/logger.ts'
import { CANARY, inspect } from './leaks.ts'
import { inspectMetrics } from './metrics.ts'

/** A database and topics of one's own, on servers that may be shared. */
export interface World {
  infrastructure: Infrastructure & { migrateDatabaseUrl: string }
  /** Connected as the owner of the schema, who may do anything. */
  owner: pg.Pool
  /** What a process needs in its environment to join this world. */
  env: Record<string, string>
  close(): Promise<void>
}

/** Makes a world on the shared servers, or on those given. Call `close` (or use `closeAfterTest`) when done. */
export async function makeWorld(servers = inject('servers')): Promise<World> {
  const name = `t_${randomBytes(6).toString('hex')}`
  const admin = new pg.Client({ connectionString: servers.postgresUrl })
  await admin.connect()
  await admin.query(`create database ${name}`)
  await admin.end()

  const ownerUrl = new URL(servers.postgresUrl)
  ownerUrl.pathname = `/${name}`
  const serviceUrl = new URL(ownerUrl)
  serviceUrl.username = name
  serviceUrl.password = `${CANARY}-${randomBytes(6).toString('hex')}`
  const owner = new pg.Pool({ connectionString: ownerUrl.href, max: 2 })
  owner.on('error', () => {}) // servers are stopped under it on purpose
  return {
    infrastructure: {
      databaseUrl: serviceUrl.href,
      migrateDatabaseUrl: ownerUrl.href,
      kafka: { brokers: servers.kafkaBrokers },
    },
    owner,
    env: {
      DATABASE_URL: serviceUrl.href,
      MIGRATE_DATABASE_URL: ownerUrl.href,
      KAFKA_BROKERS: servers.kafkaBrokers.join(','),
      REQUEST_TOPIC: `${name}.registrations`,
      REPLY_TOPIC: `${name}.registration-outcomes`,
      DEAD_LETTER_TOPIC: `${name}.registrations.dlq`,
      CONSUMER_GROUP: name,
      TOPIC_PARTITIONS: '3',
      PORT: '0',
      METRICS_PORT: '0',
    },
    close: () => owner.end(),
  }
}

export type LogLine = Record<string, unknown> & { level: string; msg: string }

export interface TestApp {
  url: string
  /** Where its metrics are. */
  metricsUrl: string
  /** Every log line so far, at all levels. */
  logs: LogLine[]
  crashes: Error[]
  close(): Promise<void>
}

/** Starts the service in this process, in that world. */
export async function startApp(
  world: World,
  { roles = ['ingress', 'worker'], env = {} }: { roles?: readonly Role[]; env?: Record<string, string> } = {},
): Promise<TestApp> {
  const logs: LogLine[] = []
  const destination = new Writable({
    write(chunk, _encoding, done) {
      inspect('log', String(chunk))
      for (const line of String(chunk).trim().split('\n')) logs.push(JSON.parse(line))
      done()
    },
  })
  const crashes: Error[] = []
  const app = await start({
    config: parseConfig({ ...world.env, ...env }),
    infrastructure: world.infrastructure,
    roles,
    log: createLogger('trace', destination),
    say: (line) => inspect('log', line),
    onCrash: (error) => crashes.push(error),
  })
  return {
    url: app.url,
    metricsUrl: app.metricsUrl,
    logs,
    crashes,
    async close() {
      await inspectMetrics(app.metricsUrl)
      await app.close()
    },
  }
}

/** A world with the service in it, both gone when the test is over. */
export async function withService(options?: Parameters<typeof startApp>[1]): Promise<World & TestApp> {
  const world = await makeWorld()
  const app = await startApp(world, options)
  const close = async () => {
    await app.close()
    await world.close()
  }
  onTestFinished(close)
  return { ...world, ...app, close }
}
