import { setTimeout as delay } from 'node:timers/promises'
import kafkajs from 'kafkajs'
import type { Ground, Lab } from './lab.ts'

const LOOK_MS = 50

/** Resolves when so many members of the workers' group have partitions; answers as `assignment` does. */
export async function assignmentAtRest(lab: Lab, ground: Ground, members: number): Promise<string[]> {
  for (;;) {
    const found = await assignment(lab, ground)
    if (found.length === members) return found
    await delay(LOOK_MS)
  }
}

/** A line for each member of the workers' group that has partitions; none while that is not settled. */
export async function assignment(lab: Lab, { topics, env }: Ground): Promise<string[]> {
  const admin = lab.kafka.admin()
  await admin.connect()
  const { groups } = await admin.describeGroups([env.CONSUMER_GROUP!])
  await admin.disconnect()
  return groups
    .filter(({ state }) => state === 'Stable')
    .flatMap(({ members }) => members)
    .flatMap(({ memberId, memberAssignment }) => {
      const decoded = kafkajs.AssignerProtocol.MemberAssignment.decode(memberAssignment)
      const partitions = decoded?.assignment[topics.requests] ?? []
      return partitions.length > 0 ? `${memberId}: ${partitions.join(' ')}` : []
    })
    .sort()
}
