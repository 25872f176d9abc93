import { asAdmin } from '../support/log-ends.ts'
import type { World } from '../support/world.ts'

/** Makes a topic for replies, with as many partitions as those of the world have. */
export async function makeReplyTopic(world: World, topic: string): Promise<void> {
  await asAdmin(world, (admin) =>
    admin.createTopics({ topics: [{ topic, numPartitions: Number(world.env.TOPIC_PARTITIONS) }] }),
  )
}
