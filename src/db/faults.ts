import { classify, type FailureClass } from '../domain/classify.ts'
import { Fault } from '../domain/fault.ts'
import { dbFailure } from './sqlstate.ts'

// biome-ignore lint/suspicious/noExplicitAny: any call, whatever it takes
type Calls = Record<string, (...args: any[]) => Promise<unknown>>

/**
 * The same calls, with what the database throws made a `Fault`: for calls that may run twice, and where no failure is an
 * outcome. One whose connection was lost runs again at once, on another.
 */
export function throwingFaults<T extends Calls>(calls: T): T {
  const guarded = Object.entries(calls).map(([name, call]) => [
    name,
    async (...args: unknown[]) => {
      for (let tries = 1; ; tries += 1) {
        try {
          return await call(...args)
        } catch (error) {
          const failure = dbFailure(error)
          if (!failure) throw error
          const failureClass = classify(failure)
          if (failureClass === 'interrupted' && tries === 1) continue
          throw new Fault(PASSING.includes(failureClass) ? 'outage' : 'systemic', failure, error)
        }
      }
    },
  ])
  return Object.fromEntries(guarded) as T
}

const PASSING: readonly FailureClass[] = ['outage', 'interrupted', 'contention', 'held-lock']
