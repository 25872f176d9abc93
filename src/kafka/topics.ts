import { setTimeout as delay } from 'node:timers/promises'
import kafkajs, { type Admin, type ITopicConfig } from 'kafkajs'

export interface TopicNames {
  requests: string
  replies: string
  deadLetters: string
  /** How many partitions a topic gets that is made here. */
  partitions: number
}

/** Makes the topics that are missing, with the brokers' own replication. Answers the names of those it made. */
export async function ensureTopics(admin: Admin, names: TopicNames): Promise<string[]> {
  const wanted: ITopicConfig[] = [
    { topic: names.requests, numPartitions: names.partitions },
    { topic: names.replies, numPartitions: names.partitions },
    // A dead letter is a whole record and more: whatever fitted there has to fit here.
    {
      topic: names.deadLetters,
      numPartitions: 1,
      configEntries: [{ name: 'max.message.bytes', value: '4194304' }],
    },
  ]
  const present = new Set(await admin.listTopics())
  const missing = wanted.filter(({ topic }) => !present.has(topic))
  // Not `waitForLeaders`: it throws when a broker has not yet heard of the topic that another one has just made.
  if (missing.length > 0)
    await admin.createTopics({
      topics: missing.map((topic) => ({ replicationFactor: -1, ...topic })),
      waitForLeaders: false,
    })
  for (const { topic } of wanted) await hasLeaders(admin, topic) // another process may be making them
  return missing.map(({ topic }) => topic)
}

const LEADERS_TIMEOUT_MS = 15_000

async function hasLeaders(admin: Admin, topic: string): Promise<void> {
  for (const deadline = Date.now() + LEADERS_TIMEOUT_MS; ; ) {
    const found = await admin.fetchTopicMetadata({ topics: [topic] }).catch((error) => {
      if (Date.now() > deadline) throw error
    })
    if (found?.topics[0]?.partitions.every(({ leader }) => leader >= 0)) break
    if (Date.now() > deadline) throw new Error(`The topic ${topic} has no leaders`)
    await delay(50)
  }
  // A leader that is named may not know of it yet. Of a send to several partitions of which one is refused, kafkajs
  // sends all again, and those of the others are there twice.
  await readOffsets(admin, topic)
}

/** How long a topic keeps its records, in ms; -1 for ever. Undefined when the brokers won't say. */
export async function retentionOf(admin: Admin, topic: string): Promise<number | undefined> {
  try {
    const resource = { type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configNames: ['retention.ms'] }
    const { resources } = await admin.describeConfigs({ resources: [resource], includeSynonyms: false })
    const value = resources[0]?.configEntries.find(
      ({ configName }) => configName === 'retention.ms',
    )?.configValue
    return value === undefined ? undefined : Number(value)
  } catch {
    return undefined
  }
}

/** For each partition: the offset of its first record, and the offset after the last that a consumer may read. */
export type LogOffsets = Map<number, { low: bigint; high: bigint }>

/** Where the log of each partition begins and ends now. */
export async function readOffsets(admin: Admin, topic: string): Promise<LogOffsets> {
  for (let tries = 1; ; tries += 1) {
    try {
      const offsets = await admin.fetchTopicOffsets(topic)
      return new Map(
        offsets.map(({ partition, low, high }) => [partition, { low: BigInt(low), high: BigInt(high) }]),
      )
    } catch (error) {
      // kafkajs gives up at once where a leader is just being elected.
      if (tries === 50 || !(error instanceof Error && 'retriable' in error && error.retriable)) throw error
      await delay(100)
    }
  }
}

/** How far a group has committed each partition; one that it never committed is absent. */
export async function readCommitted(
  admin: Admin,
  groupId: string,
  topic: string,
): Promise<Map<number, bigint>> {
  const [found] = await admin.fetchOffsets({ groupId, topics: [topic] })
  const committed = found?.partitions.filter(({ offset }) => offset !== '-1') ?? []
  return new Map(committed.map(({ partition, offset }) => [partition, BigInt(offset)]))
}
