import type { Admin, ITopicConfig } from 'kafkajs'

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
  if (missing.length > 0)
    await admin.createTopics({
      topics: missing.map((topic) => ({ replicationFactor: -1, ...topic })),
      waitForLeaders: true,
    })
  return missing.map(({ topic }) => topic)
}
