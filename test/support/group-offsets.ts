import { plainKafka } from './kafka.ts'
import { asAdmin } from './log-ends.ts'
import type { World } from './world.ts'

/** What this world's consumer group has committed, by partition; -1 where nothing is. */
export async function committed(world: World): Promise<number[]> {
  const { CONSUMER_GROUP: groupId, REQUEST_TOPIC: topic } = world.env as Record<string, string>
  const [found] = await asAdmin(world, (admin) => admin.fetchOffsets({ groupId: groupId!, topics: [topic!] }))
  return found!.partitions.sort((a, b) => a.partition - b.partition).map(({ offset }) => Number(offset))
}

/**
 * Commits for a group that nobody is in, and sees to it that it is so. `setOffsets` of kafkajs's admin does the same
 * in 5 s, which it spends waiting for records that it does not want.
 */
export async function commit(world: World, partition: number, offset: number): Promise<void> {
  const { CONSUMER_GROUP: groupId, REQUEST_TOPIC: topic } = world.env as Record<string, string>
  const consumer = plainKafka(world).consumer({ groupId: groupId!, maxWaitTimeInMs: 20 })
  const joined = new Promise((resolve) => consumer.on(consumer.events.GROUP_JOIN, resolve))
  await consumer.connect()
  await consumer.subscribe({ topics: [topic!], fromBeginning: true })
  await consumer.run({ autoCommit: false, eachBatchAutoResolve: false, eachBatch: async () => {} })
  await joined
  await consumer.commitOffsets([{ topic: topic!, partition, offset: String(offset) }])
  await consumer.disconnect()
  const now = (await committed(world))[partition]
  if (now !== offset) throw new Error(`the group stands at ${now}, not at ${offset}`)
}

/** How far each partition of the request topic is settled, as the database says. */
export async function progressIn(world: World): Promise<number[]> {
  const { rows } = await world.owner.query(
    'select partition, next_offset::int from consumer_progress where topic = $1',
    [world.env.REQUEST_TOPIC],
  )
  const found: number[] = []
  for (const { partition, next_offset } of rows) found[partition] = next_offset
  return found
}

/** Everything that the tables hold, in one text that any change to any row would change. */
export async function tables(world: World): Promise<string> {
  const { rows } = await world.owner.query(`
    select (select json_agg(t order by workflow_id) from workflow t) as workflows,
      (select json_agg(t order by request_id) from registration_request t) as requests,
      (select json_agg(t order by cluster_id, topic, partition) from consumer_progress t) as progress`)
  return JSON.stringify(rows[0])
}
