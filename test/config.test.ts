import { describe, expect, test } from 'vitest'
import { ConfigError, describeVariables, parseConfig } from '../src/config.ts'

const DATABASE_URL = 'postgresql://service:a-secret@db.test/catalog'
const MIGRATE_DATABASE_URL = 'postgres://owner:another-secret@db.test/catalog'
const KAFKA_BROKERS = 'k1.test:9092, k2.test:9093'

function complaintsOf(env: Record<string, string>): string[] {
  try {
    parseConfig(env)
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError)
    return (error as ConfigError).message.split('\n')
  }
  return []
}

test('an empty environment is fine, and everything has its default', () => {
  expect(parseConfig({})).toMatchObject({
    http: { host: '127.0.0.1', port: 8080 },
    infrastructure: undefined,
    embedded: { dataDir: './data', postgresPort: 5432, kafkaPort: 9092 },
    topics: {
      requests: 'workflow.registrations',
      replies: 'workflow.registration-outcomes',
      deadLetters: 'workflow.registrations.dlq',
      allowedReplies: [],
      partitions: 12,
      replicas: undefined,
      retentionDays: 7,
      deadLetterRetentionDays: 30,
      strict: false,
    },
    consumerGroup: 'workflow-registrar',
    problemBaseUrl: 'https://workflow-registrar.io',
    logLevel: 'info',
  })
})

test('an empty value is none, but of those that keep strangers out a complaint', () => {
  const names = [...describeVariables().matchAll(/^ {2}([A-Z_]+)/gm)].map(([, name]) => name!)
  const empty = (some: readonly string[]) => Object.fromEntries(some.map((name) => [name, '']))
  const [guards, others] = [true, false].map((is) => names.filter((name) => name.startsWith('JWT_') === is))
  expect(others!.length).toBeGreaterThan(10)
  expect(parseConfig(empty(others!))).toEqual(parseConfig({}))
  expect(complaintsOf(empty(guards!)).map((complaint) => complaint.split(' ')[0])).toEqual(guards)
})

test('what is given is used', () => {
  const config = parseConfig({
    ...{ DATABASE_URL, MIGRATE_DATABASE_URL, KAFKA_BROKERS },
    ...{
      HOST: '::',
      PORT: '0',
      METRICS_PORT: '0',
      LOG_LEVEL: 'debug',
      PROBLEM_BASE_URL: 'https://a.test/b//',
      TOPIC_PARTITIONS: '3',
    },
  })
  expect(config).toMatchObject({
    http: { host: '::', port: 0 },
    infrastructure: {
      databaseUrl: DATABASE_URL,
      migrateDatabaseUrl: MIGRATE_DATABASE_URL,
      kafka: { brokers: ['k1.test:9092', 'k2.test:9093'] },
    },
    problemBaseUrl: 'https://a.test/b',
    topics: { partitions: 3 },
    logLevel: 'debug',
  })
})

test('status rows outlive the records that they tell of', () => {
  const days = (rows: string, records: string) =>
    complaintsOf({ REQUEST_RETENTION_DAYS: rows, TOPIC_RETENTION_DAYS: records })
  expect(days('30', '31')).toEqual([expect.stringContaining('REQUEST_RETENTION_DAYS must be at least')])
  expect(days('30', '30')).toEqual([])
  expect(days('0', '31')).toEqual([])
})

test('how topics are made, and which others may get replies, is taken as it is said', () => {
  const { topics } = parseConfig({
    ALLOWED_REPLY_TOPICS: ' one.replies, another_replies ,workflow.registration-outcomes',
    TOPIC_PARTITIONS: '1000',
    TOPIC_REPLICAS: '5',
    TOPIC_RETENTION_DAYS: '1',
    DEAD_LETTER_RETENTION_DAYS: '365',
    TOPICS_STRICT: 'true',
  })
  expect(topics).toMatchObject({
    allowedReplies: ['one.replies', 'another_replies', 'workflow.registration-outcomes'],
    partitions: 1000,
    replicas: 5,
    retentionDays: 1,
    deadLetterRetentionDays: 365,
    strict: true,
  })
})

