import { median } from '../figure.ts'

const WARM_UP = 5
const LEAST = 5
const MOST = 200
const LONG_ENOUGH_MS = 1_500

/** How long a step takes: the median of as many as fit into a short while, after some that do not count. */
export async function medianMs(step: (turn: number) => Promise<unknown>): Promise<number> {
  for (let turn = 0; turn < WARM_UP; turn += 1) await step(turn)
  const times: number[] = []
  const began = performance.now()
  while (times.length < LEAST || (times.length < MOST && performance.now() - began < LONG_ENOUGH_MS)) {
    const start = performance.now()
    await step(WARM_UP + times.length)
    times.push(performance.now() - start)
  }
  return median(times)
}
