import { absolute, atMost, type Figure } from '../figure.ts'
import type { Lab } from '../lab.ts'
import { untilReady } from '../ready.ts'

const PROCESSES = ['ingress', 'worker', 'all-in-one'] as const

export const start: Figure = {
  name: 'start',
  about:
    'how soon a process listens, and is ready, where all is there: the worst of ingress, worker and all-in-one',
  async measure(lab) {
    const listening: number[] = []
    const ready: number[] = []
    await startEach(lab) // in a Kafka without any group, the first one takes longer
    for (let round = 1; round <= lab.rounds(9); round += 1) {
      const starts = await startEach(lab)
      listening.push(Math.max(...starts.map((one) => one.listening)))
      ready.push(Math.max(...starts.map((one) => one.ready)))
      const each = starts.map(
        (one) => `${one.name} ${one.listening.toFixed(2)} s and ${one.ready.toFixed(2)} s`,
      )
      lab.say(`round ${round}: ${each.join(', ')}`)
    }
    return [
      absolute('start.listening', atMost(1, 0.5), { unit: 's', values: listening }),
      absolute('start.ready', atMost(2, 1), { unit: 's', values: ready }),
    ]
  },
}

/** One after the other, with nothing else to do for the machine. */
async function startEach(lab: Lab) {
  const starts = []
  for (const name of PROCESSES) {
    const ground = await lab.ground()
    const began = performance.now()
    const process = await lab.start(name, ground)
    await untilReady(process)
    starts.push({
      name,
      listening: process.listeningAfterMs / 1_000,
      ready: (performance.now() - began) / 1_000,
    })
    await process.stop()
  }
  return starts
}
