import { setTimeout as delay } from 'node:timers/promises'
import { Partitioners, type Producer } from 'kafkajs'
import { aRecord } from './generate.ts'
import type { Ground, Lab } from './lab.ts'

/** All of them fit into one message, should they all be of one partition. */
const RECORDS_AT_ONCE = 800
const LOOK_MS = 10

/** What `produce` sends with: a producer, or a transaction of one. */
type Sender = Pick<Producer, 'send'>

/** Puts so many requests on the request topic, as any producer would. */
export async function preload(
  lab: Lab,
  ground: Ground,
  records: number,
  make?: (index: number) => RequestRecord,
): Promise<void> {
  const producer = lab.kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner })
  await producer.connect()
  await produce(producer, ground, records, make)
  await producer.disconnect()
}

interface RequestRecord {
  key: string
  value: string
  headers: Record<string, string>
  partition?: number
}

export async function produce(
  sender: Sender,
  { topics }: Ground,
  records: number,
  make: (index: number) => RequestRecord = () => aRecord(),
): Promise<void> {
  for (let sent = 0; sent < records; sent += RECORDS_AT_ONCE) {
    const length = Math.min(RECORDS_AT_ONCE, records - sent)
    await sender.send({
      topic: topics.requests,
      messages: Array.from({ length }, (_, index) => make(sent + index)),
    })
  }
}

/** How many records of the request topic have their outcome stored. */
export async function settledRecords(lab: Lab, { topics }: Ground): Promise<number> {
  const [row] = await lab.query<{ count: number }>(
    'select coalesce(sum(next_offset), 0)::int as count from consumer_progress where topic = $1',
    [topics.requests],
  )
  return row!.count
}

/** Requests that end in a second, from the first look at which some had ended until every one has its reply in Kafka. */
export async function drainRate(lab: Lab, ground: Ground, records: number): Promise<number> {
  let first = await settledRecords(lab, ground)
  while (first === 0) {
    await delay(LOOK_MS)
    first = await settledRecords(lab, ground)
  }
  const began = performance.now()
  await untilReplied(lab, ground, records)
  return (records - first) / ((performance.now() - began) / 1_000)
}

/** Resolves when so many replies are on the reply topic. */
export async function untilReplied(lab: Lab, ground: Ground, replies: number): Promise<void> {
  while ((await settledRecords(lab, ground)) < replies) await delay(LOOK_MS)
  while ((await repliesOf(lab, ground)) < replies) await delay(LOOK_MS)
}

/** How many replies are on the reply topic. */
export async function repliesOf(lab: Lab, { topics }: Ground): Promise<number> {
  const admin = lab.kafka.admin()
  await admin.connect()
  const ends = await admin.fetchTopicOffsets(topics.replies)
  await admin.disconnect()
  return ends.reduce((sum, { high }) => sum + Number(high), 0)
}
