import kafkajs, { type Admin } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { parseConfig, type Topics } from '../../src/config.ts'
import { topicFindings } from '../../src/kafka/topic-findings.ts'
import type { TopicState } from '../../src/kafka/topic-state.ts'
import {
  findTopics,
  planTopics,
  type TopicNames,
  TopicRefusal,
  type TopicsFound,
} from '../../src/kafka/topics.ts'
import { plainKafka } from '../support/kafka.ts'
import { asAdmin } from '../support/log-ends.ts'
import { until } from '../support/until.ts'
import { makeWorld, type World } from '../support/world.ts'

async function aWorld(env: Record<string, string> = {}): Promise<{ world: World; topics: Topics }> {
  const world = await makeWorld()
  onTestFinished(() => world.close())
  return { world, topics: parseConfig({ ...world.env, ...env }).topics }
}

describe('topics that are missing', () => {
  test('are made with settings of their own, of which there is nothing to complain', async () => {
    const { world, topics } = await aWorld({ TOPIC_RETENTION_DAYS: '3', DEAD_LETTER_RETENTION_DAYS: '90' })
    const { requests, replies, deadLetters } = topics
    await asAdmin(world, async (admin) => {
      const found = await findTopics(admin, topics, { make: true })
      expect(found.made).toEqual([requests, replies, deadLetters])
      expect(found.missing).toEqual([])
      const common = { 'cleanup.policy': 'delete', 'retention.bytes': '-1', 'min.insync.replicas': '1' }
      const kept = { ...common, 'retention.ms': '259200000' }
      const expected = {
        [requests]: { ...kept, 'max.message.bytes': '1048588' },
        [replies]: kept,
        [deadLetters]: { ...common, 'retention.ms': '7776000000', 'max.message.bytes': '4194304' },
      }
      for (const [topic, settings] of Object.entries(expected)) {
        expect(found.states.get(topic)).toMatchObject({
          partitions: topic === deadLetters ? 1 : 3,
          replicas: 1,
        })
        expect(await ownSettings(admin, topic)).toEqual(settings)
      }
      expect(topicFindings(found)).toEqual([])

      const again = await findTopics(admin, topics, { make: true })
      expect(again.made).toEqual([])
      expect(again.states).toEqual(found.states)
    })
  })

  test('are not made by who only looks, and those of others are never made', async () => {
    const { world, topics } = await aWorld({ ALLOWED_REPLY_TOPICS: `of-others-${crypto.randomUUID()}` })
    await asAdmin(world, async (admin) => {
      const before = await admin.listTopics()
      const seen = await findTopics(admin, topics, { make: false })
      expect(seen.missing).toEqual([
        ...[topics.requests, topics.replies, topics.deadLetters],
        ...topics.allowedReplies,
      ])
      expect(seen.states.size).toBe(0)
      expect((await admin.listTopics()).filter((name) => seen.missing.includes(name))).toEqual([])
      expect(before).not.toContain(topics.requests)

      const made = await findTopics(admin, topics, { make: true })
      expect(made.missing).toEqual(topics.allowedReplies)
      expect(topicFindings(made)).toEqual([
        {
          topic: topics.allowedReplies[0],
          sentence: `not there, or not for this client to see: replies that ask for it go to ${topics.replies}; make it, or take it out of ALLOWED_REPLY_TOPICS`,
        },
      ])
      await admin.createTopics({ topics: [{ topic: topics.allowedReplies[0]!, numPartitions: 1 }] })
      const all = await findTopics(admin, topics, { make: false })
      expect(all.missing).toEqual([])
      expect(topicFindings(all)).toEqual([])
    })
  })

  test('are made once by many who start at the same time', async () => {
    const { world, topics } = await aWorld()
    const found = await Promise.all(
      Array.from({ length: 4 }, () => asAdmin(world, (admin) => findTopics(admin, topics, { make: true }))),
    )
    for (const { states } of found) expect(states).toEqual(found[0]!.states)
    expect(found[0]!.states.size).toBe(3)
  })

  test.each([
    [{ TOPIC_REPLICAS: '3' }, 'TOPIC_REPLICAS is 3, but there is only one broker to make topics on'],
    [{ REQUEST_TOPIC: '.' }, 'Kafka does not make the topic . (INVALID_TOPIC_EXCEPTION)'],
  ])('and cannot be made with %o are refused in a sentence', async (env, sentence) => {
    const { world, topics } = await aWorld(env)
    const made = asAdmin(world, (admin) => findTopics(admin, topics, { make: true }))
    await expect(made).rejects.toThrow(new TopicRefusal(sentence))
  })
})

