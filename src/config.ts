import { z } from 'zod'

const port = z.coerce.number('must be a port number').int().min(0).max(65_535)
const milliseconds = z.coerce.number('must be a number of milliseconds').int().positive()
const topic = z.string().regex(/^[A-Za-z0-9._-]{1,249}$/, 'must be a Kafka topic name')
const postgresUrl = z
  .string()
  .refine((text) => /^postgres(ql)?:$/.test(URL.parse(text)?.protocol ?? ''), 'must be a postgresql:// URL')
const hostAndPort = /^[^\s:,]+:\d{1,5}$/

/** Every variable that the service reads, once. What has a default may be left out. */
const variables = z.object({
  HOST: z.string().default('127.0.0.1').describe('Address that HTTP listens on'),
  PORT: port.default(8080).describe('Port that HTTP listens on'),
  DATABASE_URL: postgresUrl.optional().describe('PostgreSQL, as the role of the service'),
  MIGRATE_DATABASE_URL: postgresUrl
    .optional()
    .describe('PostgreSQL, as the owner of the schema: migrations run when it is given'),
  KAFKA_BROKERS: z
    .string()
    .transform((list) => list.split(',').map((broker) => broker.trim()))
    .refine(
      (list) => list.every((broker) => hostAndPort.test(broker)),
      'must be a list of host:port, by commas',
    )
    .optional()
    .describe('Kafka bootstrap servers'),
  DATA_DIR: z.string().min(1).default('./data').describe('Folder of the embedded PostgreSQL and Kafka'),
  EMBEDDED_POSTGRES_PORT: port.default(5432).describe('Port of the embedded PostgreSQL'),
  EMBEDDED_KAFKA_PORT: port.default(9092).describe('Port of the embedded Kafka'),
  REQUEST_TOPIC: topic.default('workflow.registrations').describe('Topic that create requests come from'),
  REPLY_TOPIC: topic.default('workflow.registration-outcomes').describe('Topic that outcomes go to'),
  DEAD_LETTER_TOPIC: topic
    .default('workflow.registrations.dlq')
    .describe('Topic for what cannot be read or stored'),
  CONSUMER_GROUP: z.string().min(1).default('workflow-registrar').describe('Consumer group of the workers'),
  TOPIC_PARTITIONS: z.coerce
    .number()
    .int()
    .min(1)
    .max(1000)
    .default(12)
    .describe('Partitions of topics made here'),
  KAFKA_SEND_TIMEOUT_MS: milliseconds
    .default(5_000)
    .describe('After this long without an ack a send is given up'),
  REQUEST_RETENTION_DAYS: z.coerce
    .number('must be a number of days')
    .int()
    .min(0)
    .max(36_500)
    .default(30)
    .describe(
      'Days that the status of a request is kept, at least as long as the request topic keeps it; 0: for ever',
    ),
  PROBLEM_BASE_URL: z
    .url({ protocol: /^https?$/, error: 'must be an http(s) URL' })
    .transform((url) => url.replace(/\/+$/, ''))
    .default('https://workflow-registrar.io')
    .describe('What the `type` of a problem starts with'),
  LOG_LEVEL: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
    .default('info')
    .describe('Least level that is logged'),
})

export interface Config {
  http: { host: string; port: number }
  /** Undefined when neither URL was given. */
  infrastructure: Infrastructure | undefined
  embedded: { dataDir: string; postgresPort: number; kafkaPort: number }
  topics: { requests: string; replies: string; deadLetters: string; partitions: number }
  consumerGroup: string
  kafkaSendTimeoutMs: number
  /** 0: for ever. */
  requestRetentionDays: number
  problemBaseUrl: string
  logLevel: string
}

export interface Infrastructure {
  databaseUrl: string
  migrateDatabaseUrl: string | undefined
  kafkaBrokers: readonly string[]
}

/** The environment is wrong: each complaint is one sentence, and all of them are here. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

/** Makes sense of the environment, or throws a `ConfigError` with every complaint at once. An empty value is none. */
export function parseConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const given = Object.fromEntries(
    Object.entries(env).filter(([, value]) => value !== undefined && value !== ''),
  )
  const parsed = variables.safeParse(given)
  const complaints = parsed.error?.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`) ?? []
  if ((given.DATABASE_URL === undefined) !== (given.KAFKA_BROKERS === undefined))
    complaints.push(
      given.DATABASE_URL === undefined
        ? 'DATABASE_URL is missing: KAFKA_BROKERS is set, and they go together'
        : 'KAFKA_BROKERS is missing: DATABASE_URL is set, and they go together',
    )
  if (given.MIGRATE_DATABASE_URL !== undefined && given.DATABASE_URL === undefined)
    complaints.push('DATABASE_URL is missing: MIGRATE_DATABASE_URL is set, and needs it')
  const names = ['REQUEST_TOPIC', 'REPLY_TOPIC', 'DEAD_LETTER_TOPIC'] as const
  if (parsed.success && new Set(names.map((name) => parsed.data[name])).size < names.length)
    complaints.push(
      `${names.join(', ')} must be three topics: a reply that is read as a request would never end`,
    )
  if (!parsed.success || complaints.length > 0) throw new ConfigError(complaints.join('\n'))

  const value = parsed.data
  return {
    http: { host: value.HOST, port: value.PORT },
    infrastructure:
      value.DATABASE_URL !== undefined && value.KAFKA_BROKERS !== undefined
        ? {
            databaseUrl: value.DATABASE_URL,
            migrateDatabaseUrl: value.MIGRATE_DATABASE_URL,
            kafkaBrokers: value.KAFKA_BROKERS,
          }
        : undefined,
    embedded: {
      dataDir: value.DATA_DIR,
      postgresPort: value.EMBEDDED_POSTGRES_PORT,
      kafkaPort: value.EMBEDDED_KAFKA_PORT,
    },
    topics: {
      requests: value.REQUEST_TOPIC,
      replies: value.REPLY_TOPIC,
      deadLetters: value.DEAD_LETTER_TOPIC,
      partitions: value.TOPIC_PARTITIONS,
    },
    consumerGroup: value.CONSUMER_GROUP,
    kafkaSendTimeoutMs: value.KAFKA_SEND_TIMEOUT_MS,
    requestRetentionDays: value.REQUEST_RETENTION_DAYS,
    problemBaseUrl: value.PROBLEM_BASE_URL,
    logLevel: value.LOG_LEVEL,
  }
}

/** Every variable with its default and what it is for, a line each. */
export function describeVariables(): string {
  return Object.entries(variables.shape)
    .map(([name, schema]) => {
      const fallback = schema.safeParse(undefined)
      const standard = fallback.success && fallback.data !== undefined ? ` (default: ${fallback.data})` : ''
      return `  ${name.padEnd(24)}${schema.description}${standard}`
    })
    .join('\n')
}
