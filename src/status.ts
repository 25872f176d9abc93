import { type AcceptedAt, logTag } from './domain/accepted-at.ts'
import type { Settled } from './domain/request.ts'

/** What can be said of a request. `gone`: it was settled, and how is no longer kept. `unclear`: not to be known now. */
export type Status =
  | { kind: 'settled'; settled: Settled }
  | { kind: 'pending'; acceptedAt: Date; queueDistance: number }
  | { kind: 'gone' | 'unknown' | 'unclear' }

export interface StatusParts {
  read(requestIds: readonly string[]): Promise<Map<string, Settled>>
  readProgress(clusterId: string, topic: string): Promise<Map<number, bigint>>
  /** The offset after the last record of each partition. */
  readLogEnds(): Promise<Map<number, bigint>>
  clusterId: string
  topic: string
}

export type ReadStatus = (requestId: string, at: AcceptedAt | undefined) => Promise<Status>

/**
 * The order makes it true: the end of the log before the progress, and the progress before the row. Whatever counts
 * as settled by then has its row in view; so no row means that there is none.
 */
export function readStatusWith({
  read,
  readProgress,
  readLogEnds,
  clusterId,
  topic,
}: StatusParts): ReadStatus {
  const ourTag = logTag(clusterId, topic)

  return async function readStatus(requestId, at) {
    const settled = await find(requestId)
    if (settled) return settled
    return at?.tag === ourTag ? byPosition(requestId, at) : byLag(requestId)
  }

  async function find(requestId: string): Promise<Status | undefined> {
    const settled = (await read([requestId])).get(requestId)
    return settled && { kind: 'settled', settled }
  }

  async function byPosition(requestId: string, at: AcceptedAt): Promise<Status> {
    const next = (await readProgress(clusterId, topic)).get(at.partition) ?? 0n
    if (at.offset >= next)
      return { kind: 'pending', acceptedAt: at.acceptedAt, queueDistance: Number(at.offset - next) + 1 }
    return (await find(requestId)) ?? { kind: 'gone' }
  }

  async function byLag(requestId: string): Promise<Status> {
    const ends = await readLogEnds()
    const progress = await readProgress(clusterId, topic)
    const lags = [...ends].some(([partition, end]) => end > (progress.get(partition) ?? 0n))
    return (await find(requestId)) ?? { kind: lags ? 'unclear' : 'unknown' }
  }
}
