import type { LogProgress } from '../domain/progress.ts'

/** The log and the progress contradict each other: records are missing. Somebody has to say how to go on. */
export class LogMismatch extends Error {
  override readonly name = 'LogMismatch'
}

/** What contradicts a progress, given what is known of the offsets that the log has; undefined when nothing does. */
export function mismatch(
  partition: number,
  progress: bigint,
  { low, high }: { low?: bigint | undefined; high?: bigint | undefined },
): string | undefined {
  if (high !== undefined && high < progress)
    return `partition ${partition}: the log ends at ${high}, before the progress ${progress}; if the topic was made anew, say \`progress reset\``
  if (low !== undefined && low > progress)
    return `partition ${partition}: the log begins at ${low}, after the progress ${progress}; if the records between are lost, say \`progress accept\``
  return undefined
}

export interface AlignmentParts {
  read: () => Promise<Map<number, bigint>>
  /** How far the group has committed each partition. */
  readCommitted: () => Promise<Map<number, bigint>>
  move: (progress: Omit<LogProgress, 'clusterId' | 'topic'>) => Promise<void>
  seek: (partition: number, offset: bigint) => void
}

interface Position {
  /** Where the partition goes on. */
  next: bigint
  /** How much of that is stored; undefined when the database knows nothing of this partition yet. */
  stored: bigint | undefined
}

/**
 * Keeps what this consumer reads in line with what the database knows as settled, from one assignment to the next.
 *
 * The group may have committed more than a restored database remembers: then a partition starts again at what the
 * database remembers, or where the log begins when it remembers nothing. What the consumer passes over after that
 * (records of aborted transactions, control records) counts as settled; what it never had does not.
 */
export function alignment({ read, readCommitted, move, seek }: AlignmentParts) {
  let known: Promise<Map<number, bigint>> | undefined
  let sought = new Set<number>()
  let positions = new Map<number, Position>()

  function readOnce(): Promise<Map<number, bigint>> {
    known ??= read()
    known.catch(() => {
      known = undefined
    })
    return known
  }

  function sendTo(partition: number, offset: bigint) {
    sought.add(partition)
    positions.delete(partition)
    seek(partition, offset)
  }

  /** Reads again what is known of a partition. */
  function forget(partition: number) {
    known = undefined
    positions.delete(partition)
  }

  /**
   * The position of a partition that goes on at `first` as it should, or from before; undefined when it was sent back.
   * `high` is the end of the log, where it is known.
   */
  async function align(partition: number, first: bigint, high?: bigint): Promise<Position | undefined> {
    const wasSought = sought.has(partition)
    let position = positions.get(partition)
    if (!position) {
      const stored = (await readOnce()).get(partition)
      position = { next: stored ?? (wasSought ? first : 0n), stored }
    }
    const contradiction = mismatch(partition, position.next, { low: wasSought ? first : undefined, high })
    if (contradiction) {
      forget(partition)
      throw new LogMismatch(contradiction)
    }
    if (first > position.next) {
      sendTo(partition, position.next)
      return undefined
    }
    positions.set(partition, position)
    return position
  }

  return {
    align,
    forget,

    /** A new assignment: nothing is known any more. */
    restart() {
      known = undefined
      sought = new Set()
      positions = new Map()
    },

    /** Everything below `next` is settled and stored. */
    settled(partition: number, next: bigint) {
      sought.delete(partition)
      positions.set(partition, { next, stored: next })
    },

    /** The consumer went from `first` to `next` without seeing a record. */
    async passedOver(partition: number, first: bigint, next: bigint) {
      const position = await align(partition, first)
      if (position && next > position.next) position.next = next
    },

    /** Stores what was passed over since the last chunk. */
    async store() {
      for (const [partition, position] of positions) {
        const { next, stored } = position
        if (next <= (stored ?? 0n)) continue
        try {
          await move({ partition, nextOffset: next, from: stored })
          position.stored = next
        } catch {
          forget(partition) // the database knows less than it did: found out with the next record, or by `sendBack`
        }
      }
    },

    /**
     * Sends back those of these partitions of which the database knows less than was settled: less than the group has
     * committed, where nothing has come yet; less than this consumer has stored, where the database fell back. Each is
     * told with what is settled of it, and where its log ends.
     */
    async sendBack(partitions: readonly { partition: number; settled: bigint; high: bigint }[]) {
      const unread = partitions.filter(
        ({ partition, settled, high }) =>
          settled < high && !positions.has(partition) && !sought.has(partition),
      )
      if (unread.length > 0) {
        const committed = await readCommitted()
        for (const { partition, settled } of unread)
          if ((committed.get(partition) ?? 0n) > settled && !positions.has(partition))
            sendTo(partition, settled)
      }
      const ahead = partitions.flatMap(({ partition, settled }) => {
        const stored = positions.get(partition)?.stored
        return stored !== undefined && stored > settled ? [{ partition, stored }] : []
      })
      if (ahead.length === 0) return
      const now = await read() // what was read before may only be old
      for (const { partition, stored } of ahead) {
        const settled = now.get(partition) ?? 0n
        if (settled >= stored) continue
        known = undefined
        sendTo(partition, settled)
      }
    },
  }
}
