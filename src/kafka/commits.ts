/** How long what is settled may be uncommitted, and so told once more if the process is killed. */
const INTERVAL_MS = 200

/** Where each partition goes on. */
export type Offsets = ReadonlyMap<number, bigint>

/** The offsets of a group, committed beside the work that they stand for: nobody waits for a commit but the end. */
export interface Commits {
  /** Has it committed soon that a partition goes on here. */
  soon(partition: number, offset: bigint): void
  /** Commits what is due. Resolves when no commit is under way; one that failed is made up for by the next. */
  now(): Promise<void>
  /** Throws why the last commit failed, once: whoever does not belong to the group any more has to find out. */
  rethrow(): void
  /** Nothing is due any more, and nothing failed. */
  forget(): void
}

/** `commit` does nothing, and answers undefined, while it cannot: then it is asked again. */
export function commitsBeside(commit: (offsets: Offsets) => Promise<void> | undefined): Commits {
  let due = new Map<number, bigint>()
  let timer: NodeJS.Timeout | undefined
  let failure: { error: unknown } | undefined
  let sent: Promise<unknown> = Promise.resolve()
  /** What each partition was last committed as, whatever came of it. */
  let asked = new Map<number, bigint>()

  function soon(partition: number, offset: bigint) {
    due.set(partition, offset)
    timer ??= setTimeout(() => void now(), INTERVAL_MS).unref()
  }

  async function now(): Promise<void> {
    clearTimeout(timer)
    timer = undefined
    const offsets = due
    due = new Map()
    // It does not wait for the one before: they go over one connection, in this order.
    if (offsets.size > 0) sent = Promise.all([sent, attempt(offsets)])
    await sent
  }

  async function attempt(offsets: Offsets): Promise<void> {
    const mine = asked
    for (const [partition, offset] of offsets) mine.set(partition, offset)
    const committing = commit(offsets)
    if (!committing) return again(offsets)
    try {
      await committing
      if (mine === asked) failure = undefined
    } catch (error) {
      if (mine !== asked) return // forgotten
      const left = [...offsets].filter(([partition, offset]) => asked.get(partition) === offset)
      if (left.length > 0) failure = { error }
      again(left)
    }
  }

  function again(offsets: Iterable<[number, bigint]>) {
    for (const [partition, offset] of offsets) if (!due.has(partition)) soon(partition, offset)
  }

  return {
    soon,
    now,
    rethrow() {
      const failed = failure
      failure = undefined
      if (failed) throw failed.error
    },
    forget() {
      clearTimeout(timer)
      timer = undefined
      due = new Map()
      failure = undefined
      asked = new Map()
    },
  }
}