describe('of topics that are there', () => {
  let world: World
  let topics: Topics
  let admin: Admin
  beforeAll(async () => {
    world = await makeWorld()
    ;({ topics } = parseConfig(world.env))
    admin = plainKafka(world).admin()
    await admin.connect()
    await findTopics(admin, topics, { make: true })
  })
  afterAll(async () => {
    await admin.disconnect()
    await world.close()
  })

  /** What is found when one of them has that setting, and otherwise all is as it was made. */
  async function foundWith(role: keyof TopicNames, name: string, value: string): Promise<TopicsFound> {
    const resources = planTopics(topics, 1).map((plan) => ({
      type: kafkajs.ConfigResourceTypes.TOPIC,
      name: plan.topic,
      configEntries: Object.entries({
        ...plan.settings,
        ...(plan.role === role && { [name]: value }),
      }).map(([name, value]) => ({ name, value })),
    }))
    await admin.alterConfigs({ validateOnly: false, resources })
    return until('the settings', async () => {
      const found = await findTopics(admin, topics, { make: false })
      const isAltered = resources.every(({ name: topic, configEntries }) =>
        configEntries.every(({ name, value }) => found.states.get(topic)?.settings.get(name) === value),
      )
      return isAltered && found
    })
  }

  const ROLES = ['requests', 'replies', 'deadLetters'] as const
  const DAYS = { requests: 7, replies: 7, deadLetters: 30 }
  const LOSSES = {
    requests: 'a request that waits longer is lost',
    replies: 'a listener that is away longer misses replies',
    deadLetters: 'a dead letter is gone before somebody looks',
  }
  const days = (count: number) => String(count * 86_400_000)

  test.each(ROLES)('%s that are kept shorter than promised are found', async (role) => {
    const short = String(Number(days(DAYS[role])) - 1)
    const variable = role === 'deadLetters' ? 'DEAD_LETTER_RETENTION_DAYS' : 'TOPIC_RETENTION_DAYS'
    expect(topicFindings(await foundWith(role, 'retention.ms', short))).toEqual([
      {
        topic: topics[role],
        sentence: `retention.ms is ${short}, less than the ${DAYS[role]} days of ${variable}: ${LOSSES[role]}; set retention.ms=${days(DAYS[role])} (kafka-configs --alter)`,
      },
    ])
  })

  test.each(ROLES)('%s that are kept up to a size only are found', async (role) => {
    expect(topicFindings(await foundWith(role, 'retention.bytes', '1073741824'))).toEqual([
      {
        topic: topics[role],
        sentence: `retention.bytes is 1073741824, so a partition that grows beyond that loses its oldest records however young they are: ${LOSSES[role]}; set retention.bytes=-1 (kafka-configs --alter)`,
      },
    ])
  })

  test.each(ROLES.flatMap((role) => ['compact', 'compact,delete'].map((policy) => ({ role, policy }))))(
    '$role that are compacted by $policy are found',
    async ({ role, policy }) => {
      expect(topicFindings(await foundWith(role, 'cleanup.policy', policy))).toEqual([
        {
          topic: topics[role],
          sentence: `cleanup.policy is ${policy}: of the records with one workflow name only the last is kept, and one without a key is refused; set cleanup.policy=delete (kafka-configs --alter)`,
        },
      ])
    },
  )

  test.each(ROLES)('%s that nobody can send to for want of replicas are found', async (role) => {
    expect(topicFindings(await foundWith(role, 'min.insync.replicas', '2'))).toEqual([
      {
        topic: topics[role],
        sentence:
          'min.insync.replicas is 2, but there is 1 replica: older brokers then take no record at all; set min.insync.replicas=1 (kafka-configs --alter)',
      },
    ])
  })

  test.each(ROLES)('%s whose leader may be a broker that is behind are found', async (role) => {
    expect(topicFindings(await foundWith(role, 'unclean.leader.election.enable', 'true'))).toEqual([
      {
        topic: topics[role],
        sentence:
          'unclean.leader.election.enable is true: a broker that is behind may become leader, and records that were acknowledged are lost; set unclean.leader.election.enable=false (kafka-configs --alter)',
      },
    ])
  })

  test('a request topic that does not take every request is found', async () => {
    expect(topicFindings(await foundWith('requests', 'max.message.bytes', '540671'))).toEqual([
      {
        topic: topics.requests,
        sentence:
          'max.message.bytes is 540671, and a request may take 540672: large ones cannot be sent; set max.message.bytes=1048588 (kafka-configs --alter)',
      },
    ])
    expect(topicFindings(await foundWith('requests', 'max.message.bytes', '540672'))).toEqual([])
  })

  test('a dead letter topic that does not take all that the request topic takes is found', async () => {
    expect(topicFindings(await foundWith('deadLetters', 'max.message.bytes', '1048587'))).toEqual([
      {
        topic: topics.deadLetters,
        sentence: `max.message.bytes is 1048587, less than the 1048588 of ${topics.requests}: a dead letter may have to go without its value; set max.message.bytes=4194304 (kafka-configs --alter)`,
      },
    ])
    expect(topicFindings(await foundWith('deadLetters', 'max.message.bytes', '1048588'))).toEqual([])
    const larger = topicFindings(await foundWith('requests', 'max.message.bytes', '8388608'))
    expect(larger).toMatchObject([
      { topic: topics.deadLetters, sentence: expect.stringContaining('set max.message.bytes=8388608 ') },
    ])
  })

  test('those that keep more than was promised are fine', async () => {
    expect(topicFindings(await foundWith('requests', 'retention.ms', days(8)))).toEqual([])
    expect(topicFindings(await foundWith('deadLetters', 'retention.ms', '-1'))).toEqual([])
  })
})

