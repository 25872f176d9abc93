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
      partitions: 12,
    },
    consumerGroup: 'workflow-registrar',
    problemBaseUrl: 'https://workflow-registrar.io',
    logLevel: 'info',
  })
})

test('an empty value is none', () => {
  const names = [...describeVariables().matchAll(/^ {2}([A-Z_]+)/gm)].map(([, name]) => [name!, ''])
  expect(names.length).toBeGreaterThan(10)
  expect(parseConfig(Object.fromEntries(names))).toEqual(parseConfig({}))
})

test('what is given is used', () => {
  const config = parseConfig({
    ...{ DATABASE_URL, MIGRATE_DATABASE_URL, KAFKA_BROKERS },
    ...{
      HOST: '::',
      PORT: '0',
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
      kafkaBrokers: ['k1.test:9092', 'k2.test:9093'],
    },
    problemBaseUrl: 'https://a.test/b',
    topics: { partitions: 3 },
    logLevel: 'debug',
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
  DATABASE_URL: ['mysql://u:a-secret@h/d', 'a-secret', 'postgresql//u:a-secret@h/d', 'http://a-secret@h'],
  MIGRATE_DATABASE_URL: ['a-secret'],
  KAFKA_BROKERS: ['a-secret', 'http://a-secret:9092', 'k1:9092,', 'k1', 'k1:9092;k2:9092'],
  REQUEST_TOPIC: ['a topic', 'x'.repeat(250), 'a/b'],
  REPLY_TOPIC: ['ü'],
  DEAD_LETTER_TOPIC: ['a,b'],
  TOPIC_PARTITIONS: ['0', '1001', 'x', '1.5'],
  KAFKA_SEND_TIMEOUT_MS: ['0', '-5', '5s'],
  PROBLEM_BASE_URL: ['a-secret', 'ftp://a-secret.test'],
  LOG_LEVEL: ['INFO', 'a-secret'],
}

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
  expect(lines).toContain('  PORT                    Port that HTTP listens on (default: 8080)')
})

test('the three topics are three: a reply that is read as a request would never end', () => {
  for (const env of [
    { REPLY_TOPIC: 'workflow.registrations' },
    { DEAD_LETTER_TOPIC: 'workflow.registrations' },
    { REQUEST_TOPIC: 'same', REPLY_TOPIC: 'same' },
  ])
    expect(complaintsOf(env).join()).toContain('must be three topics')
})
