import { writeFileSync } from 'node:fs'
import path from 'node:path'
import {
  type AclEntry,
  AclOperationTypes,
  AclPermissionTypes,
  AclResourceTypes,
  ResourcePatternTypes,
} from 'kafkajs'
import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest'
import { parseConfig } from '../../src/config.ts'
import { migrate } from '../../src/db/migrate.ts'
import type { Certificate } from '../support/certificates.ts'
import { expectSentence, failingStart, SECRET } from '../support/failing-start.ts'
import { get, post } from '../support/http.ts'
import { listen, plainKafka } from '../support/kafka.ts'
import { scrape } from '../support/metrics.ts'
import { SERVICE, type SecuredKafka, STRANGER, startSecuredKafka } from '../support/secured-kafka.ts'
import { until } from '../support/until.ts'
import { aWorkflow } from '../support/workflows.ts'
import { makeWorld, startApp, type World } from '../support/world.ts'

type Env = Record<string, string>

let secured: SecuredKafka
/** Its brokers are the usual listener, which wants nothing; each test says what the service has instead. */
let world: World
let client: Certificate
let strangersClient: Certificate
beforeAll(async () => {
  secured = await startSecuredKafka()
  client = secured.authority.sign('service')
  strangersClient = secured.stranger.sign('service')
  world = await makeWorld({ ...inject('servers'), kafkaBrokers: secured.kafka.brokers })
  const { migrateDatabaseUrl, databaseUrl } = world.infrastructure
  await migrate(migrateDatabaseUrl, databaseUrl)
})
afterAll(async () => {
  await world?.close()
  await secured?.close()
})

const login = (mechanism: string, { username, password } = SERVICE): Env => ({
  KAFKA_SASL_MECHANISM: mechanism,
  KAFKA_SASL_USERNAME: username,
  KAFKA_SASL_PASSWORD: password,
})
const trusted = (): Env => ({ KAFKA_TLS_CA_FILE: secured.authority.certFile })
const shown = ({ certFile, keyFile }: Certificate): Env => ({
  KAFKA_TLS_CERT_FILE: certFile,
  KAFKA_TLS_KEY_FILE: keyFile,
})

/** The service in this process, as the environment says. */
async function startWith(env: Env) {
  const { infrastructure } = parseConfig({ ...world.env, ...env })
  if (!infrastructure) throw new Error('no servers')
  const app = await startApp(
    { ...world, infrastructure: { ...world.infrastructure, kafka: infrastructure.kafka } },
    { env: { CONSUMER_GROUP: `group-${crypto.randomUUID()}`, ...env } },
  )
  onTestFinished(() => app.close())
  return app
}

/** Where each test's broker is, and how it gets in. */
const WAYS: Record<string, () => Env> = {
  'PLAIN over TLS': () => ({
    KAFKA_BROKERS: secured.address('SECURE'),
    ...login('plain'),
    ...trusted(),
  }),
  'SCRAM-SHA-256 over TLS': () => ({
    KAFKA_BROKERS: secured.address('SECURE'),
    ...login('scram-sha-256'),
    ...trusted(),
  }),
  'SCRAM-SHA-512 over TLS': () => ({
    KAFKA_BROKERS: secured.address('SECURE'),
    ...login('scram-sha-512'),
    ...trusted(),
  }),
  'SCRAM-SHA-512 without TLS': () => ({
    KAFKA_BROKERS: secured.address('LOGIN'),
    ...login('scram-sha-512'),
  }),
  'a certificate of its own': () => ({
    KAFKA_BROKERS: secured.address('MUTUAL'),
    ...trusted(),
    ...shown(client),
  }),
}

test.each(Object.keys(WAYS))('the whole service runs with %s', async (way) => {
  const app = await startWith(WAYS[way]!())
  const replies = await listen(world, world.env.REPLY_TOPIC!)
  onTestFinished(() => replies.close())

  const workflow = aWorkflow()
  expect(await post(`${app.url}/api/v1/workflows`, workflow)).toMatchObject({ status: 201 })
  const accepted = await post(`${app.url}/api/v1/workflow-requests`, workflow)
  expect(accepted.status).toBe(202)
  const location = accepted.headers.get('location')!
  await until('its outcome', async () => (await get(app.url + location)).body.state === 'conflict')
  const reply = await until('its reply', () =>
    replies.records.find(({ key }) => key === workflow.workflow_name),
  )
  expect(JSON.parse(String(reply.value))).toMatchObject({ state: 'conflict' })
  expect(JSON.stringify(app.logs)).not.toContain(SECRET)
})

