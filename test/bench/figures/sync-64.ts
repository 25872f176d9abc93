import { checkCreated, storedWorkflows } from '../created.ts'
import { atLeast, atMost, type Figure, ratio, type Side } from '../figure.ts'
import { aBody } from '../generate.ts'
import type { Ground, Lab } from '../lab.ts'
import { closedLoop, type Load } from '../loads/closed-loop.ts'
import type { Running } from '../processes.ts'

export const sync64: Figure = {
  name: 'sync-64',
  about: 'creates a second at 64 callers, and their p99 ÷ bare Fastify and pg, one INSERT each, pool of 10',
  async measure(lab) {
    const ours: Load[] = []
    const limit: Load[] = []
    for (let round = 1; round <= lab.rounds(5); round += 1) {
      ours.push(await created(lab, (ground) => lab.start('ingress', ground)))
      limit.push(await created(lab, (ground) => lab.startLimit('bare-insert', ground)))
      lab.say(`round ${round}: ${told(ours.at(-1)!)} beside ${told(limit.at(-1)!)}`)
    }
    const rate = (loads: Load[]): Side => ({
      unit: 'creates/s',
      values: loads.map(({ perSecond }) => perSecond),
    })
    const p99 = (loads: Load[]): Side => ({ unit: 'ms', values: loads.map(({ p99Ms }) => p99Ms) })
    return [
      ratio('sync-64.rate', atLeast(1.2, 1.5), rate(ours), rate(limit)),
      ratio('sync-64.p99', atMost(1.2, 1), p99(ours), p99(limit)),
    ]
  },
}

/** What a server does with creates, once it is warm. */
async function created(lab: Lab, start: (ground: Ground) => Promise<Running>): Promise<Load> {
  const ground = await lab.ground()
  const before = await storedWorkflows(lab)
  const server = await start(ground)
  const load = {
    url: `${server.url}/api/v1/workflows`,
    callers: 64,
    body: () => JSON.stringify(aBody()),
    status: 201,
  }
  const warmUp = await closedLoop({ ...load, seconds: 2 })
  const measured = await closedLoop({ ...load, seconds: lab.size(8) })
  await server.stop()
  await checkCreated(lab, before, warmUp.answers + measured.answers)
  return measured
}

const told = ({ perSecond, p99Ms }: Load) => `${Math.round(perSecond)}/s (p99 ${p99Ms.toFixed(1)} ms)`
