import { setTimeout as delay } from 'node:timers/promises'
import { type CloseStack, closeStack } from './close-stack.ts'
import { Unreached } from './start-error.ts'
import { within } from './within.ts'

/** Something on a server that may be away when the process starts. */
export interface Opening<T> {
  /** What was opened; undefined while it is not. */
  readonly value: T | undefined
  /** Why it is not open. */
  readonly reason: string | undefined
  /** Resolves when it is open, or has to be waited for. */
  readonly tried: Promise<void>
  /** Resolves when it is open. */
  readonly opened: Promise<T>
  /** Gives up trying, or closes what was opened. */
  close(): Promise<void>
}

export interface OpeningParts<T> {
  /** What it is, for people. */
  name: string
  /**
   * What is added to `opened` is closed with it, or when the try fails. Is tried again for what is `Unreached`. `signal`
   * is aborted when nobody waits for it any more.
   */
  open: (opened: CloseStack, signal: AbortSignal) => Promise<T>
  /** Told each new reason to wait. */
  onWait: (reason: string) => void
  /** Told when it is open that had to be waited for. */
  onOpen: () => void
  /** Told when no other try can help; there is none then. */
  onRefused: (error: unknown) => void
  /** How long the first try is waited for; default: as long as it takes. */
  patienceMs?: number
}

const RETRY_MS = 1_000

/** How long a try that is under way may take to end when nobody waits for it any more. */
const END_MS = 3_000

/** Opens what `open` does as soon as its server answers. */
export function opening<T>(parts: OpeningParts<T>): Opening<T> {
  const { name, open, onWait, onOpen, onRefused, patienceMs } = parts
  const stopping = new AbortController()
  const { signal } = stopping
  const tried = Promise.withResolvers<void>()
  const whenOpen = Promise.withResolvers<T>()
  let isWaiting = false
  let reason: string | undefined
  let value: T | undefined
  let opened = closeStack()

  const patience =
    patienceMs === undefined
      ? undefined
      : setTimeout(() => isWaiting || wait(`${name} is not ready yet`), patienceMs)

  function wait(why: string) {
    if (why !== reason) onWait(why)
    reason = why
    isWaiting = true
    tried.resolve()
  }

  async function keepTrying() {
    while (!signal.aborted) {
      opened = closeStack()
      try {
        return succeed(await open(opened, signal))
      } catch (error) {
        await opened.close().catch(() => {}) // what kept it from opening is the one to tell
        if (signal.aborted) return
        if (!(error instanceof Unreached) || (error.isDoubtful && !isWaiting)) throw error
        wait(error.reason)
      }
      await delay(RETRY_MS, undefined, { signal })
    }
  }

  function succeed(result: T) {
    if (signal.aborted) return
    value = result
    reason = undefined
    if (isWaiting) onOpen()
    tried.resolve()
    whenOpen.resolve(result)
  }

  const trying = keepTrying()
    .catch((error) => signal.aborted || onRefused(error))
    .finally(() => clearTimeout(patience))

  return {
    get value() {
      return value
    },
    get reason() {
      return reason
    },
    tried: tried.promise,
    opened: whenOpen.promise,
    async close() {
      clearTimeout(patience)
      stopping.abort()
      await within(END_MS, trying).catch(() => {})
      await opened.close()
    },
  }
}
