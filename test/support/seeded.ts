/** The seed of every property in this run. `FAST_CHECK_SEED` repeats a run whose report named it. */
const seed = Number(process.env.FAST_CHECK_SEED) || Date.now() % 2 ** 31

/** How often to try a property. One that finds a fault may not shrink for ever: then the seed would stay untold. */
export function runs(numRuns: number) {
  return { numRuns, seed, interruptAfterTimeLimit: 25_000 }
}