/** What is wrong, and what the start must say of it. */
const WRONG: Record<string, { env: () => Env; says: RegExp }> = {
  'a wrong password (PLAIN)': {
    env: () => ({ ...WAYS['PLAIN over TLS']!(), KAFKA_SASL_PASSWORD: `a-wrong-${SECRET}` }),
    says: /refuses the login: KAFKA_SASL_USERNAME or KAFKA_SASL_PASSWORD is wrong/,
  },
  'a wrong password (SCRAM)': {
    env: () => ({ ...WAYS['SCRAM-SHA-512 over TLS']!(), KAFKA_SASL_PASSWORD: `a-wrong-${SECRET}` }),
    says: /refuses the login: KAFKA_SASL_USERNAME or KAFKA_SASL_PASSWORD is wrong/,
  },
  'no login where one is wanted': {
    env: () => ({ KAFKA_BROKERS: secured.address('LOGIN') }),
    says: /perhaps it wants a login \(KAFKA_SASL_MECHANISM\)/,
  },
  'a login where none is taken': {
    env: () => ({ ...login('plain') }),
    says: /takes no login on this port: KAFKA_SASL_MECHANISM/,
  },
  'an unknown authority': {
    env: () => ({ ...WAYS['PLAIN over TLS']!(), KAFKA_TLS_CA_FILE: secured.stranger.certFile }),
    says: /an authority that is not trusted here: KAFKA_TLS_CA_FILE/,
  },
  'the usual authorities alone': {
    env: () => ({ KAFKA_BROKERS: secured.address('SECURE'), ...login('plain'), KAFKA_TLS: 'true' }),
    says: /an authority that is not trusted here: KAFKA_TLS_CA_FILE/,
  },
  'a certificate for another host': {
    env: () => ({ ...WAYS['PLAIN over TLS']!(), KAFKA_BROKERS: secured.address('SECURE', 'localhost') }),
    says: /a certificate for another host than the one that KAFKA_BROKERS/,
  },
  'a certificate that has expired': {
    env: () => ({ KAFKA_BROKERS: secured.address('EXPIRED'), ...trusted() }),
    says: /a certificate that has expired/,
  },
  'TLS where none is spoken': {
    env: () => ({ ...trusted() }),
    says: /does not speak TLS on this port: KAFKA_TLS/,
  },
  'TLS and a login where no TLS is spoken': {
    env: () => ({ KAFKA_BROKERS: secured.address('LOGIN'), ...login('plain'), ...trusted() }),
    says: /does not speak TLS on this port: KAFKA_TLS/,
  },
  'no TLS where it is spoken': {
    env: () => ({ KAFKA_BROKERS: secured.address('SECURE'), ...login('plain') }),
    says: /speaks nothing but TLS on this port: set KAFKA_TLS/,
  },
  'no certificate where one is wanted': {
    env: () => ({ KAFKA_BROKERS: secured.address('MUTUAL'), ...trusted() }),
    says: /wants one: KAFKA_TLS_CERT_FILE and KAFKA_TLS_KEY_FILE/,
  },
  'a certificate that the broker does not trust': {
    env: () => ({ KAFKA_BROKERS: secured.address('MUTUAL'), ...trusted(), ...shown(strangersClient) }),
    says: /does not accept the certificate that we show/,
  },
  'a file that is not there': {
    env: () => ({ KAFKA_TLS_CA_FILE: '/nowhere/ca.pem' }),
    says: /^KAFKA_TLS_CA_FILE: \/nowhere\/ca.pem: there is no such file$/,
  },
  'a file that cannot be read': {
    env: () => ({ KAFKA_TLS_CA_FILE: secured.folder }),
    says: /^KAFKA_TLS_CA_FILE: \S+: it cannot be read \(EISDIR\)$/,
  },
  'a file that is no PEM': {
    env: () => {
      const file = path.join(secured.folder, 'no-pem')
      writeFileSync(file, SECRET)
      return { ...trusted(), ...shown(client), KAFKA_TLS_KEY_FILE: file }
    },
    says: /^KAFKA_TLS_KEY_FILE: \S+: it holds no private key without a passphrase in PEM$/,
  },
  'the key of another certificate': {
    env: () => ({ ...trusted(), ...shown(client), KAFKA_TLS_KEY_FILE: strangersClient.keyFile }),
    says: /^KAFKA_TLS_KEY_FILE: the private key in \S+ is not that of the certificate beside it$/,
  },
  'a user who may not make topics': {
    env: () => ({
      KAFKA_BROKERS: secured.address('LOGIN'),
      ...login('plain', STRANGER),
      REQUEST_TOPIC: 'of-others',
    }),
    says: /TOPIC_AUTHORIZATION_FAILED/,
  },
}

