import * as z from 'zod'
import { sslComplaint } from './db/ssl-mode.ts'
import { isLoopback } from './loopback.ts'

const port = z.coerce.number('must be a port number').int().min(0).max(65_535)
const milliseconds = z.coerce.number('must be a number of milliseconds').int().positive()
const topicName = /^[A-Za-z0-9._-]{1,249}$/
const topic = z.string().regex(topicName, 'must be a Kafka topic name')
const postgresUrl = z
  .string()
  .refine(isPostgresUrl, 'must be a postgresql:// URL')
  .refine(
    hasLoginInFront,
    'has more behind its host than a database and parameters: percent-encode the password',
  )
  .superRefine((text, { addIssue }) => {
    const message = sslComplaint(text)
    if (message) addIssue({ code: 'custom', message })
  })
const hostAndPort = /^[^\s:,]+:\d{1,5}$/
const days = (least: number) => z.coerce.number('must be a number of days').int().min(least).max(36_500)
const flag = z.enum(['true', 'false'], 'must be true or false').transform((text) => text === 'true')
const file = z.string().min(1)
const listOf = (text: string) => text.split(',').map((item) => item.trim())

const SASL_MECHANISMS = ['plain', 'scram-sha-256', 'scram-sha-512'] as const

/** Every variable that the service reads, once. What has a default may be left out. */
const variables = z.object({
  HOST: z.string().default('127.0.0.1').describe('Address that HTTP listens on'),
  PORT: port.default(8080).describe('Port that HTTP listens on'),
  METRICS_PORT: port.default(9464).describe('Port of /metrics, on the same address'),
  DATABASE_URL: postgresUrl.optional().describe('PostgreSQL, as the role of the service'),
  MIGRATE_DATABASE_URL: postgresUrl
    .optional()
    .describe('PostgreSQL, as the owner of the schema: migrations run when it is given'),
  KAFKA_BROKERS: z
    .string()
    .transform(listOf)
    .refine(
      (list) => list.every((broker) => hostAndPort.test(broker)),
      'must be a list of host:port, by commas',
    )
    .optional()
    .describe('Kafka bootstrap servers'),
  KAFKA_TLS: flag.optional().describe('Whether the brokers speak TLS (default: true with any file below)'),
  KAFKA_TLS_CA_FILE: file
    .optional()
    .describe('PEM file of the authorities to trust, instead of the usual ones'),
  KAFKA_TLS_CERT_FILE: file.optional().describe('PEM file of the certificate to show to the brokers'),
  KAFKA_TLS_KEY_FILE: file.optional().describe('PEM file of its private key'),
  KAFKA_SASL_MECHANISM: z
    .string()
    .toLowerCase()
    .pipe(z.enum(SASL_MECHANISMS))
    .optional()
    .describe(`How to log in to Kafka: ${SASL_MECHANISMS.join(', ')}`),
  KAFKA_SASL_USERNAME: z.string().optional().describe('Who logs in to Kafka'),
  KAFKA_SASL_PASSWORD: z.string().optional().describe('With which password'),
  DATA_DIR: z.string().min(1).default('./data').describe('Folder of the embedded PostgreSQL and Kafka'),
  EMBEDDED_POSTGRES_PORT: port.default(5432).describe('Port of the embedded PostgreSQL'),
  EMBEDDED_KAFKA_PORT: port.default(9092).describe('Port of the embedded Kafka'),
  REQUEST_TOPIC: topic.default('workflow.registrations').describe('Topic that create requests come from'),
  REPLY_TOPIC: topic.default('workflow.registration-outcomes').describe('Topic that outcomes go to'),
  ALLOWED_REPLY_TOPICS: z
    .string()
    .transform(listOf)
    .refine(
      (list) => list.every((name) => topicName.test(name)),
      'must be a list of Kafka topic names, by commas',
    )
    .default([])
    .describe('Other topics that a request may name for its reply, by commas'),
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
  TOPIC_REPLICAS: z.coerce
    .number('must be a number of brokers')
    .int()
    .min(1)
    .max(100)
    .optional()
    .describe('Replicas of topics made here (default: 3, or as many as there are brokers)'),
  TOPIC_RETENTION_DAYS: days(1)
    .default(7)
    .describe('Days that Kafka keeps requests and replies: what an outage may last'),
  DEAD_LETTER_RETENTION_DAYS: days(1).default(30).describe('Days that Kafka keeps dead letters'),
  TOPICS_STRICT: flag
    .default(false)
    .describe('Whether a topic that is set up unsafely stops the start, rather than be warned of'),
  KAFKA_SEND_TIMEOUT_MS: milliseconds
    .default(5_000)
    .describe('After this long without an ack a send is given up'),
  REQUEST_RETENTION_DAYS: days(0)
    .default(30)
    .describe(
      'Days that the status of a request is kept, at least as long as the request topic keeps it; 0: for ever',
    ),
  PROBLEM_BASE_URL: z
    .url({ protocol: /^https?$/, error: 'must be an http(s) URL' })
    .transform((url) => url.replace(/\/+$/, ''))
    .default('https://workflow-registrar.io')
    .describe('What the `type` of a problem starts with'),
  JWT_ISSUER: z
    .string()
    .min(1, 'must not be empty')
    .optional()
    .describe('Who issues the tokens that callers must bring (default: none is asked for)'),
  JWT_AUDIENCE: z
    .string()
    .min(1, 'must not be empty')
    .optional()
    .describe('Whom those tokens must be meant for'),
  JWT_JWKS_URL: z
    .string()
    .refine(isTrustworthy, 'must be an https:// URL without a login, or on this machine an http:// one')
    .optional()
    .describe('Where the keys are that sign them'),
  OTEL_EXPORTER_OTLP_ENDPOINT: z
    .url({ protocol: /^https?$/, error: 'must be an http(s) URL' })
    .optional()
    .describe('Where traces go, as OTLP over HTTP (default: nothing is traced)'),
  OTEL_TRACES_SAMPLER_ARG: z.coerce
    .number('must be a number from 0 to 1')
    .min(0)
    .max(1)
    .default(1)
    .describe('How much of what begins a trace here is traced, from 0 to 1'),
  LOG_LEVEL: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
    .default('info')
    .describe('Least level that is logged'),
})

