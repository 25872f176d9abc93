import { setTimeout as delay } from 'node:timers/promises'

const TRIES = 50
const PAUSE_MS = 100

/** Asks again while an answer may come: by itself kafkajs gives up at once where a leader is just being elected. */
export async function retried<T>(ask: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await ask()
    } catch (error) {
      if (tries === TRIES || !isPassing(error)) throw error
      await delay(PAUSE_MS)
    }
  }
}

/** Whether the same question may be answered later. */
export function isPassing(error: unknown): boolean {
  return error instanceof Error && 'retriable' in error && error.retriable === true
}
