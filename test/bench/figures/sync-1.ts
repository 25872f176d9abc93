import { checkCreated, storedWorkflows } from '../created.ts'
import { atMost, type Figure, median, ratio, type Side } from '../figure.ts'
import { aBody } from '../generate.ts'
import type { Lab } from '../lab.ts'
import { oneCaller } from '../loads/one-caller.ts'
import { pgbenchInserts } from '../pgbench.ts'

export const sync1: Figure = {
  name: 'sync-1',
  about: "p50 of a create by one caller ÷ pgbench's insert of one row, prepared, by one client",
  async measure(lab) {
    const ours: number[] = []
    const limit: number[] = []
    for (let round = 1; round <= lab.rounds(5); round += 1) {
      ours.push(median(await creates(lab)))
      limit.push(median(await inserts(lab)))
      lab.say(`round ${round}: ${ours.at(-1)!.toFixed(2)} beside ${limit.at(-1)!.toFixed(2)} ms`)
    }
    const inMs = (values: number[]): Side => ({ unit: 'ms', values })
    return [ratio('sync-1', atMost(3, 2), inMs(ours), inMs(limit))]
  },
}

/** How long each create took, once the process was warm. */
async function creates(lab: Lab): Promise<number[]> {
  const ground = await lab.ground()
  const before = await storedWorkflows(lab)
  const ingress = await lab.start('ingress', ground)
  const load = {
    url: `${ingress.url}/api/v1/workflows`,
    body: () => JSON.stringify(aBody()),
    status: 201,
  }
  const warmUp = await oneCaller({ ...load, seconds: 2 })
  const latencies = await oneCaller({ ...load, seconds: lab.size(8) })
  await ingress.stop()
  await checkCreated(lab, before, warmUp.length + latencies.length)
  return latencies
}

async function inserts(lab: Lab): Promise<number[]> {
  await lab.ground()
  const before = await storedWorkflows(lab)
  const latencies = await pgbenchInserts(lab.postgres.serviceUrl, lab.size(8))
  await checkCreated(lab, before, latencies.length)
  return latencies
}
