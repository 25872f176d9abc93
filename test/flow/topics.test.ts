import { expect, onTestFinished, test } from 'vitest'
import { StartError } from '../../src/start-error.ts'
import { get } from '../support/http.ts'
import { produce } from '../support/kafka.ts'
import { asAdmin } from '../support/log-ends.ts'
import { startProcess } from '../support/process.ts'
import { until } from '../support/until.ts'
import { aWorkflow } from '../support/workflows.ts'
import { makeWorld, startApp, type World } from '../support/world.ts'

async function aWorld(env: Record<string, string> = {}): Promise<World> {
  const world = await makeWorld()
  onTestFinished(() => world.close())
  Object.assign(world.env, env)
  return world
}

/** A world whose request topic is compacted and whose allowed reply topic is missing. */
async function unsafeWorld() {
  const world = await aWorld({ ALLOWED_REPLY_TOPICS: 'of.nobody' })
  const topic = world.env.REQUEST_TOPIC!
  const configEntries = [{ name: 'cleanup.policy', value: 'compact' }]
  await asAdmin(world, (admin) =>
    admin.createTopics({ topics: [{ topic, numPartitions: 1, configEntries }] }),
  )
  return {
    world,
    topic,
    sentences: [/^cleanup\.policy is compact: .+; set cleanup\.policy=delete /, /^not there, /],
  }
}

async function startFailure(world: World, env: Record<string, string> = {}): Promise<string> {
  const started = startApp(world, { env, roles: ['worker'] })
  started.then((app) => app.close()).catch(() => {})
  const error = await started.then(
    () => undefined,
    (error) => error,
  )
  expect(error).toBeInstanceOf(StartError)
  return error.message
}

test('what is unsafe about a topic is one warning at the start, in the log and in words', async () => {
  const { world, topic, sentences } = await unsafeWorld()
  const app = await startApp(world)
  onTestFinished(() => app.close())
  expect(app.logs.filter(({ level }) => level === 'warn')).toMatchObject([
    { msg: 'a topic is set up unsafely', topic, sentence: expect.stringMatching(sentences[0]!) },
    { msg: 'a topic is set up unsafely', topic: 'of.nobody', sentence: expect.stringMatching(sentences[1]!) },
  ])
  const ingress = await startProcess('ingress', world)
  const warnings = ingress.lines.filter((line) => line.startsWith('Kafka: warning: '))
  expect(warnings).toHaveLength(2)
  expect(warnings[0]).toContain(`${topic}: cleanup.policy is compact`)
})

test('with TOPICS_STRICT what is unsafe ends the start, and all of it is listed', async () => {
  const { world, topic, sentences } = await unsafeWorld()
  const [first, ...listed] = (await startFailure(world, { TOPICS_STRICT: 'true' })).split('\n  ')
  expect(first).toBe('Cannot start: TOPICS_STRICT is true, and')
  expect(listed).toHaveLength(2)
  for (const [index, name] of [topic, 'of.nobody'].entries()) {
    expect(listed[index]).toMatch(new RegExp(`^${name}: `))
    expect(listed[index]!.slice(name.length + 2)).toMatch(sentences[index]!)
  }
})

test('topics that the service made itself are fine for TOPICS_STRICT', async () => {
  const world = await aWorld({ TOPICS_STRICT: 'true' })
  for (const _ of ['made', 'there']) {
    const app = await startApp(world)
    await app.close()
    expect(app.logs.filter(({ level }) => level === 'warn')).toEqual([])
  }
})

test('topics that the brokers would not make end the start in a sentence', async () => {
  expect(await startFailure(await aWorld({ TOPIC_REPLICAS: '3' }))).toBe(
    'Cannot start: TOPIC_REPLICAS is 3, but there is only one broker to make topics on',
  )
})

/** Another deployment with topics of its own, but with the same consumer group. */
function sameGroup(world: World): World {
  const topics = ['REQUEST_TOPIC', 'REPLY_TOPIC', 'DEAD_LETTER_TOPIC']
  const others = Object.fromEntries(topics.map((name) => [name, `other.${world.env[name]}`]))
  return { ...world, env: { ...world.env, ...others } }
}

const refusal = (world: World, other: string) =>
  `Cannot start: the consumer group ${world.env.CONSUMER_GROUP} has members that read ${other}, and would take partitions of ${world.env.REQUEST_TOPIC} from it; set CONSUMER_GROUP to one of its own for each REQUEST_TOPIC`

test('a worker whose group has members on another topic does not start, and they go on', async () => {
  const world = await aWorld()
  const other = sameGroup(world)
  const first = await startApp(world, { roles: ['worker'] })
  onTestFinished(() => first.close())
  expect(await startFailure(other)).toBe(refusal(other, world.env.REQUEST_TOPIC!))

  await produce(world, [{ value: JSON.stringify(aWorkflow()) }])
  await until('an outcome', async () => (await countOutcomes(world)) === 1)
  expect((await get(`${first.url}/health/ready`)).status).toBe(200)

  const second = await startApp(world, { roles: ['worker'] })
  await second.close()
  const ingress = await startApp(other, { roles: ['ingress'] })
  await ingress.close()
  await first.close()
  const later = await startApp(other, { roles: ['worker'] })
  await later.close()
})

test('of two workers that start at once with one group and two topics, not both come up', async () => {
  const world = await aWorld()
  const other = sameGroup(world)
  await (await startApp(world, { roles: ['ingress'] })).close()
  const started = await Promise.allSettled([world, other].map((one) => startApp(one, { roles: ['worker'] })))
  for (const one of started) if (one.status === 'fulfilled') await one.value.close()
  const refused = started.flatMap((one) => (one.status === 'rejected' ? [one.reason.message] : []))
  expect(refused.length).toBeGreaterThan(0)
  for (const message of refused)
    expect([refusal(world, other.env.REQUEST_TOPIC!), refusal(other, world.env.REQUEST_TOPIC!)]).toContain(
      message,
    )
})

async function countOutcomes(world: World): Promise<number> {
  const { rows } = await world.owner.query('select count(*)::int as count from registration_request')
  return rows[0].count
}
