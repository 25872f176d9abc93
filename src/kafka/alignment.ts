import type { LogProgress } from '../domain/progress.ts'

/** The log and the progress contradict each other: records are missing. Somebody has to say how to go on. */
export class LogMismatch extends Error {
  override readonly name = 'LogMismatch'
}

/** What contradicts a progress, given the offsets that the log has now; undefined when nothing does. */
export function mismatch(
  partition: number,
  progress: bigint,
  log: { low?: bigint; high: bigint },
): string | undefined {
  if (log.high < progress)
    return `partition ${partition}: the log ends at ${log.high}, before the progress ${progress}; if the topic was made anew, say \`progress reset\``
  if (log.low !== undefined && log.low > progress)
    return `partition ${partition}: the log begins at ${log.low}, after the progress ${progress}; if the records between are lost, say \`progress accept\``
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
 * database remembers. What the consumer passes over after that (records of aborted transactions, control records)
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

  /** True when the partition goes on at `first`, or from before; false when it was sent back. */
  async function isAligned(partition: number, first: bigint, high: bigint): Promise<boolean> {
    const position = positions.get(partition)
    const progress = position ? position.next : (await readOnce()).get(partition)
    if (progress === undefined) {
      positions.set(partition, { next: first, stored: first })
      return true
    }
    const contradiction = mismatch(
      partition,
      progress,
      sought.has(partition) ? { low: first, high } : { high },
    )
    if (contradiction) {
      forget()
      throw new LogMismatch(contradiction)
    }
    if (first > progress) {
      sought.add(partition)
      positions.delete(partition)
      seek(partition, progress)
      return false
    }
    if (!position) positions.set(partition, { next: progress, stored: progress })
    return true
  }

  function forget() {
    known = undefined
    positions = new Map()
  }

  return {
    isAligned,

    /** A new assignment: nothing is known any more. */
    restart() {
      forget()
      sought = new Set()
    },

    /** Everything below `next` is settled and stored. */
    settled(partition: number, next: bigint) {
      sought.delete(partition)
      positions.set(partition, { next, stored: next })
    },

    /** The consumer went from `first` to `next` without seeing a record. */
    async passedOver(partition: number, first: bigint, next: bigint) {
      if (!(await isAligned(partition, first, next))) return
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
