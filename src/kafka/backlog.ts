import type { KafkaMessage } from 'kafkajs'
import type { Chunk } from './chunks.ts'

interface Standing {
  /** Everything below is settled; undefined until anything is known. */
  settled: bigint | undefined
  /** Where the log ends. */
  high: bigint | undefined
  /** What was read of it and is not settled. */
  inHand: Held[]
  /** Since when there is something to read, though nothing of it is here; in ms, as all times. */
  unreadSince: number | undefined
}

interface Held {
  firstOffset: bigint
  nextOffset: bigint
  /** The earliest timestamp. */
  oldest: number
  /** When it was first read: a timestamp may be none, or lie in the future. */
  since: number
}

/** What a consumer has left to settle, as far as it knows by itself: it needs nothing that may be away. */
export function backlog() {
  let standings = new Map<number, Standing>()

  return {
    /** These are consumed from now on: what is known of others is forgotten. */
    assign(partitions: readonly number[]) {
      standings = new Map(partitions.map((partition) => [partition, standings.get(partition) ?? unknown()]))
    },

    /** Chunks came, from `first` on, of a log that ends at `high`. */
    fetched(partition: number, first: bigint, high: bigint, chunks: readonly Chunk[]) {
      const standing = standings.get(partition)
      if (!standing) return
      const isAnew = standing.settled === undefined || standing.settled > high // or the log was made anew
      if (isAnew) standing.settled = first
      standing.high = high
      standing.unreadSince = undefined
      const before = standing.inHand.filter(({ nextOffset }) => nextOffset <= first)
      const now = chunks.map((chunk) => heldSince(chunk, standing.inHand))
      standing.inHand = [...before, ...now]
    },

    /** Everything below `next` is settled. */
    settled(partition: number, next: bigint) {
      const standing = standings.get(partition)
      if (!standing) return
      standing.settled = next
      standing.inHand = standing.inHand.filter(({ nextOffset }) => nextOffset > next)
    },

    /** It is read again from `offset`: nothing beyond counts as settled any more. */
    readAgain(partition: number, offset: bigint) {
      const standing = standings.get(partition)
      if (standing?.settled !== undefined && standing.settled > offset) standing.settled = offset
    },

    /** What a look from outside found: what others have settled, and not what this consumer has meanwhile. */
    looked(partition: number, settled: bigint, high: bigint) {
      const standing = standings.get(partition)
      if (!standing) return
      standing.inHand = standing.inHand.filter(({ nextOffset }) => nextOffset > settled)
      if (standing.settled === undefined || settled > standing.settled) standing.settled = settled
      standing.high = high
      const isUnread = lagOf(standing) > 0 && standing.inHand.length === 0
      standing.unreadSince = isUnread ? (standing.unreadSince ?? Date.now()) : undefined
    },

    /** Of each partition of which that is known, how many records are not settled. */
    lag(): Map<number, number> {
      const known = [...standings].filter(
        ([, { settled, high }]) => settled !== undefined && high !== undefined,
      )
      return new Map(known.map(([partition, standing]) => [partition, lagOf(standing)]))
    },

    /** How old the oldest record is that is not settled; 0 when there is none. */
    oldestPendingSeconds(): number {
      const now = Date.now()
      const times = [...standings.values()].flatMap(({ inHand, unreadSince = now }) => [
        ...inHand.map(({ oldest, since }) => Math.min(oldest, since)),
        unreadSince,
      ])
      return (now - Math.min(now, ...times)) / 1_000
    },
  }
}

function unknown(): Standing {
  return { settled: undefined, high: undefined, inHand: [], unreadSince: undefined }
}

function lagOf({ settled = 0n, high = 0n }: Standing): number {
  return high > settled ? Number(high - settled) : 0
}

/** A chunk in hand; what comes again is as old as it was. */
function heldSince({ firstOffset, nextOffset, records }: Chunk, earlier: readonly Held[]): Held {
  const now = Date.now()
  const again = earlier.filter((held) => held.firstOffset < nextOffset && held.nextOffset > firstOffset)
  const since = Math.min(now, ...again.map((held) => held.since))
  return { firstOffset, nextOffset, oldest: oldestOf(records, now), since }
}

/** The earliest timestamp; a record without one counts as of now. */
function oldestOf(records: readonly KafkaMessage[], now: number): number {
  let oldest = now
  for (const { timestamp } of records) {
    const time = Number(timestamp)
    if (time > 0 && time < oldest) oldest = time
  }
  return oldest
}