describe('on several brokers', () => {
  const { topics } = parseConfig({})

  /** Topics with what was planned for so many brokers, less what the request topic has otherwise. */
  function found(
    brokers: number,
    requests: Partial<TopicState> = {},
    settings: Record<string, string> = {},
    given: Topics = topics,
  ): TopicsFound {
    const plans = planTopics(given, brokers)
    const states = plans.map((plan): [string, TopicState] => {
      const isRequests = plan.role === 'requests'
      const own = Object.entries({ ...plan.settings, ...(isRequests && settings) })
      const { partitions, replicas } = plan
      return [plan.topic, { partitions, replicas, settings: new Map(own), ...(isRequests && requests) }]
    })
    return { plans, states: new Map(states), made: [], missing: [] }
  }

  test.each([
    [1, undefined, 1, '1'],
    [2, undefined, 2, '1'],
    [3, undefined, 3, '2'],
    [9, undefined, 3, '2'],
    [9, 2, 2, '1'],
    [9, 5, 5, '2'],
  ])(
    '%i of them, and %s replicas asked for, make %i replicas and %s in sync',
    (brokers, asked, replicas, inSync) => {
      const given = { ...topics, replicas: asked }
      for (const plan of planTopics(given, brokers)) {
        expect(plan.replicas).toBe(replicas)
        expect(plan.settings['min.insync.replicas']).toBe(inSync)
      }
      expect(topicFindings(found(brokers, {}, {}, given))).toEqual([])
    },
  )

  test.each([
    [3, 1, '1', 'there is 1 replica where 3 are sound: records are lost with the disks of one broker; '],
    [5, 2, '1', 'there are 2 replicas where 3 are sound: records are lost with the disks of 2 brokers; '],
    [2, 1, '1', 'there is 1 replica where 2 are sound: '],
  ])('%i of them, too few replicas are found', (brokers, replicas, inSync, words) => {
    const findings = topicFindings(found(brokers, { replicas }, { 'min.insync.replicas': inSync }))
    expect(findings).toMatchObject([{ topic: topics.requests, sentence: expect.stringContaining(words) }])
    expect(findings[0]!.sentence).toMatch(/; give it more with kafka-reassign-partitions$/)
  })

  test('replicas that need not have a record are found', () => {
    expect(topicFindings(found(3, {}, { 'min.insync.replicas': '1' }))).toEqual([
      {
        topic: topics.requests,
        sentence:
          'min.insync.replicas is 1 of 3 replicas: a record counts as safe when one broker has it, and is lost with that broker; set min.insync.replicas=2 (kafka-configs --alter)',
      },
    ])
  })

  test('more replicas in sync than there are at all are found', () => {
    const findings = topicFindings(found(3, {}, { 'min.insync.replicas': '4' }))
    expect(findings).toMatchObject([
      {
        sentence: expect.stringContaining(
          'min.insync.replicas is 4, but there are 3 replicas: older brokers then take no record at all; set min.insync.replicas=2 ',
        ),
      },
    ])
  })

  test('all that is wrong with a topic is found at once', () => {
    const settings = { 'retention.ms': '1', 'retention.bytes': '1', 'cleanup.policy': 'compact' }
    expect(topicFindings(found(3, { replicas: 1 }, settings))).toHaveLength(5)
  })
})

/** What a topic has of its own, rather than from its broker. */
async function ownSettings(admin: Admin, name: string): Promise<Record<string, string>> {
  const TOPIC_CONFIG = 1
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name }],
  })
  const own = resources[0]!.configEntries.filter(({ configSource }) => configSource === TOPIC_CONFIG)
  return Object.fromEntries(own.map(({ configName, configValue }) => [configName, configValue]))
}