export interface Config {
  http: { host: string; port: number; metricsPort: number }
  /** Undefined when neither URL was given. */
  infrastructure: Infrastructure | undefined
  /** What a process needs that has nothing to do with Kafka; undefined when `DATABASE_URL` was not given. */
  database: DatabaseAccess | undefined
  embedded: { dataDir: string; postgresPort: number; kafkaPort: number }
  topics: Topics
  consumerGroup: string
  kafkaSendTimeoutMs: number
  /** 0: for ever. */
  requestRetentionDays: number
  problemBaseUrl: string
  /** Whose tokens callers must bring; undefined: none is asked for. */
  access: AccessSettings | undefined
  /** Where traces go, as OTLP over HTTP; undefined: nothing is traced. */
  traceEndpoint: string | undefined
  /** How much of what begins a trace here is traced, from 0 to 1. */
  traceRatio: number
  logLevel: string
}

export interface AccessSettings {
  issuer: string
  audience: string
  jwksUrl: string
}

export interface Topics {
  requests: string
  replies: string
  /** Others that a request may name for its reply. */
  allowedReplies: readonly string[]
  deadLetters: string
  /** How many partitions a topic gets that is made here. */
  partitions: number
  /** How many replicas; undefined: as many as are sound for these brokers. */
  replicas: number | undefined
  /** How long requests and replies are kept at least. */
  retentionDays: number
  deadLetterRetentionDays: number
  /** Whether what is set up unsafely stops the start. */
  strict: boolean
}

export interface DatabaseAccess {
  databaseUrl: string
  migrateDatabaseUrl: string | undefined
}

export interface Infrastructure extends DatabaseAccess {
  kafka: KafkaAccess
}

/** Where the brokers are, and how to get in. */
export interface KafkaAccess {
  brokers: readonly string[]
  /** PEM files; undefined: no TLS. */
  tls?: { caFile: string | undefined; certFile: string | undefined; keyFile: string | undefined } | undefined
  sasl?: { mechanism: SaslMechanism; username: string; password: string } | undefined
}

