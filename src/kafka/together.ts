import { CHUNK_LIMITS } from '../domain/limits.ts'
import { gather } from '../gather.ts'
import { PublishFailure } from './publish.ts'
import type { PlacedChunk, Settle } from './settle.ts'

/** While some wait for PostgreSQL or Kafka, others are read or written. */
const SETTLED_AT_ONCE = 3

/**
 * Settles a chunk together with those of other partitions that come at the same time: one statement and one produce
 * instead of one for each. Where that cannot be done each is settled alone, so that what is wrong with one holds up the
 * others no longer than it takes to find out. One that is tried again is alone from the start.
 */
export function settleTogether(settle: Settle): (placed: PlacedChunk) => Promise<void> {
  const limits = {
    sizeOf: ({ chunk }: PlacedChunk) => chunk.bytes,
    countOf: ({ chunk }: PlacedChunk) => chunk.records.length,
    maxSize: CHUNK_LIMITS.bytes,
    maxInFlight: SETTLED_AT_ONCE,
  }
  const alone = gather<PlacedChunk, PromiseSettledResult<void>>({
    run: (one) => Promise.allSettled([settle(one)]),
    ...{ ...limits, maxItems: 1 },
  })
  const together = gather<PlacedChunk, PromiseSettledResult<void>>({
    async run(all) {
      const [done] = await Promise.allSettled([settle(all)])
      const isEveryones = done.status === 'fulfilled' || done.reason instanceof PublishFailure
      return all.length === 1 || isEveryones ? all.map(() => done) : Promise.all(all.map(alone))
    },
    ...{ ...limits, maxItems: CHUNK_LIMITS.requests },
  })

  return async (placed) => {
    const done = await (placed.attempts > 1 ? alone(placed) : together(placed))
    if (done.status === 'rejected') throw done.reason
  }
}
