/** How long what is settled may be uncommitted, and so told once more if the process is killed. */
const INTERVAL_MS = 200

type Commit = () => Promise<void>

/** The offsets of a group, committed beside the work that they stand for: nobody waits for a commit but the end. */
export interface Commits {
  /** Has everything committed soon that is settled by then. */
  soon(commit: Commit): void
  /** Commits what is due. Resolves when no commit is under way; one that failed is made up for by the next. */
  now(): Promise<void>
  /** Throws why the last commit failed, once: whoever does not belong to the group any more has to find out. */
  rethrow(): void
  /** Nothing is due any more, and nothing failed. */
  forget(): void
}

export function commitsBeside(): Commits {
  let due: Commit | undefined
  let timer: NodeJS.Timeout | undefined
  let failure: { error: unknown } | undefined
  let sent: Promise<unknown> = Promise.resolve()

  function soon(commit: Commit) {
    due = commit
    timer ??= setTimeout(() => void now(), INTERVAL_MS)
  }

  async function now(): Promise<void> {
    clearTimeout(timer)
    timer = undefined
    const commit = due
    due = undefined
    // It does not wait for the one before: they go over one connection, in this order.
    if (commit) sent = Promise.all([sent, attempt(commit)])
    await sent
  }

  async function attempt(commit: Commit): Promise<void> {
    try {
      await commit()
      failure = undefined
    } catch (error) {
      failure = { error }
      if (!due) soon(commit)
    }
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
      due = undefined
      failure = undefined
    },
  }
}