/** For all whose name begins with `shared`. */
function allowStranger(resourceType: AclResourceTypes, operation: AclOperationTypes): AclEntry {
  return {
    resourceType,
    resourceName: 'shared',
    resourcePatternType: ResourcePatternTypes.PREFIXED,
    principal: `User:${STRANGER.username}`,
    host: '*',
    operation,
    permissionType: AclPermissionTypes.ALLOW,
  }
}

describe('a start ends within 10 s and 5 attempts, with one sentence and no secret,', () => {
  test.each(Object.keys(WRONG))('for %s', async (name) => {
    const { env, says } = WRONG[name]!
    const { MIGRATE_DATABASE_URL: _, ...ownEnv } = world.env
    const ended = await failingStart('ingress', { ...ownEnv, ...env() })
    expectSentence(ended, says)
    expect(ended.output).not.toMatch(/invalid (username|credentials)/i) // what the broker says of it
    expect(ended.output.match(/trying another broker|BrokerPool.*Closed/g)?.length ?? 0).toBeLessThanOrEqual(
      5,
    )
  })

  test('for a worker who may use the topics, but not the group; and with the group it runs', async () => {
    const env: Env = {
      ...world.env,
      REQUEST_TOPIC: 'shared',
      REPLY_TOPIC: 'shared-out',
      DEAD_LETTER_TOPIC: 'shared-dlq',
    }
    const admin = plainKafka(world).admin()
    await admin.connect()
    onTestFinished(() => admin.disconnect())
    await admin.createTopics({ topics: ['shared', 'shared-out', 'shared-dlq'].map((topic) => ({ topic })) })
    await admin.createAcls({
      acl: [AclOperationTypes.READ, AclOperationTypes.WRITE, AclOperationTypes.DESCRIBE_CONFIGS].map(
        (operation) => allowStranger(AclResourceTypes.TOPIC, operation),
      ),
    })
    const way = { KAFKA_BROKERS: secured.address('LOGIN'), ...login('plain', STRANGER) }
    expectSentence(
      await failingStart('worker', { ...env, ...way }),
      /does not let this user into the group: grant it that of CONSUMER_GROUP/,
    )

    await admin.createAcls({ acl: [allowStranger(AclResourceTypes.GROUP, AclOperationTypes.READ)] })
    const app = await startWith({ ...env, ...way, CONSUMER_GROUP: 'shared' })
    const { headers } = await post(`${app.url}/api/v1/workflow-requests`, aWorkflow())
    const location = headers.get('location')!
    await until('its outcome', async () => (await get(app.url + location)).body.state === 'created')
  })
})

test('the tools say the same of a wrong password', async () => {
  const { env, says } = WRONG['a wrong password (PLAIN)']!
  const run = (name: string, ...args: string[]) => failingStart(name, { ...world.env, ...env() }, ...args)
  const ends = [run('dlq', 'list'), run('progress'), run('verify-replay'), run('topics')]
  for (const end of await Promise.all(ends)) expectSentence(end, says)
})

test('a worker whose login is revoked says so and waits, and goes on once it is let in again', async () => {
  const app = await startWith(WAYS['PLAIN over TLS']!())
  const ready = () => get(`${app.url}/health/ready`)
  await until('readiness', async () => (await ready()).status === 200)
  const partitions = async () =>
    (await scrape(app.metricsUrl)).filter(({ name }) => name === 'registrar_lag_records').length
  await until('its partitions to be told', async () => (await partitions()) > 0)

  const password = secured.passwords[SERVICE.username]!
  const changeTo = async (other: string) => {
    await secured.kafka.stop()
    secured.passwords[SERVICE.username] = other
    await secured.kafka.start()
  }
  await changeTo(`revoked-${SECRET}`)
  const refusal = /the login: KAFKA_SASL_USERNAME or KAFKA_SASL_PASSWORD is wrong/
  await until('readiness to say so', async () => {
    const { status, body } = await ready()
    return status === 503 && refusal.test(body.detail)
  })
  const told = () => app.logs.filter(({ level, msg }) => level === 'error' && msg === 'the worker waits')
  await until('the worker to say so', () => told().length > 0)
  expect(told()[0]!.reason).toMatch(/refuses the login/)
  expect(await partitions(), 'others may have them').toBe(0)

  await changeTo(password)
  expect(told()).toHaveLength(1)
  await until('readiness', async () => (await ready()).status === 200)
  const accepted = await post(`${app.url}/api/v1/workflow-requests`, aWorkflow())
  expect(accepted.status).toBe(202)
  const location = accepted.headers.get('location')!
  await until('its outcome', async () => (await get(app.url + location)).body.state === 'created')
  expect(app.crashes).toEqual([])
  expect(JSON.stringify(app.logs)).not.toContain(SECRET)
})
