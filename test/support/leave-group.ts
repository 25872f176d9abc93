import net from 'node:net'
import { asAdmin } from './log-ends.ts'
import type { World } from './world.ts'

/**
 * Takes every member out of this world's consumer group. A killed process leaves its member behind, and the group
 * would wait until its session is over; neither admin nor consumer of kafkajs can say goodbye for another.
 */
export async function leaveGroupForTheDead(world: World): Promise<void> {
  const group = world.env.CONSUMER_GROUP!
  const { groups } = await asAdmin(world, (admin) => admin.describeGroups([group]))
  const members = groups.flatMap((one) => one.members)
  if (members.length === 0) throw new Error('the group has no member left')
  for (const { memberId } of members)
    await leaveGroup(world.infrastructure.kafka.brokers[0]!, group, memberId)
}

/** LeaveGroup v0 of Kafka's protocol. */
async function leaveGroup(broker: string, group: string, memberId: string): Promise<void> {
  const text = (value: string) => {
    const bytes = Buffer.from(value)
    const length = Buffer.alloc(2)
    length.writeInt16BE(bytes.length)
    return Buffer.concat([length, bytes])
  }
  const apiKeyVersionAndCorrelation = Buffer.from([0, 13, 0, 0, 0, 0, 0, 1])
  const request = Buffer.concat([apiKeyVersionAndCorrelation, text('test'), text(group), text(memberId)])
  const size = Buffer.alloc(4)
  size.writeInt32BE(request.length)

  const { hostname, port } = new URL(`tcp://${broker}`)
  const socket = net.connect(Number(port), hostname)
  socket.write(Buffer.concat([size, request]))
  const chunks: Buffer[] = []
  for await (const chunk of socket) {
    chunks.push(chunk)
    if (Buffer.concat(chunks).length >= 10) break
  }
  const errorCode = Buffer.concat(chunks).readInt16BE(8)
  if (errorCode !== 0) throw new Error(`LeaveGroup was refused: ${errorCode}`)
}
