/** A step took longer than it may. It goes on, unheard. */
export class TimeLimitExceeded extends Error {
  override readonly name = 'TimeLimitExceeded'
}

/** The result of `step`, unless nobody waits for it any more. It goes on, unheard. */
export async function unlessAborted<T>(signal: AbortSignal | undefined, step: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const giveUp = () => reject(signal?.reason)
  if (signal?.aborted) giveUp()
  signal?.addEventListener('abort', giveUp)
  try {
    return await Promise.race([step, promise])
  } finally {
    signal?.removeEventListener('abort', giveUp)
  }
}

/** The result of `step`, unless it takes longer than `ms`. */
export async function within<T>(ms: number, step: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new TimeLimitExceeded(`took longer than ${ms} ms`)), ms)
  try {
    return await Promise.race([step, promise])
  } finally {
    clearTimeout(timer)
  }
}
