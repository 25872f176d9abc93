import { setTimeout as delay } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { Partitioners } from 'kafkajs'
import { absolute, atLeast, atMost, type Figure, ratio, type Side } from '../figure.ts'
import { aBody, aRecord } from '../generate.ts'
import { assignment, assignmentAtRest } from '../group.ts'
import type { Ground, Lab } from '../lab.ts'
import { drainRate, preload, produce, untilReplied } from '../queue.ts'

const WORKERS = 4
const PARTITIONS = 12

/** So many names and versions are hot at a time: those of this many records in a row, in every partition. */
const HOT = 300
const RECORDS_OF_A_HEAT = 500

export const rivals: Figure = {
  name: 'rivals',
  about: `${WORKERS} workers, with the same names and versions in all partitions at a time ÷ 1 worker`,
  async measure(lab) {
    const ours: number[] = []
    const deadlocks: number[] = []
    const limit: number[] = []
    const seen = { waits: 0, looks: 0 }
    for (let round = 1; round <= lab.rounds(5); round += 1) {
      const before = await deadlocksSoFar(lab)
      const together = await settled(lab, WORKERS)
      ours.push(together.rate)
      seen.waits += together.waits
      seen.looks += together.looks
      deadlocks.push((await deadlocksSoFar(lab)) - before)
      const alone = await settled(lab, 1)
      limit.push(alone.rate)
      lab.say(
        `round ${round}: ${Math.round(together.rate)} beside ${Math.round(alone.rate)} requests/s, ${deadlocks.at(-1)} deadlocks, waiting for each other at ${together.waits} of ${together.looks} looks`,
      )
    }
    if (seen.waits === 0 && seen.looks > 100)
      // fewer may miss it
      throw new Error('no worker ever waited for another: they are no rivals')
    const perSecond = (values: number[]): Side => ({ unit: 'requests/s', values })
    return [
      ratio('rivals.rate', atLeast(0.8, 1.2), perSecond(ours), perSecond(limit)),
      absolute('rivals.deadlocks', atMost(0, 0), { unit: 'deadlocks', values: deadlocks }),
    ]
  },
}

interface Run {
  rate: number
  /** How often a connection was seen that waited for the transaction of another. */
  waits: number
  looks: number
}

/** How fast so many workers settle the same queue, warm and with their group at rest. */
async function settled(lab: Lab, count: number): Promise<Run> {
  const ground = await lab.ground({ partitions: PARTITIONS })
  const workers = await Promise.all(Array.from({ length: count }, () => lab.start('worker', ground)))
  const assigned = await assignmentAtRest(lab, ground, count)
  const cold = lab.size(5_000) * count
  await preload(lab, ground, cold)
  await untilReplied(lab, ground, cold)

  const hot = hotRecords(lab.size(60_000))
  await preloadUnseen(lab, ground, hot)
  const watching = watchWaits(lab)
  const rate = await drainRate(lab, ground, cold + hot.length)
  const seen = await watching.end()

  if (!isDeepStrictEqual(await assignment(lab, ground), assigned))
    lab.say('the group did not stay at rest: a worker was late to say that it lives')
  await Promise.all(workers.map((worker) => worker.stop()))
  await assertNoneLost(lab, hot)
  return { rate, ...seen }
}

/** Every partition has the names and versions of a heat in an order of its own. */
function hotRecords(length: number) {
  return Array.from({ length }, (_, index) => {
    const heat = Math.floor(index / PARTITIONS / RECORDS_OF_A_HEAT)
    const which = Math.floor(Math.random() * HOT)
    const name = `hot-${heat}-${which >> 2}`
    const version = `1.${which % 4}.0`
    const record = aRecord({ ...aBody(name), version })
    return { ...record, partition: index % PARTITIONS, taken: `${name} ${version}` }
  })
}

/** The workers, which read what is committed, see none of the records before all are there. */
async function preloadUnseen(
  lab: Lab,
  ground: Ground,
  records: ReturnType<typeof hotRecords>,
): Promise<void> {
  const producer = lab.kafka.producer({
    createPartitioner: Partitioners.DefaultPartitioner,
    transactionalId: ground.topics.requests,
    maxInFlightRequests: 1,
    idempotent: true,
  })
  await producer.connect()
  const transaction = await producer.transaction()
  await produce(transaction, ground, records.length, (index) => records[index]!)
  await transaction.commit()
  await producer.disconnect()
}

function watchWaits(lab: Lab) {
  const LOOK_MS = 20
  let isOver = false
  const seen = { waits: 0, looks: 0 }
  const looking = (async () => {
    while (!isOver) {
      const [row] = await lab.query<{ waiting: boolean }>(
        `select count(*) > 0 as waiting from pg_stat_activity
         where wait_event_type = 'Lock' and wait_event in ('transactionid', 'spectoken')`,
      )
      seen.looks += 1
      if (row!.waiting) seen.waits += 1
      await delay(LOOK_MS)
    }
  })()
  return {
    async end() {
      isOver = true
      await looking
      return seen
    },
  }
}

async function assertNoneLost(lab: Lab, hot: ReturnType<typeof hotRecords>): Promise<void> {
  const taken = new Set(hot.map((record) => record.taken)).size
  const [row] = await lab.query<{ requests: number; created: number; workflows: number }>(
    `select count(*)::int as requests, (count(*) filter (where outcome = 'created'))::int as created,
       (select count(*)::int from workflow where workflow_name like 'hot-%') as workflows
     from registration_request where workflow_name like 'hot-%'`,
  )
  const { requests, created, workflows } = row!
  if (requests !== hot.length || created !== taken || workflows !== taken)
    throw new Error(
      `${requests} of ${hot.length} requests ended, ${created} with a workflow of ${workflows}, not ${taken}`,
    )
}

/** Of the workers' connections, which tell what they counted when they end. */
async function deadlocksSoFar(lab: Lab): Promise<number> {
  for (;;) {
    const [row] = await lab.query<{ open: number; deadlocks: number }>(
      `select deadlocks::int, (select count(*)::int from pg_stat_activity
         where application_name like 'workflow-registrar%') as open
       from pg_stat_database where datname = current_database()`,
    )
    if (row!.open === 0) return row!.deadlocks
    await delay(20)
  }
}
