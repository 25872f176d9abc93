import type { Admin } from 'kafkajs'
import { plainKafka, type Received } from './kafka.ts'
import { until } from './until.ts'
import type { World } from './world.ts'

/** An admin client, for as long as `use` runs. */
export async function asAdmin<T>(world: World, use: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = plainKafka(world).admin()
  await admin.connect()
  try {
    return await use(admin)
  } finally {
    await admin.disconnect()
  }
}

/** How many records each partition of a topic ever had. A topic that was only just made may have no leader yet. */
export async function logEnds(world: World, topic: string): Promise<Map<number, number>> {
  const offsets = await asAdmin(world, (admin) =>
    until(`the ends of ${topic}`, () => admin.fetchTopicOffsets(topic).catch(() => undefined)),
  )
  return new Map(offsets.map(({ partition, high }) => [partition, Number(high)]))
}

/** How many records a topic ever had. */
export async function countRecords(world: World, topic: string): Promise<number> {
  return [...(await logEnds(world, topic)).values()].reduce((sum, end) => sum + end, 0)
}

/** Waits until a listener has all that is on its topic now. */
export async function hasAll(
  world: World,
  topic: string,
  { records }: { records: readonly Received[] },
): Promise<void> {
  const count = await countRecords(world, topic)
  await until(`all ${count} records of ${topic}`, () => records.length >= count)
}
