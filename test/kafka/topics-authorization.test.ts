import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } from 'kafkajs'
import { afterAll, beforeAll, expect, inject, onTestFinished, test } from 'vitest'
import { parseConfig } from '../../src/config.ts'
import { type Kafka, startKafka } from '../../src/embedded/kafka.ts'
import { asAdmin } from '../support/log-ends.ts'
import { startProcess } from '../support/process.ts'
import { until } from '../support/until.ts'
import { makeWorld, startApp, type World } from '../support/world.ts'

const dataDir = mkdtempSync(path.join(tmpdir(), 'workflow-registrar-authorizer-'))
let kafka: Kafka

beforeAll(async () => {
  kafka = await startKafka({
    ...{ dataDir, port: 0, signal: new AbortController().signal },
    settings: (usual) => ({
      ...usual,
      'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      'allow.everyone.if.no.acl.found': true,
    }),
    say: () => {},
    onExit: () => {},
  })
})
afterAll(async () => {
  await kafka?.stop()
  rmSync(dataDir, { recursive: true, force: true })
})

async function aWorld(): Promise<World> {
  const world = await makeWorld({ ...inject('servers'), kafkaBrokers: kafka.brokers })
  onTestFinished(() => world.close())
  return world
}

/** Allows everything on a resource but that one operation. */
async function deny(world: World, resourceType: number, resourceName: string, operation: number) {
  const common = { resourceType, resourceName, principal: 'User:ANONYMOUS', host: '*' }
  const entry = { ...common, resourcePatternType: ResourcePatternTypes.LITERAL }
  await asAdmin(world, (admin) =>
    admin.createAcls({
      acl: [
        { ...entry, operation: AclOperationTypes.ALL, permissionType: AclPermissionTypes.ALLOW },
        { ...entry, operation, permissionType: AclPermissionTypes.DENY },
      ],
    }),
  )
}

test('settings that the brokers do not tell are a warning, and with TOPICS_STRICT a refusal', async () => {
  const world = await aWorld()
  const { requests } = parseConfig(world.env).topics
  await (await startApp(world, { roles: ['ingress'] })).close()
  await deny(world, AclResourceTypes.TOPIC, requests, AclOperationTypes.DESCRIBE_CONFIGS)
  const sentence =
    'the brokers do not tell its settings (TOPIC_AUTHORIZATION_FAILED), so they are not checked: allow this client DescribeConfigs on the topic'
  const warned = await until('a start that is not told', async () => {
    const app = await startApp(world)
    await app.close()
    return app.logs.some(({ level }) => level === 'warn') && app
  })
  expect(warned.logs.filter(({ level }) => level === 'warn')).toMatchObject([
    { msg: 'a topic is set up unsafely', topic: requests, sentence },
  ])
  const strict = startApp(world, { env: { TOPICS_STRICT: 'true' } })
  strict.then((app) => app.close()).catch(() => {})
  await expect(strict).rejects.toThrow(`Cannot start: TOPICS_STRICT is true, and\n  ${requests}: ${sentence}`)
})

test('topics that this client may not make end the start in a sentence that names them', async () => {
  const world = await aWorld()
  const { replies } = parseConfig(world.env).topics
  await deny(world, AclResourceTypes.TOPIC, replies, AclOperationTypes.CREATE)
  await deny(world, AclResourceTypes.CLUSTER, 'kafka-cluster', AclOperationTypes.CREATE)
  const started = startApp(world)
  started.then((app) => app.close()).catch(() => {})
  await expect(started).rejects.toThrow(
    `Cannot start: Kafka does not make the topic ${replies} (TOPIC_AUTHORIZATION_FAILED)`,
  )
})

test('a group whose members the brokers do not tell is a warning', async () => {
  const world = await aWorld()
  await deny(world, AclResourceTypes.GROUP, world.env.CONSUMER_GROUP!, AclOperationTypes.DESCRIBE)
  await until('a group that is not told', () =>
    asAdmin(world, (admin) =>
      admin.describeGroups([world.env.CONSUMER_GROUP!]).then(
        () => false,
        () => true,
      ),
    ),
  )
  const worker = await startProcess('worker', world)
  const warning = await until('the warning', () => worker.lines.find((line) => line.includes('subscribe to')))
  expect(JSON.parse(warning)).toMatchObject({
    level: 'warn',
    group: world.env.CONSUMER_GROUP,
    msg: 'the brokers do not tell what the members of the consumer group subscribe to',
  })
})
