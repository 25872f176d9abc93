import { type AcceptedAt, logTag, mayFollow } from './domain/accepted-at.ts'
import { type Caller, maySee } from './domain/access.ts'
import type { Log } from './domain/progress.ts'
import type { Settled } from './domain/request.ts'

/**
 * What can be said of a request. `gone`: how it ended is no longer kept, or, where the log that it was accepted into is
 * no more (`isLogLost`), it is not known whether it was ever settled. `unclear`: not to be known now.
 */
export type Status =
  | { kind: 'settled'; settled: Settled }
  | { kind: 'pending'; acceptedAt: Date; queueDistance: number }
  | { kind: 'gone'; isLogLost: boolean }
  | { kind: 'unknown' | 'unclear' }

export interface StatusParts {
  read(requestId: string): Promise<Settled | undefined>
  readProgress(clusterId: string, topic: string): Promise<Map<number, bigint>>
  /** One partition; `resetAt`: when it was last said to be made anew. Undefined when it was never settled. */
  readPartition(log: Log): Promise<{ nextOffset: bigint; resetAt: Date | null } | undefined>
  /** Every log that was ever settled from. */
  readLogs(): Promise<Omit<Log, 'partition'>[]>
  /** For each partition, the offset of its first record and the offset after its last. */
  readLog(): Promise<Map<number, { low: bigint; high: bigint }>>
  clusterId: string
  topic: string
}

/** As much as the caller may know: the request of another principal is none. */
export type ReadStatus = (requestId: string, at: AcceptedAt | undefined, caller: Caller) => Promise<Status>

/** Looks for the row of a request. */
type Find = () => Promise<Status | undefined>

/** The row of a request, where the caller may see it. */
async function findFor(
  caller: Caller,
  requestId: string,
  read: StatusParts['read'],
): Promise<Status | undefined> {
  const settled = await read(requestId)
  return settled && maySee(caller, settled.principal) ? { kind: 'settled', settled } : undefined
}

/** By the rows alone: without the log there is no telling what waits in it. */
export function readStatusByRow(read: StatusParts['read']): ReadStatus {
  return async (requestId, at, caller) => {
    if (at && !mayFollow(caller, at)) return { kind: 'unknown' }
    return (await findFor(caller, requestId, read)) ?? { kind: 'unclear' }
  }
}

/**
 * The order makes it true: the end of the log before the progress, and the progress before the row. Whatever counts
 * as settled by then has its row in view; so no row means that there is none.
 */
export function readStatusWith({
  read,
  readProgress,
  readPartition,
  readLogs,
  readLog,
  clusterId,
  topic,
}: StatusParts): ReadStatus {
  const ourTag = logTag(clusterId, topic)

  return async function readStatus(requestId, at, caller) {
    if (at && !mayFollow(caller, at)) return { kind: 'unknown' }
    const find = () => findFor(caller, requestId, read)
    const settled = await find()
    if (settled) return settled
    if (!at) return byLag(find)
    if (at.tag === ourTag) return byPosition(find, at)
    return (await isKnown(at.tag)) ? gone(find, true) : byLag(find)
  }

  async function byPosition(find: Find, at: AcceptedAt): Promise<Status> {
    const stored = await readPartition({ clusterId, topic, partition: at.partition })
    if (stored?.resetAt && at.acceptedAt < stored.resetAt) return gone(find, true)
    const next = stored?.nextOffset ?? 0n
    if (at.offset >= next)
      return { kind: 'pending', acceptedAt: at.acceptedAt, queueDistance: Number(at.offset - next) + 1 }
    // Kept no more, if this is the log that the progress speaks of. A shorter one was made anew: nobody knows yet.
    const log = (await readLog().catch(() => undefined))?.get(at.partition)
    return log && log.high >= next ? gone(find, false) : ((await find()) ?? { kind: 'unclear' })
  }

  async function isKnown(tag: string): Promise<boolean> {
    return (await readLogs()).some((log) => logTag(log.clusterId, log.topic) === tag)
  }

  async function gone(find: Find, isLogLost: boolean): Promise<Status> {
    return (await find()) ?? { kind: 'gone', isLogLost }
  }

  async function byLag(find: Find): Promise<Status> {
    const log = await readLog().catch(() => undefined)
    const progress = await readProgress(clusterId, topic)
    const lags =
      !log || [...log].some(([partition, { low, high }]) => high > (progress.get(partition) ?? low))
    return (await find()) ?? { kind: lags ? 'unclear' : 'unknown' }
  }
}
