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
  move: (progress: Omit<LogProgress, 'clusterId' | 'topic'>) => Promise<void>
  seek: (partition: number, offset: bigint) => void
}

/**
 * Keeps what this consumer reads in line with what the database knows as settled, from one assignment to the next.
 *
 * The group may have committed more than a restored database remembers: then a partition starts again at what the
 * database remembers, or where the log begins when it remembers nothing. What the consumer passes over after that (records of aborted transactions, control records)
 * counts as settled; what it never had does not.
 */
export function alignment({ read, move, seek }: AlignmentParts) {
  let known: Promise<Map<number, bigint>> | undefined
  let sought = new Set<number>()
  /** For each partition that is in line: where it goes on, and how much of that is stored. */
  let positions = new Map<number, { next: bigint; stored: bigint }>()

  function readOnce(): Promise<Map<number, bigint>> {
    known ??= read()
    known.catch(() => {
      known = undefined
    })
    return known
  }

  /**
   * True when the partition goes on at `first` as it should, or from before; false when it was sent back. `high` is the
   * end of the log, where it is known.
   */
  async function isAligned(partition: number, first: bigint, high?: bigint): Promise<boolean> {
    const position = positions.get(partition)
    const progress: bigint | undefined = position?.next ?? (await readOnce()).get(partition)
    const wasSought = sought.has(partition)
    const next = progress ?? (wasSought ? first : 0n)
    const low = wasSought ? first : undefined
    const contradiction = mismatch(partition, next, { low, high })
    if (contradiction) {
      known = undefined
      positions.delete(partition)
      throw new LogMismatch(contradiction)
    }
    if (first > next) {
      sought.add(partition)
      positions.delete(partition)
      seek(partition, next)
      return false
    }
    if (!position) positions.set(partition, { next, stored: next })
    return true
  }

  return {
    isAligned,

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
      if (!(await isAligned(partition, first))) return
      const position = positions.get(partition)
      if (position && next > position.next) position.next = next
    },

    /** Stores what was passed over since the last chunk. */
    async store() {
      for (const [partition, position] of positions) {
        const { next } = position
        if (next <= position.stored) continue
        await move({ partition, nextOffset: next })
        position.stored = next
      }
    },
  }
}
