import { classify, type FailureClass } from '../domain/classify.ts'
import { Fault } from '../domain/fault.ts'
import { dbFailure } from './sqlstate.ts'

// biome-ignore lint/suspicious/noExplicitAny: any call, whatever it takes
type Calls = Record<string, (...args: any[]) => Promise<unknown>>

/**
 * The same calls, with what the database throws made a `Fault`: for calls that may run twice, and where no failure is an
 * outcome. One whose connection was lost runs again at once, on another; which may be lost too, and be told of only now.
 * `ready` is called before each.
 */
export function throwingFaults<T extends Calls>(calls: T, ready = () => {}): T {
  const guarded = Object.entries(calls).map(([name, call]) => [
    name,
    async (...args: unknown[]) => {
      ready()
      const began = performance.now()
      const isWorthwhile = (tries: number) =>
        tries === 1 || (tries < TRIES && performance.now() - began < AT_ONCE_MS)
      for (let tries = 1; ; tries += 1) {
        try {
          return await call(...args)
        } catch (error) {
          const failure = dbFailure(error)
          if (!failure) throw error
          const failureClass = classify(failure)
          if (failureClass === 'interrupted' && isWorthwhile(tries)) continue
          throw new Fault(PASSING.includes(failureClass) ? 'outage' : 'systemic', failure, error)
        }
      }
    },
  ])
  return Object.fromEntries(guarded) as T
}

/** More than a pool has connections: all of them may be lost. */
const TRIES = 6
const AT_ONCE_MS = 1_000

const PASSING: readonly FailureClass[] = ['outage', 'interrupted', 'contention', 'held-lock']
