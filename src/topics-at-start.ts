import type { Admin } from 'kafkajs'
import type { Config } from './config.ts'
import { subscribedTopics } from './kafka/group-members.ts'
import { findingLine, topicFindings } from './kafka/topic-findings.ts'
import { findTopics, type TopicsFound } from './kafka/topics.ts'
import type { Logger } from './logger.ts'
import { retentionComplaint } from './retention.ts'
import { reaching, StartError } from './start-error.ts'
import { within } from './within.ts'

/** Makes the topics that are missing. Warns of what is set up unsafely, or refuses it. Answers what is there. */
export async function prepareTopics(
  admin: Admin,
  { config, log, say }: { config: Config; log: Logger; say: (line: string) => void },
): Promise<TopicsFound> {
  const found = await reaching('KAFKA_BROKERS', () => findTopics(admin, config.topics, { make: true }))
  const { made } = found
  say(made.length > 0 ? `Kafka: made the topics ${made.join(', ')}` : 'Kafka: the topics are there')
  const findings = topicFindings(found)
  if (config.topics.strict && findings.length > 0)
    throw new StartError(
      ['Cannot start: TOPICS_STRICT is true, and', ...findings.map(findingLine)].join('\n  '),
    )
  for (const finding of findings) {
    log.warn(finding, 'a topic is set up unsafely')
    say(`Kafka: warning: ${findingLine(finding)}`)
  }
  return found
}

/** Why status rows of so many days keep a worker from starting; undefined also where the brokers do not tell. */
export function purgedTooSoon(days: number, topic: string, { states }: TopicsFound): string | undefined {
  const retentionMs = states.get(topic)?.settings.get('retention.ms')
  return retentionMs === undefined ? undefined : retentionComplaint(days, Number(retentionMs))
}

/**
 * Of workers with one group and several request topics, some would get partitions that they do not read. Answers
 * whether the brokers tell who is in the group.
 */
export async function refuseOtherMembers(admin: Admin, group: string, topic: string): Promise<boolean> {
  const subscribed = await within(DESCRIBE_TIMEOUT_MS, subscribedTopics(admin, group)).catch(() => undefined)
  const others = subscribed?.filter((name) => name !== topic) ?? []
  if (others.length > 0)
    throw new StartError(
      `Cannot start: the consumer group ${group} has members that read ${others.join(', ')}, and would take partitions of ${topic} from it; set CONSUMER_GROUP to one of its own for each REQUEST_TOPIC`,
    )
  return subscribed !== undefined
}

const DESCRIBE_TIMEOUT_MS = 15_000
