import { setTimeout as delay } from 'node:timers/promises'
import kafkajs, { type Admin } from 'kafkajs'

/** How long a group may take to come to rest. */
const REST_MS = 5_000
const PAUSE_MS = 100

/** While members come and go, the brokers do not tell what each subscribes to. */
const UNSETTLED: ReadonlySet<string> = new Set(['PreparingRebalance', 'CompletingRebalance'])

/** The topics that members of a group subscribe to; undefined while that cannot be known. */
export async function subscribedTopics(admin: Admin, group: string): Promise<string[] | undefined> {
  for (const deadline = Date.now() + REST_MS; ; await delay(PAUSE_MS)) {
    const { groups } = await admin.describeGroups([group])
    if (!groups.some(({ state }) => UNSETTLED.has(state))) {
      const members = groups.flatMap((one) => one.members)
      return [...new Set(members.flatMap(({ memberMetadata }) => topicsIn(memberMetadata)))].sort()
    }
    if (Date.now() > deadline) return undefined
  }
}

/** What a member said when it joined; one whose words are no consumer's subscribes to nothing. */
function topicsIn(metadata: Buffer): string[] {
  try {
    return kafkajs.AssignerProtocol.MemberMetadata.decode(metadata)?.topics ?? []
  } catch {
    return []
  }
}
