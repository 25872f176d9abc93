import { absolute, atLeast, atMost, type Figure, ratio, type Side } from '../figure.ts'
import { aBody, aRecord } from '../generate.ts'
import type { Lab } from '../lab.ts'
import { drainRate, preload } from '../queue.ts'

export const duplicates: Figure = {
  name: 'duplicates',
  about: 'requests that all ask for one name and version ÷ as many that differ, on one partition',
  async measure(lab) {
    // What a statement leaves behind is to be there when it is counted.
    await lab.query('alter table workflow set (autovacuum_enabled = off, toast.autovacuum_enabled = off)')
    await lab.query('create extension pgstattuple')
    const requests = lab.size(50_000)
    const ours: number[] = []
    const dead: number[] = []
    const limit: number[] = []
    for (let round = 1; round <= lab.rounds(5); round += 1) {
      const body = aBody()
      ours.push(await drained(lab, () => aRecord(body), { created: 1, conflict: requests - 1 }))
      dead.push(await deadTuples(lab))
      limit.push(await drained(lab, () => aRecord(), { created: requests, conflict: 0 }))
      lab.say(
        `round ${round}: ${Math.round(ours.at(-1)!)} beside ${Math.round(limit.at(-1)!)} requests/s, ${dead.at(-1)} dead`,
      )
    }
    const perSecond = (values: number[]): Side => ({ unit: 'requests/s', values })
    return [
      ratio('duplicates.rate', atLeast(0.8, 1.2), perSecond(ours), perSecond(limit)),
      absolute('duplicates.dead-tuples', atMost(0, 0), { unit: 'tuples', values: dead }),
    ]
  },
}

/** How fast a worker settles them, each with the outcome that it must have. */
async function drained(
  lab: Lab,
  make: () => ReturnType<typeof aRecord>,
  expected: { created: number; conflict: number },
): Promise<number> {
  const ground = await lab.ground({ partitions: 1 })
  const before = await outcomes(lab)
  const requests = expected.created + expected.conflict
  await preload(lab, ground, requests, make)
  const worker = await lab.start('worker', ground)
  const rate = await drainRate(lab, ground, requests)
  await worker.stop()
  const after = await outcomes(lab)
  const created = after.created - before.created
  const conflict = after.conflict - before.conflict
  if (created !== expected.created || conflict !== expected.conflict)
    throw new Error(`${created} requests ended as created and ${conflict} as conflict`)
  return rate
}

async function outcomes(lab: Lab): Promise<{ created: number; conflict: number }> {
  const [row] = await lab.query<{ created: number; conflict: number }>(
    `select (count(*) filter (where outcome = 'created'))::int as created,
       (count(*) filter (where outcome = 'conflict'))::int as conflict from registration_request`,
  )
  return row!
}

async function deadTuples(lab: Lab): Promise<number> {
  const [row] = await lab.query<{ dead: number }>(
    `select dead_tuple_count::int as dead from pgstattuple('workflow')`,
  )
  return row!.dead
}
