import type { CloseStack } from './close-stack.ts'
import type { Logger } from './logger.ts'
import { type Opening, type OpeningParts, opening } from './opening.ts'

export interface StartupParts {
  log: Logger
  /** One line for each step of the start. */
  say: (line: string) => void
  /** Called when something is refused after the start is over. */
  onCrash: (error: Error) => void
  /** Aborted when the process is told to stop before it is up. */
  signal?: AbortSignal
}

/** What a start opens, one after the other or side by side; all of it closes with `opened`. */
export function startup({ log, say, onCrash, signal }: StartupParts, opened: CloseStack) {
  const failed = Promise.withResolvers<never>()
  failed.promise.catch(() => {}) // who waits for something hears of it
  let failure: { error: unknown } | undefined
  let isOver = false
  signal?.addEventListener('abort', () => fail(signal.reason), { once: true })

  function fail(error: unknown) {
    failure ??= { error }
    failed.reject(error)
  }

  return {
    /** Opens what may be away, and tells of it. `patienceMs`: how long the first try is waited for. */
    open<T>(name: string, step: OpeningParts<T>['open'], patienceMs?: number): Opening<T> {
      const one = opening({
        name,
        ...(patienceMs !== undefined && { patienceMs }),
        open: step,
        onWait(reason) {
          log.warn({ reason }, 'the start waits')
          say(`Waiting: ${reason}`)
        },
        onOpen() {
          log.info({ server: name }, 'the start goes on')
          say(`${name}: ready`)
        },
        onRefused(error) {
          if (isOver) onCrash(error as Error)
          else fail(error)
        },
      })
      opened.add(() => one.close())
      return one
    },

    /** Resolves when each of these is open, or has to be waited for. Rejects when one is refused, or it is too late. */
    async tried(...openings: readonly Opening<unknown>[]): Promise<void> {
      await Promise.race([failed.promise, Promise.all(openings.map((one) => one.tried))])
    },

    /** From now on what is refused ends the process. Throws what was refused before. */
    over(): void {
      if (failure) throw failure.error
      isOver = true
    },
  }
}
