import kafkajs, { type Admin } from 'kafkajs'
import { isPassing, retried } from './retried.ts'

/** A topic as the brokers tell it. */
export interface TopicState {
  partitions: number
  /** The fewest that a partition has. */
  replicas: number
  /** Empty when the brokers won't tell. */
  settings: ReadonlyMap<string, string>
  /** Why they won't tell the settings. */
  untold?: string
}

/** Topics that are there, by name and in the order of `names`. */
export async function readTopics(admin: Admin, names: readonly string[]): Promise<Map<string, TopicState>> {
  if (names.length === 0) return new Map()
  const { topics } = await retried(() => admin.fetchTopicMetadata({ topics: [...names] }))
  const states = names.map(async (name): Promise<[string, TopicState]> => {
    const partitions = topics.find((topic) => topic.name === name)?.partitions ?? []
    const replicas = Math.min(...partitions.map((partition) => partition.replicas.length))
    return [name, { partitions: partitions.length, replicas, ...(await readSettings(admin, name)) }]
  })
  return new Map(await Promise.all(states))
}

const SETTINGS = [
  'cleanup.policy',
  'max.message.bytes',
  'min.insync.replicas',
  'retention.bytes',
  'retention.ms',
  'unclean.leader.election.enable',
]

async function readSettings(admin: Admin, name: string): Promise<Pick<TopicState, 'settings' | 'untold'>> {
  const resource = { type: kafkajs.ConfigResourceTypes.TOPIC, name, configNames: SETTINGS }
  try {
    const { resources } = await retried(() =>
      admin.describeConfigs({ resources: [resource], includeSynonyms: false }),
    )
    const entries = resources[0]?.configEntries ?? []
    return {
      settings: new Map(entries.map(({ configName, configValue }) => [configName, configValue])),
    }
  } catch (error) {
    if (isPassing(error)) throw error
    return { settings: new Map(), untold: reasonOf(error) }
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  return 'type' in error && typeof error.type === 'string' ? error.type : error.name
}