export type SaslMechanism = (typeof SASL_MECHANISMS)[number]

/** The environment is wrong: each complaint is one sentence, and all of them are here. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

/**
 * Makes sense of the environment, or throws a `ConfigError` with every complaint at once. An empty value is none, but for
 * those that have callers bring tokens: without them everybody may come in.
 * `needsKafka`: whether a database without brokers is a complaint.
 */
export function parseConfig(
  env: Readonly<Record<string, string | undefined>>,
  { needsKafka = true }: { needsKafka?: boolean } = {},
): Config {
  const given = Object.fromEntries(
    Object.entries(env).filter(
      ([name, value]) => value !== undefined && (value !== '' || name.startsWith('JWT_')),
    ),
  )
  const parsed = variables.safeParse(given)
  const complaints = parsed.error?.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`) ?? []
  if (given.DATABASE_URL === undefined && given.KAFKA_BROKERS !== undefined)
    complaints.push('DATABASE_URL is missing: KAFKA_BROKERS is set, and they go together')
  if (given.DATABASE_URL !== undefined && given.KAFKA_BROKERS === undefined && needsKafka)
    complaints.push('KAFKA_BROKERS is missing: DATABASE_URL is set, and they go together')
  if (given.MIGRATE_DATABASE_URL !== undefined && given.DATABASE_URL === undefined)
    complaints.push('DATABASE_URL is missing: MIGRATE_DATABASE_URL is set, and needs it')
  const names = ['REQUEST_TOPIC', 'REPLY_TOPIC', 'DEAD_LETTER_TOPIC'] as const
  if (parsed.success && new Set(names.map((name) => parsed.data[name])).size < names.length)
    complaints.push(
      `${names.join(', ')} must be three topics: a reply that is read as a request would never end`,
    )
  if (parsed.success && parsed.data.PORT !== 0 && parsed.data.PORT === parsed.data.METRICS_PORT)
    complaints.push('PORT and METRICS_PORT must be two ports')
  for (const together of TOGETHER) {
    const missing = together.filter((name) => given[name] === undefined)
    if (missing.length > 0 && missing.length < together.length)
      complaints.push(`${missing.join(', ')} is missing: ${together.join(', ')} go together`)
  }
  if (given.KAFKA_TLS === 'false' && TLS_FILES.some((name) => given[name] !== undefined))
    complaints.push('KAFKA_TLS is false, but there are files for TLS')
  if (parsed.success)
    for (const name of ['REQUEST_TOPIC', 'DEAD_LETTER_TOPIC'] as const)
      if (parsed.data.ALLOWED_REPLY_TOPICS.includes(parsed.data[name]))
        complaints.push(`ALLOWED_REPLY_TOPICS must not have ${name}: it is no topic for replies`)
  if (parsed.success && !outlivesTopic(parsed.data))
    complaints.push(
      'REQUEST_RETENTION_DAYS must be at least TOPIC_RETENTION_DAYS, or 0 for ever: a replay must find the row of every record',
    )
  if (!parsed.success || complaints.length > 0) throw new ConfigError(complaints.join('\n'))

  const value = parsed.data
  const database =
    value.DATABASE_URL === undefined
      ? undefined
      : { databaseUrl: value.DATABASE_URL, migrateDatabaseUrl: value.MIGRATE_DATABASE_URL }
  return {
    http: { host: value.HOST, port: value.PORT, metricsPort: value.METRICS_PORT },
    infrastructure:
      database && value.KAFKA_BROKERS !== undefined
        ? { ...database, kafka: kafkaAccess(value.KAFKA_BROKERS, value) }
        : undefined,
    database,
    embedded: {
      dataDir: value.DATA_DIR,
      postgresPort: value.EMBEDDED_POSTGRES_PORT,
      kafkaPort: value.EMBEDDED_KAFKA_PORT,
    },
    topics: {
      requests: value.REQUEST_TOPIC,
      replies: value.REPLY_TOPIC,
      deadLetters: value.DEAD_LETTER_TOPIC,
      allowedReplies: value.ALLOWED_REPLY_TOPICS,
      partitions: value.TOPIC_PARTITIONS,
      replicas: value.TOPIC_REPLICAS,
      retentionDays: value.TOPIC_RETENTION_DAYS,
      deadLetterRetentionDays: value.DEAD_LETTER_RETENTION_DAYS,
      strict: value.TOPICS_STRICT,
    },
    consumerGroup: value.CONSUMER_GROUP,
    kafkaSendTimeoutMs: value.KAFKA_SEND_TIMEOUT_MS,
    requestRetentionDays: value.REQUEST_RETENTION_DAYS,
    problemBaseUrl: value.PROBLEM_BASE_URL,
    access: accessSettings(value),
    traceEndpoint: value.OTEL_EXPORTER_OTLP_ENDPOINT,
    traceRatio: value.OTEL_TRACES_SAMPLER_ARG,
    logLevel: value.LOG_LEVEL,
  }
}

function outlivesTopic({
  REQUEST_RETENTION_DAYS: rows,
  TOPIC_RETENTION_DAYS: records,
}: z.output<typeof variables>) {
  return rows === 0 || rows >= records
}

const TLS_FILES = ['KAFKA_TLS_CA_FILE', 'KAFKA_TLS_CERT_FILE', 'KAFKA_TLS_KEY_FILE'] as const

const TOGETHER = [
  ['KAFKA_TLS_CERT_FILE', 'KAFKA_TLS_KEY_FILE'],
  ['KAFKA_SASL_MECHANISM', 'KAFKA_SASL_USERNAME', 'KAFKA_SASL_PASSWORD'],
  ['JWT_ISSUER', 'JWT_AUDIENCE', 'JWT_JWKS_URL'],
] as const

function accessSettings({
  JWT_ISSUER: issuer,
  JWT_AUDIENCE: audience,
  JWT_JWKS_URL: jwksUrl,
}: z.output<typeof variables>): AccessSettings | undefined {
  return issuer && audience && jwksUrl ? { issuer, audience, jwksUrl } : undefined
}

function kafkaAccess(brokers: readonly string[], value: z.output<typeof variables>): KafkaAccess {
  const {
    KAFKA_SASL_MECHANISM: mechanism,
    KAFKA_SASL_USERNAME: username,
    KAFKA_SASL_PASSWORD: password,
  } = value
  const tls = value.KAFKA_TLS ?? TLS_FILES.some((name) => value[name] !== undefined)
  return {
    brokers,
    tls: tls
      ? {
          caFile: value.KAFKA_TLS_CA_FILE,
          certFile: value.KAFKA_TLS_CERT_FILE,
          keyFile: value.KAFKA_TLS_KEY_FILE,
        }
      : undefined,
    sasl: mechanism && username && password ? { mechanism, username, password } : undefined,
  }
}

/** Every variable with its default and what it is for, a line each. */
export function describeVariables(): string {
  return Object.entries(variables.shape)
    .map(([name, schema]) => {
      const fallback = schema.safeParse(undefined)
      const standard =
        fallback.success && fallback.data !== undefined && String(fallback.data) !== ''
          ? ` (default: ${fallback.data})`
          : ''
      return `  ${name.padEnd(28)}${schema.description}${standard}`
    })
    .join('\n')
}

/** Whoever can answer in place of the issuer could sign any token. */
function isTrustworthy(text: string): boolean {
  const { protocol, hostname, username, password } = URL.parse(text) ?? {}
  if (hostname === undefined || username || password) return false
  return protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname))
}

/** A password with / ? or # in it ends the host too early: what is behind that is taken for a path, and told as one. */
function hasLoginInFront(text: string): boolean {
  const { pathname = '', search = '', hash = '' } = URL.parse(text) ?? {}
  return /^(\/[^/@]*)?$/.test(pathname) && !search.includes('@') && hash === ''
}

function isPostgresUrl(text: string): boolean {
  const url = URL.parse(text)
  try {
    return url !== null && /^postgres(ql)?:$/.test(url.protocol) && decodeURIComponent(url.href) !== ''
  } catch {
    return false // a stray % in the password
  }
}
