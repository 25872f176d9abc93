import type { Admin, Kafka } from 'kafkajs'
import type { CloseStack } from './close-stack.ts'
import type { Config } from './config.ts'
import { openPublisher, type Publisher } from './kafka/publish.ts'
import type { TopicsFound } from './kafka/topics.ts'
import type { Logger } from './logger.ts'
import { reaching } from './start-error.ts'
import { prepareTopics } from './topics-at-start.ts'
import { within } from './within.ts'

/** The brokers, once they answered. */
export interface ReachedKafka {
  client: Kafka
  admin: Admin
  clusterId: string
  /** The topics, each of which is there. */
  found: TopicsFound
  /**
   * Opens a publisher that closes with `opened`. One for each topic: a topic that is gone stops, in kafkajs, whatever
   * else a producer has sent to.
   */
  publish(opened: CloseStack): Promise<Publisher>
}

/** Brokers that do not answer are not waited for at the end. */
const FAREWELL_MS = 1_000

async function openAdmin(kafka: Kafka, opened: CloseStack): Promise<Admin> {
  const admin = kafka.admin()
  opened.add(() => within(FAREWELL_MS, admin.disconnect()).catch(() => {}))
  await reaching('KAFKA_BROKERS', () => admin.connect())
  return admin
}

/**
 * Asks the brokers who they are, and makes the topics that are missing. Throws a `StartError`. `asking`: a client that
 * gives up soon, for what is asked again.
 */
export async function reachKafka(
  { client, asking }: { client: Kafka; asking: Kafka },
  options: { config: Config; log: Logger; say: (line: string) => void; givenUp: AbortSignal },
  opened: CloseStack,
): Promise<ReachedKafka> {
  // Two: once a topic is gone whose offsets an admin of kafkajs was asked for, it can tell those of no other.
  const [preparing, admin] = [await openAdmin(asking, opened), await openAdmin(asking, opened)]
  const { clusterId } = await reaching('KAFKA_BROKERS', () => admin.describeCluster())
  const found = await prepareTopics(preparing, options)
  await preparing.disconnect()
  const publishing = { timeoutMs: options.config.kafkaSendTimeoutMs, givenUp: options.givenUp }
  return {
    ...{ client, admin, clusterId, found },
    async publish(opened) {
      const publisher = await reaching('KAFKA_BROKERS', () => openPublisher(client, publishing))
      opened.add(() => publisher.close())
      return publisher
    },
  }
}
