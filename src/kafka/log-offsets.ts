import type { Admin } from 'kafkajs'
import { toLogEnd } from './list-offsets.ts'
import { retried } from './retried.ts'

/** For each partition: the offset of its first record, and the offset after the last that a consumer may read. */
export type LogOffsets = Map<number, { low: bigint; high: bigint }>

/** Where the log of each partition begins and ends now. */
export async function readOffsets(admin: Admin, topic: string): Promise<LogOffsets> {
  const offsets = await retried(() => admin.fetchTopicOffsets(topic))
  return new Map(
    offsets.map(({ partition, low, high }) => [partition, { low: BigInt(low), high: BigInt(high) }]),
  )
}

/** Where the log of each partition really ends now: past transactions that are open, whose records nobody may read yet. */
export async function readEnds(admin: Admin, topic: string): Promise<Map<number, bigint>> {
  const offsets = await toLogEnd(() => readOffsets(admin, topic))
  return new Map(Array.from(offsets, ([partition, { high }]) => [partition, high]))
}

/** How far a group has committed each partition; one that it never committed is absent. */
export async function readCommitted(
  admin: Admin,
  groupId: string,
  topic: string,
): Promise<Map<number, bigint>> {
  const [found] = await admin.fetchOffsets({ groupId, topics: [topic] })
  const offsets = found?.partitions.map(({ partition, offset }) => [partition, BigInt(offset)] as const) ?? []
  return new Map(offsets.filter(([, offset]) => offset >= 0n)) // below 0 is no offset: none, or kafkajs's earliest
}
