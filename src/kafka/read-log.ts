import type { Kafka, KafkaMessage } from 'kafkajs'

/** A stretch of one partition: from `from`, to before `to`. */
export interface Stretch {
  partition: number
  from: bigint
  to: bigint
}

export interface ReadLogParts {
  kafka: Kafka
  topic: string
  /** A group of its own that is gone afterwards: nothing is committed. */
  group: string
  /** Each begins where its log does. */
  stretches: readonly Stretch[]
  /** Called with the records of one partition in order, never empty, some at a time. */
  onRecords(partition: number, records: KafkaMessage[]): Promise<void>
  /** Given up after this long without a sign of life. */
  silenceMs?: number
}

const CHUNK = 500

/** Reads stretches of a topic to their ends, as a worker would see them, and leaves no trace. */
export async function readLog({
  kafka,
  topic,
  group,
  stretches,
  onRecords,
  silenceMs = 60_000,
}: ReadLogParts): Promise<void> {
  const ends = new Map(
    stretches.filter(({ from, to }) => from < to).map(({ partition, to }) => [partition, to]),
  )
  if (ends.size === 0) return
  const done = Promise.withResolvers<void>()
  const silence = setInterval(() => {
    if (Date.now() - lastHeard > silenceMs)
      done.reject(new Error(`Kafka gave nothing more of ${topic} within ${silenceMs} ms`))
  }, 1_000)
  let lastHeard = Date.now()

  const consumer = kafka.consumer({ groupId: group, allowAutoTopicCreation: false, maxWaitTimeInMs: 100 })
  const { CRASH, END_BATCH_PROCESS, GROUP_JOIN } = consumer.events
  consumer.on(CRASH, ({ payload: { error } }) => done.reject(error))
  consumer.on(GROUP_JOIN, ({ payload }) => {
    const others = (payload.memberAssignment[topic] ?? []).filter((partition) => !ends.has(partition))
    if (others.length > 0) consumer.pause([{ topic, partitions: others }])
  })
  // This event alone tells of records that nobody sees, which may be the last of a stretch.
  consumer.on(END_BATCH_PROCESS, ({ payload: { partition, lastOffset } }) => {
    lastHeard = Date.now()
    const end = ends.get(partition)
    if (end === undefined || BigInt(lastOffset) + 1n < end) return
    ends.delete(partition)
    consumer.pause([{ topic, partitions: [partition] }])
    if (ends.size === 0) done.resolve()
  })
  done.promise.catch(() => {})

  try {
    await consumer.connect()
    await consumer.subscribe({ topics: [topic], fromBeginning: true })
    await consumer.run({
      autoCommit: false,
      async eachBatch({ batch: { partition, messages }, heartbeat }) {
        const end = ends.get(partition)
        if (end === undefined) return
        const wanted = messages.filter(({ offset }) => BigInt(offset) < end)
        try {
          for (let at = 0; at < wanted.length; at += CHUNK) {
            await onRecords(partition, wanted.slice(at, at + CHUNK))
            lastHeard = Date.now()
            await heartbeat()
          }
        } catch (error) {
          done.reject(error)
          throw error
        }
      },
    })
    await done.promise
  } finally {
    clearInterval(silence)
    await consumer.disconnect().catch(() => {}) // what is known by now is what counts
    await forget(kafka, group)
  }
}

/** Removes a group that nobody is in any more. The broker would do it too, in time. */
async function forget(kafka: Kafka, group: string): Promise<void> {
  const admin = kafka.admin()
  try {
    await admin.connect()
    await admin.deleteGroups([group])
  } catch {
    // it is empty, holds no offsets, and expires
  } finally {
    await admin.disconnect().catch(() => {})
  }
}