test('variables of others are nobody here', () => {
  expect(parseConfig({ PATH: '/bin', npm_config_x: '1' })).toEqual(parseConfig({}))
})

describe('one server without the other', () => {
  test('is a complaint that says which is missing', () => {
    expect(complaintsOf({ DATABASE_URL })).toEqual([
      'KAFKA_BROKERS is missing: DATABASE_URL is set, and they go together',
    ])
    expect(complaintsOf({ KAFKA_BROKERS })).toEqual([
      'DATABASE_URL is missing: KAFKA_BROKERS is set, and they go together',
    ])
    expect(complaintsOf({ DATABASE_URL, KAFKA_BROKERS: '' })).toHaveLength(1)
  })

  test('is a complaint for the URL of the migrations too', () => {
    expect(complaintsOf({ MIGRATE_DATABASE_URL })).toEqual([
      'DATABASE_URL is missing: MIGRATE_DATABASE_URL is set, and needs it',
    ])
  })
})

const WRONG: Record<string, string[]> = {
  PORT: ['x', '-1', '65536', '1.5'],
  EMBEDDED_POSTGRES_PORT: ['x'],
  EMBEDDED_KAFKA_PORT: ['99999'],
  DATABASE_URL: [
    ...['mysql://u:a-secret@h/d', 'a-secret', 'postgresql//u:a-secret@h/d', 'http://a-secret@h'],
    ...['allow', 'prefer', 'no-verify', 'a-secret'].map((mode) => `${DATABASE_URL}?sslmode=${mode}`),
    `${DATABASE_URL}?sslmode=verify-full&sslmode=prefer`,
    `${DATABASE_URL}?sslmode=verify-full&sslmode=verify-full`,
    `${DATABASE_URL}?sslmode=`,
    ...['true', 'require', 'no-verify'].map((ssl) => `${DATABASE_URL}?ssl=${ssl}`),
    `${DATABASE_URL.replace('@', '%@')}`,
    ...['2024/a-secret', '2024?a-secret', '2024#a-secret', '2024/a-secret/x', '2024/x?a-secret'].map(
      (password) => `postgresql://service:${password}@db.test/catalog`,
    ),
    'postgresql://service:2024/a-secret%40db.test/catalog',
    `${DATABASE_URL}?sslmode=verify-ca`,
    `${DATABASE_URL}?sslmode=verify-ca&sslrootcert=`,
    `${DATABASE_URL}?sslmode=require&sslrootcert=system`,
    `${DATABASE_URL}?sslmode=require&sslcert=a-secret`,
    `${DATABASE_URL}?sslmode=require&sslkey=a-secret`,
    `${DATABASE_URL}?sslrootcert=a-secret`,
  ],
  MIGRATE_DATABASE_URL: ['a-secret', `${MIGRATE_DATABASE_URL}?sslmode=prefer`],
  KAFKA_BROKERS: ['a-secret', 'http://a-secret:9092', 'k1:9092,', 'k1', 'k1:9092;k2:9092'],
  KAFKA_TLS: ['yes', '1', 'TRUE', 'a-secret'],
  REQUEST_TOPIC: ['a topic', 'x'.repeat(250), 'a/b'],
  REPLY_TOPIC: ['ü'],
  DEAD_LETTER_TOPIC: ['a,b'],
  ALLOWED_REPLY_TOPICS: ['a topic', 'a,', ',a', 'a,,b', 'a;b', 'a,b/c', 'x'.repeat(250)],
  TOPIC_PARTITIONS: ['0', '1001', 'x', '1.5'],
  TOPIC_REPLICAS: ['0', '101', 'x', '1.5', '-1'],
  TOPIC_RETENTION_DAYS: ['0', '36501', 'x', '1.5', '-1', '7d'],
  DEAD_LETTER_RETENTION_DAYS: ['0', '36501', 'x', '1.5', '-1'],
  TOPICS_STRICT: ['yes', '1', 'TRUE'],
  KAFKA_SEND_TIMEOUT_MS: ['0', '-5', '5s'],
  PROBLEM_BASE_URL: ['a-secret', 'ftp://a-secret.test'],
  OTEL_TRACES_SAMPLER_ARG: ['-0.1', '1.1', 'half'],
  LOG_LEVEL: ['INFO', 'a-secret'],
}

