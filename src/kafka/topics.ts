import { setTimeout as delay } from 'node:timers/promises'
import kafkajs, { type Admin } from 'kafkajs'
import type { Topics } from '../config.ts'
import { DAY_MS } from '../retention.ts'
import { kafkaRefusal } from './failure.ts'
import { readOffsets } from './log-offsets.ts'
import { readTopics, type TopicState } from './topic-state.ts'

export type TopicNames = Pick<Topics, 'requests' | 'replies' | 'deadLetters'>

/** What a topic is to have: it is made so where it is missing, and compared with this where it is there. */
export interface TopicPlan {
  topic: string
  role: keyof TopicNames
  partitions: number
  replicas: number
  settings: Readonly<Record<PlannedSetting, string>> & { 'max.message.bytes'?: string }
}

type PlannedSetting = 'cleanup.policy' | 'retention.ms' | 'retention.bytes' | 'min.insync.replicas'

/** Topics as they were found, in the order of the plan, and after them the other topics for replies. */
export interface TopicsFound {
  plans: readonly TopicPlan[]
  /** Every topic that is there, by name. */
  states: ReadonlyMap<string, TopicState>
  /** Names of those that were missing at first, and were made. */
  made: readonly string[]
  /** Names of those that are missing. */
  missing: readonly string[]
}

/** A topic that cannot be made: one sentence that says why. */
export class TopicRefusal extends Error {
  override readonly name = 'TopicRefusal'
}

/** One replica more than this outlives no failure that the others don't. */
const SOUND_REPLICAS = 3

/** What Kafka takes unless it is told otherwise, which is enough for any request. */
const REQUEST_BYTES = 1_048_588

/** A dead letter is a whole record and more: whatever fitted there has to fit here. */
const DEAD_LETTER_BYTES = 4 * 1024 * 1024

/** The topics of this service, with settings that are sound on so many brokers. */
export function planTopics(topics: Topics, brokers: number): TopicPlan[] {
  const replicas = topics.replicas ?? Math.min(SOUND_REPLICAS, brokers)
  const settings = (days: number) => ({
    'cleanup.policy': 'delete',
    'retention.ms': String(days * DAY_MS),
    'retention.bytes': '-1',
    'min.insync.replicas': replicas >= SOUND_REPLICAS ? '2' : '1',
  })
  const kept = settings(topics.retentionDays)
  return [
    {
      ...{ topic: topics.requests, role: 'requests', partitions: topics.partitions, replicas },
      settings: { ...kept, 'max.message.bytes': String(REQUEST_BYTES) },
    },
    { topic: topics.replies, role: 'replies', partitions: topics.partitions, replicas, settings: kept },
    {
      ...{ topic: topics.deadLetters, role: 'deadLetters', partitions: 1, replicas },
      settings: {
        ...settings(topics.deadLetterRetentionDays),
        'max.message.bytes': String(DEAD_LETTER_BYTES),
      },
    },
  ]
}

/** Looks at the topics. Makes those of this service that are missing, if told to; the others are not its own. */
export async function findTopics(
  admin: Admin,
  topics: Topics,
  { make }: { make: boolean },
): Promise<TopicsFound> {
  const { brokers } = await admin.describeCluster()
  const plans = planTopics(topics, brokers.length)
  const names = [...new Set([...plans.map(({ topic }) => topic), ...topics.allowedReplies])]
  const before = new Set(await admin.listTopics())
  const unmade = plans.filter(({ topic }) => !before.has(topic))
  if (make) {
    await makeTopics(admin, unmade, brokers.length)
    for (const { topic } of plans) await hasLeaders(admin, topic) // another process may be making them
  }
  const made = make ? unmade.map(({ topic }) => topic) : []
  const present = names.filter((name) => before.has(name) || made.includes(name))
  return {
    plans,
    states: await readTopics(admin, present),
    made,
    missing: names.filter((name) => !present.includes(name)),
  }
}

async function makeTopics(admin: Admin, plans: readonly TopicPlan[], brokers: number): Promise<void> {
  if (plans.length === 0) return
  const replicas = Math.max(...plans.map((plan) => plan.replicas))
  if (replicas > brokers)
    throw new TopicRefusal(
      `TOPIC_REPLICAS is ${replicas}, but there ${brokers === 1 ? 'is only one broker' : `are only ${brokers} brokers`} to make topics on`,
    )
  try {
    await admin.createTopics({
      topics: plans.map(({ topic, partitions, replicas, settings }) => ({
        topic,
        numPartitions: partitions,
        replicationFactor: replicas,
        configEntries: Object.entries(settings).map(([name, value]) => ({ name, value })),
      })),
      // It throws when a broker has not yet heard of the topic that another one has just made.
      waitForLeaders: false,
    })
  } catch (error) {
    const why = refusals(error)
    if (why.length === 0) throw error
    throw new TopicRefusal(`Kafka does not make ${why.join(', ')}`, { cause: error })
  }
}

/** The topics that were refused, each with the broker's reason; kafkajs does not declare the topic of such an error. */
function refusals(error: unknown): string[] {
  if (!(error instanceof kafkajs.KafkaJSAggregateError)) return []
  return error.errors.flatMap((one) => {
    if (!(one instanceof kafkajs.KafkaJSProtocolError) || one.type === 'TOPIC_ALREADY_EXISTS') return []
    return `the topic ${'topic' in one ? one.topic : ''} (${one.type})`
  })
}

const LEADERS_TIMEOUT_MS = 15_000

async function hasLeaders(admin: Admin, topic: string): Promise<void> {
  for (const deadline = Date.now() + LEADERS_TIMEOUT_MS; ; ) {
    const found = await admin.fetchTopicMetadata({ topics: [topic] }).catch((error) => {
      if (kafkaRefusal(error) || Date.now() > deadline) throw error
    })
    if (found?.topics[0]?.partitions.every(({ leader }) => leader >= 0)) break
    if (Date.now() > deadline) throw new TopicRefusal(`The topic ${topic} has no leaders`)
    await delay(50)
  }
  // A leader that is named may not know of it yet. Of a send to several partitions of which one is refused, kafkajs
  // sends all again, and those of the others are there twice.
  await readOffsets(admin, topic)
}
