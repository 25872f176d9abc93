import { setTimeout as delay } from 'node:timers/promises'
import { type CloseStack, closeStack } from './close-stack.ts'
import { Unreached } from './start-error.ts'

/** Something on a server that may be away when the process starts. */
export interface Opening<T> {
  /** What was opened; undefined while it is not. */
  readonly value: T | undefined
  /** Why it is not open. */
  readonly reason: string | undefined
  /** Resolves when it is open, or has to be waited for; rejects when no other try can help. */
  readonly tried: Promise<void>
  /** Resolves when it is open. */
  readonly opened: Promise<T>
  /** Gives up trying, or closes what was opened. */
  close(): Promise<void>
}

export interface OpeningParts<T> {
  /** What it is, for people. */
  name: string
  /** What is added to `opened` is closed with it, or when the try fails. Is tried again for what is `Unreached`. */
  open: (opened: CloseStack) => Promise<T>
  /** Told each new reason to wait. */
  onWait: (error: Unreached) => void
  /** Told when it is open that had to be waited for. */
  onOpen: () => void
  /** Told when a later try found that none can help. */
  onRefused: (error: unknown) => void
  /** How long the first try counts as under way; default: as long as it takes. */
  patienceMs?: number
}

const RETRY_MS = 1_000

/** Opens what `open` does as soon as its server answers. */
export function opening<T>({
  name,
  open,
  onWait,
  onOpen,
  onRefused,
  patienceMs,
}: OpeningParts<T>): Opening<T> {
  const stopping = new AbortController()
  const { signal } = stopping
  const tried = Promise.withResolvers<void>()
  const whenOpen = Promise.withResolvers<T>()
  tried.promise.catch(() => {}) // who waits for it hears of it
  let isTried = false
  let reason: string | undefined
  let result: { value: T; opened: CloseStack } | undefined

  function endTry() {
    isTried = true
    tried.resolve()
  }

  const patience =
    patienceMs === undefined
      ? undefined
      : setTimeout(() => isTried || wait(new Unreached(`${name} does not answer`)), patienceMs)

  function wait(error: Unreached) {
    if (!isTried || error.reason !== reason) onWait(error)
    reason = error.reason
    endTry()
  }

  async function tryOnce(): Promise<boolean> {
    const opened = closeStack()
    try {
      const value = await open(opened)
      if (signal.aborted) throw signal.reason
      result = { value, opened }
      reason = undefined
      if (isTried) onOpen()
      endTry()
      whenOpen.resolve(value)
      return true
    } catch (error) {
      await opened.close().catch(() => {}) // what kept it from opening is the one to tell
      if (signal.aborted) return true
      if (error instanceof Unreached && (isTried || !error.isDoubtful)) {
        wait(error)
        return false
      }
      if (isTried) onRefused(error)
      else tried.reject(error)
      return true
    }
  }

  async function keepTrying() {
    while (!(await tryOnce())) await delay(RETRY_MS, undefined, { signal })
  }

  keepTrying()
    .catch(() => {})
    .finally(() => clearTimeout(patience))

  return {
    get value() {
      return result?.value
    },
    get reason() {
      return reason
    },
    tried: tried.promise,
    opened: whenOpen.promise,
    async close() {
      clearTimeout(patience)
      stopping.abort()
      await result?.opened.close()
    },
  }
}