describe('tokens', () => {
  const token = { JWT_ISSUER: 'https://issuer.test/', JWT_AUDIENCE: 'a' }

  test.each([
    'https://issuer.test/keys?v=1',
    'http://127.0.0.1:8080/keys',
    'http://localhost/keys',
    'http://[::1]:8080/keys',
  ])('may be checked with keys from %s', (JWT_JWKS_URL) => {
    expect(parseConfig({ ...token, JWT_JWKS_URL }).access).toEqual({
      issuer: 'https://issuer.test/',
      audience: 'a',
      jwksUrl: JWT_JWKS_URL,
    })
  })

  test.each([
    'http://issuer.test/keys',
    'http://10.0.0.7/keys',
    'http://localhost.issuer.test/keys',
    'https://me:a-secret@issuer.test/keys',
    'https://a-secret@issuer.test/keys',
    'ftp://127.0.0.1/keys',
    'file:///a-secret',
    'issuer.test/keys',
    'a-secret',
  ])('are not checked with keys from %s', (JWT_JWKS_URL) => {
    expect(complaintsOf({ ...token, JWT_JWKS_URL })).toEqual([
      'JWT_JWKS_URL must be an https:// URL without a login, or on this machine an http:// one',
    ])
  })

  test('are asked for with all three variables, and with none of them not at all', () => {
    expect(parseConfig({}).access).toBeUndefined()
    expect(complaintsOf(token)).toEqual([
      'JWT_JWKS_URL is missing: JWT_ISSUER, JWT_AUDIENCE, JWT_JWKS_URL go together',
    ])
  })
})

describe.each(Object.entries(WRONG))('%s', (name, values) => {
  test.each(values)('cannot be %s, and the complaint names it alone', (value) => {
    const complaints = complaintsOf({ DATABASE_URL, KAFKA_BROKERS, [name]: value })
    expect(complaints).toHaveLength(1)
    expect(complaints[0]).toMatch(new RegExp(`^${name} \\S`))
    expect(complaints[0]).not.toContain('secret')
  })
})

test('all complaints come at once, and none tells a value', () => {
  const env = Object.fromEntries(Object.entries(WRONG).map(([name, values]) => [name, values[0]!]))
  const complaints = complaintsOf(env)
  expect(complaints.map((complaint) => complaint.split(' ')[0]).sort()).toEqual(Object.keys(WRONG).sort())
  expect(complaints.join()).not.toContain('secret')
  const lacking = complaintsOf({ KAFKA_BROKERS, PORT: 'x', MIGRATE_DATABASE_URL })
  expect(lacking).toHaveLength(3)
})

test('the help has a line for every variable, with its default and no secret', () => {
  const lines = describeVariables().split('\n')
  expect(lines.every((line) => /^ {2}[A-Z_]+ +\S.*/.test(line))).toBe(true)
  for (const name of Object.keys(WRONG))
    expect(
      lines.some((line) => line.includes(` ${name} `)),
      name,
    ).toBe(true)
  expect(describeVariables()).toMatch(/^ {2}PORT +Port that HTTP listens on \(default: 8080\)$/m)
})

test('the three topics are three: a reply that is read as a request would never end', () => {
  for (const env of [
    { REPLY_TOPIC: 'workflow.registrations' },
    { DEAD_LETTER_TOPIC: 'workflow.registrations' },
    { REQUEST_TOPIC: 'same', REPLY_TOPIC: 'same' },
  ])
    expect(complaintsOf(env).join()).toContain('must be three topics')
})

test('requests and metrics have a port each', () => {
  const complaint = 'PORT and METRICS_PORT must be two ports'
  expect(complaintsOf({ PORT: '9464' })).toEqual([complaint])
  expect(complaintsOf({ PORT: '81', METRICS_PORT: '81' })).toEqual([complaint])
  expect(complaintsOf({ PORT: '0', METRICS_PORT: '0' })).toEqual([])
})

