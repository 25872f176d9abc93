import { setTimeout as delay } from 'node:timers/promises'
import { absolute, atMost, type Figure } from '../figure.ts'
import type { Lab } from '../lab.ts'
import type { Running } from '../processes.ts'
import { untilReady } from '../ready.ts'

const PROCESSES = ['ingress', 'worker', 'all-in-one'] as const

export const idle: Figure = {
  name: 'idle',
  about: 'what a process takes that has nothing to do: the worst of ingress, worker and all-in-one',
  async measure(lab) {
    const cpu: number[] = []
    const rss: number[] = []
    for (let round = 1; round <= lab.rounds(5); round += 1) {
      const taken = await atRest(lab)
      cpu.push(Math.max(...taken.map(({ cpuPercent }) => cpuPercent)))
      rss.push(Math.max(...taken.map(({ megabytes }) => megabytes)))
      const each = taken.map(
        ({ name, cpuPercent, megabytes }) =>
          `${name} ${cpuPercent.toFixed(2)} % and ${Math.round(megabytes)} MB`,
      )
      lab.say(`round ${round}: ${each.join(', ')}`)
    }
    return [
      absolute('idle.cpu', atMost(2, 0.5), { unit: '% of a core', values: cpu }),
      absolute('idle.rss', atMost(150, 80), { unit: 'MB', values: rss }),
    ]
  },
}

/** Of all three side by side: each has topics and a group of its own, and one does not show in what another takes. */
async function atRest(lab: Lab) {
  const grounds = []
  for (const name of PROCESSES) grounds.push({ name, ground: await lab.ground() })
  const processes = await Promise.all(
    grounds.map(async ({ name, ground }) => ({ name, process: await lab.start(name, ground) })),
  )
  await Promise.all(processes.map(({ process }) => untilReady(process)))
  await delay(lab.size(5_000))
  const taken = await Promise.all(
    processes.map(async ({ name, process }) => ({ name, ...(await takes(process, lab.size(20_000))) })),
  )
  await Promise.all(processes.map(({ process }) => process.stop()))
  return taken
}

async function takes(process: Running, forMs: number): Promise<{ cpuPercent: number; megabytes: number }> {
  const began = performance.now()
  const before = process.cpuSeconds()
  await delay(forMs)
  const seconds = (performance.now() - began) / 1_000
  return {
    cpuPercent: (100 * (process.cpuSeconds() - before)) / seconds,
    megabytes: process.rssBytes() / 1e6,
  }
}
