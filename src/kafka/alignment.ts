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
  seek: (partition: number, offset: bigint) => void
  /** Has no one settle what was read of a partition and is not being settled yet. */
  drop: (partition: number) => void
  /** Whether anything that was read of a partition is not settled yet. */
  isBusy: (partition: number) => boolean
}

interface Position {
  /** Where the partition is read on. */
  next: bigint
  /** How much of that is settled and stored; undefined when the database knows nothing of this partition yet. */
  stored: bigint | undefined
}

/**
 * Keeps what this consumer reads in line with what the database knows as settled, from one assignment to the next.
 *
 * The group may have committed more than a restored database remembers: then a partition starts again at what the
 * database remembers, or where the log begins when it remembers nothing. What the consumer passes over after that
 * (records of aborted transactions, control records) counts as settled; what it never had does not.
 */
export function alignment({ read, readCommitted, seek, drop, isBusy }: AlignmentParts) {
  let known: Promise<Map<number, bigint>> | undefined
  /** From where a partition is to be read, until something of that is settled. */
  let sought = new Map<number, bigint>()
  let positions = new Map<number, Position>()

  function readOnce(): Promise<Map<number, bigint>> {
    known ??= read()
    known.catch(() => {
      known = undefined
    })
    return known
  }

  /** Reads again what is known of a partition. */
  function forget(partition: number) {
    known = undefined
    positions.delete(partition)
  }

  /** Has a partition read again from `offset`, or from before if that is under way. */
  function sendTo(partition: number, offset: bigint) {
    drop(partition)
    forget(partition)
    const earlier = sought.get(partition) ?? offset
    readFrom(partition, earlier < offset ? earlier : offset)
  }

  function readFrom(partition: number, offset: bigint) {
    sought.set(partition, offset)
    seek(partition, offset)
  }

  /**
   * Whether a partition goes on at `first` as it should, or from before; if not, it is read again. `high` is the end of
   * the log, where it is known.
   */
  async function align(partition: number, first: bigint, high?: bigint): Promise<boolean> {
    const from = sought.get(partition)
    let position = positions.get(partition)
    if (!position) {
      const stored = (await readOnce()).get(partition)
      position = { next: stored ?? (from === undefined ? 0n : first), stored }
    }
    const low = from !== undefined && first > from ? first : undefined
    const contradiction = mismatch(partition, position.next, { low, high })
    if (contradiction) {
      if (!isBusy(partition)) forget(partition)
      throw new LogMismatch(contradiction)
    }
    if (first > position.next) {
      readFrom(partition, position.next)
      return false
    }
    positions.set(partition, position)
    return true
  }

  return {
    align,
    sendTo,

    /** A new assignment: nothing is known any more. */
    restart() {
      known = undefined
      sought = new Map()
      positions = new Map()
    },

    /** Everything below `next` was read. */
    readTo(partition: number, next: bigint) {
      const position = positions.get(partition)
      if (position) position.next = furthest(position.next, next)
    },

    /** Where a partition stands; undefined when it has to be found out again. */
    position: (partition: number): Readonly<Position> | undefined => positions.get(partition),

    /** Everything below `next` is settled and stored. */
    settled(partition: number, next: bigint) {
      const position = positions.get(partition)
      if (!position) return // it is read again
      sought.delete(partition)
      position.stored = furthest(position.stored, next)
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
        if (settled < stored) sendTo(partition, settled)
      }
    },
  }
}

function furthest(one: bigint | undefined, other: bigint): bigint {
  return one !== undefined && one > other ? one : other
}
