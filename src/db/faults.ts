import { classify } from '../domain/classify.ts'
import { Fault } from '../domain/fault.ts'
import { dbFailure } from './sqlstate.ts'

// biome-ignore lint/suspicious/noExplicitAny: any call, whatever it takes
type Calls = Record<string, (...args: any[]) => Promise<unknown>>

/** The same calls, with what the database throws made a `Fault`: for reads, where no failure is an outcome. */
export function throwingFaults<T extends Calls>(calls: T): T {
  const guarded = Object.entries(calls).map(([name, call]) => [
    name,
    async (...args: unknown[]) => {
      try {
        return await call(...args)
      } catch (error) {
        const failure = dbFailure(error)
        if (!failure) throw error
        const waits = ['outage', 'interrupted', 'contention', 'held-lock'].includes(classify(failure))
        throw new Fault(waits ? 'outage' : 'systemic', failure, error)
      }
    },
  ])
  return Object.fromEntries(guarded) as T
}