test('the topics of requests and dead letters are none for replies', () => {
  for (const name of ['REQUEST_TOPIC', 'DEAD_LETTER_TOPIC'])
    expect(complaintsOf({ [name]: 'theirs', ALLOWED_REPLY_TOPICS: 'fine, theirs' })).toEqual([
      `ALLOWED_REPLY_TOPICS must not have ${name}: it is no topic for replies`,
    ])
})

describe('what secures Kafka', () => {
  const kafkaOf = (env: Record<string, string>) =>
    parseConfig({ DATABASE_URL, KAFKA_BROKERS, ...env }).infrastructure?.kafka
  const complaintsWith = (env: Record<string, string>) =>
    complaintsOf({ DATABASE_URL, KAFKA_BROKERS, ...env })
  const login = {
    KAFKA_SASL_MECHANISM: 'scram-sha-512',
    KAFKA_SASL_USERNAME: 'registrar',
    KAFKA_SASL_PASSWORD: 'a-secret',
  }
  const files = { KAFKA_TLS_CERT_FILE: 'client.pem', KAFKA_TLS_KEY_FILE: 'client.key' }

  test('is nothing unless it is given', () => {
    expect(kafkaOf({})).toMatchObject({ tls: undefined, sasl: undefined })
    expect(kafkaOf({ KAFKA_TLS: 'false' })).toMatchObject({ tls: undefined })
  })

  test('is TLS when it is said, or when there is a file for it', () => {
    expect(kafkaOf({ KAFKA_TLS: 'true' })).toMatchObject({ tls: { caFile: undefined } })
    expect(kafkaOf({ KAFKA_TLS_CA_FILE: 'ca.pem' })).toMatchObject({ tls: { caFile: 'ca.pem' } })
    expect(kafkaOf(files)).toMatchObject({ tls: { certFile: 'client.pem', keyFile: 'client.key' } })
  })

  test('is a login with its mechanism', () => {
    expect(kafkaOf(login)).toMatchObject({
      sasl: { mechanism: 'scram-sha-512', username: 'registrar', password: 'a-secret' },
    })
  })

  test.each(['SCRAM-SHA-512', 'Scram-Sha-512'])('takes the mechanism as %s too', (mechanism) => {
    expect(kafkaOf({ ...login, KAFKA_SASL_MECHANISM: mechanism })).toEqual(kafkaOf(login))
  })

  test.each(['oauthbearer', 'a-secret'])(
    'is no login by %s, and the complaint names what it can be',
    (mechanism) => {
      const complaints = complaintsWith({ ...login, KAFKA_SASL_MECHANISM: mechanism })
      expect(complaints).toHaveLength(1)
      expect(complaints[0]).toMatch(/^KAFKA_SASL_MECHANISM .*plain.*scram-sha-256.*scram-sha-512/)
      expect(complaints[0]).not.toContain('secret')
    },
  )

  test.each(Object.keys(login))('is a complaint when of the login only %s is missing', (name) => {
    expect(complaintsWith({ ...login, [name]: '' })).toEqual([
      `${name} is missing: KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD go together`,
    ])
  })

  test.each(Object.keys(files))(
    'is a complaint when of the certificate and its key %s is missing',
    (name) => {
      expect(complaintsWith({ ...files, [name]: '' })).toEqual([
        `${name} is missing: KAFKA_TLS_CERT_FILE, KAFKA_TLS_KEY_FILE go together`,
      ])
    },
  )

  test('is a complaint when there are files for a TLS that is denied', () => {
    expect(complaintsWith({ KAFKA_TLS: 'false', KAFKA_TLS_CA_FILE: 'ca.pem' })).toEqual([
      'KAFKA_TLS is false, but there are files for TLS',
    ])
  })
})

test.each(['disable', 'require', 'verify-full'])('the sslmode %s is taken', (mode) => {
  expect(complaintsOf({ DATABASE_URL: `${DATABASE_URL}?sslmode=${mode}`, KAFKA_BROKERS })).toEqual([])
})
