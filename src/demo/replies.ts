import { randomUUID } from 'node:crypto'
import type { RequestDocument } from '../domain/document.ts'
import type { kafkaClient } from '../kafka/client.ts'
import { readOffsets } from '../kafka/log-offsets.ts'
import { untilAborted } from './until-aborted.ts'

type KafkaClient = ReturnType<typeof kafkaClient>

export interface Replies {
  /** The reply to a request that is yet to be sent; rejects with the signal's reason. */
  to(requestId: string, signal: AbortSignal): Promise<RequestDocument>
  close(): Promise<void>
}

/** Follows the reply topic. Every reply to what is sent after this resolved is seen. */
export async function followReplies(kafka: KafkaClient, topic: string): Promise<Replies> {
  const awaited = new Map<string, (reply: RequestDocument) => void>()
  const groupId = `demo-${randomUUID()}`
  const admin = kafka.admin()
  await admin.connect()
  const ends = await readOffsets(admin, topic)

  const consumer = kafka.consumer({ groupId, allowAutoTopicCreation: false, maxWaitTimeInMs: 50 })
  const assigned = Promise.withResolvers<void>()
  consumer.on(consumer.events.GROUP_JOIN, () => assigned.resolve())
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: false })
  await consumer.run({
    eachMessage: async ({ message }) => {
      const requestId = String(message.headers?.['request-id'])
      awaited.get(requestId)?.(JSON.parse(String(message.value)))
      awaited.delete(requestId)
    },
  })
  await assigned.promise
  // An assigned consumer looks up the end of the log only when it first fetches, which may be after the first reply.
  for (const [partition, { high }] of ends) consumer.seek({ topic, partition, offset: high.toString() })

  return {
    async to(requestId, signal) {
      const { promise, resolve } = Promise.withResolvers<RequestDocument>()
      awaited.set(requestId, resolve)
      return untilAborted(promise, signal)
    },
    async close() {
      await consumer.disconnect()
      await admin.deleteGroups([groupId]).catch(() => {}) // an empty group goes by itself, later
      await admin.disconnect()
    },
  }
}
