import { setTimeout as delay } from 'node:timers/promises'
import { within } from '../../../src/within.ts'
import { quantile } from '../figure.ts'

export interface OpenLoop {
  perSecond: number
  seconds: number
  /** Sends a request for each of the times that they were due at; resolves when all of them have ended. */
  send: (due: readonly number[]) => Promise<unknown>
}

/** How late the load was itself, in its latencies too. */
export interface Lateness {
  p50Ms: number
  p99Ms: number
}

/** Half of all later than that: it is behind, and not only held up now and then. */
const MAX_LATENESS_P50_MS = 10

const MAX_END_MS = 30_000

/** Milliseconds on a clock that is the same in every process. */
export const now = () => Number(process.hrtime.bigint()) / 1e6

/**
 * Requests that come at a constant rate, whatever became of those before. Resolves when all have ended; throws when
 * one has not, or when the load could not keep up with its own rate.
 */
export async function openLoop({ perSecond, seconds, send }: OpenLoop): Promise<Lateness> {
  const total = Math.round(perSecond * seconds)
  const underWay = new Set<Promise<unknown>>()
  const lateness: number[] = []
  const failed = Promise.withResolvers<never>()
  failed.promise.catch(() => {})
  const began = now()
  while (lateness.length < total) {
    const at = now()
    const due: number[] = []
    while (lateness.length < total && dueAt(lateness.length) <= at) {
      due.push(dueAt(lateness.length))
      lateness.push(at - dueAt(lateness.length))
    }
    if (due.length > 0) {
      const sent = send(due)
      underWay.add(sent)
      sent.then(() => underWay.delete(sent), failed.reject)
    }
    await Promise.race([delay(1), failed.promise])
  }
  await Promise.race([within(MAX_END_MS, Promise.all(underWay)), failed.promise])
  const late = { p50Ms: quantile(lateness, 0.5), p99Ms: quantile(lateness, 0.99) }
  if (late.p50Ms > MAX_LATENESS_P50_MS)
    throw new Error(`The load could not keep up: half of it was ${late.p50Ms.toFixed(0)} ms late or more`)
  return late

  function dueAt(index: number): number {
    return began + (index * 1_000) / perSecond
  }
}
