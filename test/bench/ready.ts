import { setTimeout as delay } from 'node:timers/promises'
import type { Running } from './processes.ts'

const LOOK_MS = 5

/** Resolves when a process says that it is ready; throws when it says neither that nor that it is not yet. */
export async function untilReady({ url }: Running): Promise<void> {
  for (;;) {
    const { status } = await fetch(`${url}/health/ready`)
    if (status === 200) return
    if (status !== 503) throw new Error(`${url}/health/ready answered ${status}`)
    await delay(LOOK_MS)
  }
}
