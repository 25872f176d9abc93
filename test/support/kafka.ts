import type { KafkaMessage } from 'kafkajs'
import { Kafka, logLevel, Partitioners } from 'kafkajs'
import { inspectProblems } from './leaks.ts'
import type { World } from './world.ts'

/** A plain client of this world's brokers, without any of our code. */
export function plainKafka(world: World): Kafka {
  return new Kafka({
    clientId: 'test',
    brokers: [...world.infrastructure.kafka.brokers],
    logLevel: logLevel.NOTHING,
  })
}

/** Puts records on the request topic as any producer would. */
export async function produce(
  world: World,
  messages: {
    key?: string
    value: string | Buffer | null
    headers?: Record<string, string>
    partition?: number
  }[],
): Promise<void> {
  const producer = plainKafka(world).producer({ createPartitioner: Partitioners.DefaultPartitioner })
  await producer.connect()
  await producer.send({ topic: world.env.REQUEST_TOPIC!, messages })
  await producer.disconnect()
}

export interface Received {
  partition: number
  key: string | undefined
  value: Buffer | null
  headers: Record<string, string>
  message: KafkaMessage
}

/** Everything on a topic from its beginning, as it comes. */
export async function listen(
  world: World,
  topic: string,
): Promise<{ records: Received[]; close(): Promise<void> }> {
  const records: Received[] = []
  const consumer = plainKafka(world).consumer({
    groupId: `listener-${crypto.randomUUID()}`,
    maxWaitTimeInMs: 50,
  })
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  await consumer.run({
    eachMessage: async ({ partition, message }) => {
      inspectReply(message)
      const headers = Object.entries(message.headers ?? {}).map(([name, value]) => [name, String(value)])
      records.push({
        partition,
        key: message.key?.toString(),
        value: message.value,
        headers: Object.fromEntries(headers),
        message,
      })
    },
  })
  return { records, close: () => consumer.disconnect() }
}

/** Looks into the problem that a reply tells; no other record has one. */
function inspectReply({ value }: KafkaMessage): void {
  const text = String(value)
  if (text.includes('"problem"')) inspectProblems(200, JSON.parse(text))
}
