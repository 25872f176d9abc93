/** Waits no longer than the signal allows, and then throws its reason. What is awaited goes on. */
export function untilAborted<T>(awaited: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>()
  const abort = () => reject(signal.reason)
  if (signal.aborted) abort()
  signal.addEventListener('abort', abort, { once: true })
  awaited.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  return promise
}
