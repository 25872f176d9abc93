import type { Position } from './domain/accepted-at.ts'
import { ANYBODY, type Caller, maySee } from './domain/access.ts'
import type { Settled } from './domain/request.ts'

export interface OutcomeWaitersParts {
  /** Those of these requests that ended, by id. */
  read(requestIds: readonly string[]): Promise<ReadonlyMap<string, Pick<Settled, 'principal'>>>
  /** How far each partition is settled. */
  readProgress(): Promise<ReadonlyMap<number, bigint>>
  intervalMs?: number
}

export interface OutcomeWaiters {
  /**
   * Resolves when the request has ended, as far as its position or, without one, its id can tell; after `ms` at the
   * latest, and early where `signal` is aborted or `release` called. It never rejects: whoever waited reads how
   * things stand. An id alone tells a caller nothing of requests that they may not see.
   */
  wait(
    requestId: string,
    position: Position | undefined,
    ms: number,
    signal?: AbortSignal,
    caller?: Caller,
  ): Promise<void>
  /** Ends all waits, now and from now on. */
  release(): void
}

interface Waiter {
  requestId: string
  position: Position | undefined
  caller: Caller
  /** On the clock of `performance`. */
  deadline: number
  end(): void
}

/**
 * Waits for outcomes, for any number of callers at once and at the cost of one: they share a timer, which runs only
 * while somebody waits, and at each tick one look at the progress, which is stored together with the outcomes. Those
 * who know no position share one more look, for all their ids.
 */
export function outcomeWaiters({ read, readProgress, intervalMs = 50 }: OutcomeWaitersParts): OutcomeWaiters {
  const waiting = new Set<Waiter>()
  let timer: NodeJS.Timeout | undefined
  let isLooking = false
  let isReleased = false

  function wait(
    requestId: string,
    position: Position | undefined,
    ms: number,
    signal?: AbortSignal,
    caller: Caller = ANYBODY,
  ) {
    if (isReleased || ms <= 0 || signal?.aborted) return Promise.resolve()
    return new Promise<void>((resolve) => {
      const waiter: Waiter = {
        requestId,
        position,
        caller,
        deadline: performance.now() + ms,
        end() {
          signal?.removeEventListener('abort', waiter.end)
          waiting.delete(waiter)
          stopWhenNobodyWaits()
          resolve()
        },
      }
      signal?.addEventListener('abort', waiter.end)
      waiting.add(waiter)
      timer ??= setInterval(tick, intervalMs)
    })
  }

  function stopWhenNobodyWaits() {
    if (waiting.size > 0) return
    clearInterval(timer)
    timer = undefined
  }

  function tick() {
    const now = performance.now()
    endThose((waiter) => waiter.deadline <= now)
    if (waiting.size > 0 && !isLooking) void look()
  }

  async function look() {
    isLooking = true
    await Promise.allSettled([lookAtProgress(), lookForIds()]) // what fails now may go well at the next tick
    isLooking = false
  }

  async function lookAtProgress() {
    if (![...waiting].some(({ position }) => position)) return
    const progress = await readProgress()
    endThose(({ position }) => position && position.offset < (progress.get(position.partition) ?? 0n))
  }

  async function lookForIds() {
    const ids = [...waiting].filter(({ position }) => !position).map(({ requestId }) => requestId)
    if (ids.length === 0) return
    const ended = await read(ids)
    endThose(({ position, requestId, caller }) => {
      const settled = ended.get(requestId)
      return !position && settled && maySee(caller, settled.principal)
    })
  }

  function endThose(are: (waiter: Waiter) => boolean | undefined) {
    for (const waiter of waiting) if (are(waiter)) waiter.end()
  }

  function release() {
    isReleased = true
    endThose(() => true)
  }

  return { wait, release }
}
