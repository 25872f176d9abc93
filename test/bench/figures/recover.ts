import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { atMost, type Figure, ratio, type Side } from '../figure.ts'
import type { Ground, Lab } from '../lab.ts'
import { preload, repliesOf, settledRecords, untilReplied } from '../queue.ts'

const AWAY_MS = 20_000
const SETTLING_MS = 1_000
const LOOK_MS = 10

/** Fewer would be drained before PostgreSQL is gone. */
const LEAST_RECORDS = 30_000

export const recover: Figure = {
  name: 'recover',
  about:
    'the time of a drain while PostgreSQL is away for 20 s ÷ that of a drain alone, and the time it was away',
  async measure(lab) {
    const records = Math.max(lab.size(100_000), LEAST_RECORDS)
    const awayMs = lab.size(AWAY_MS)
    const ours: number[] = []
    const limit: number[] = []
    for (let round = 1; round <= lab.rounds(3); round += 1) {
      let away = 0
      ours.push(
        await drainSeconds(lab, records, async (ground) => {
          away = await takeAway(lab, ground, records, awayMs)
        }),
      )
      limit.push((await drainSeconds(lab, records)) + away)
      lab.say(
        `round ${round}: ${ours.at(-1)!.toFixed(1)} beside ${limit.at(-1)!.toFixed(1)} s, ${away.toFixed(1)} of them away`,
      )
    }
    const seconds = (values: number[]): Side => ({ unit: 's', values })
    return [ratio('recover', atMost(1.2, 1.05), seconds(ours), seconds(limit))]
  },
}

/** From the first look at which some had ended until every one has its reply in Kafka. */
async function drainSeconds(
  lab: Lab,
  records: number,
  meanwhile: (ground: Ground) => Promise<void> = async () => {},
): Promise<number> {
  const ground = await lab.ground()
  await preload(lab, ground, records)
  const worker = await lab.start('worker', ground)
  await untilSettled(lab, ground, 1)
  const began = performance.now()
  await meanwhile(ground)
  await untilReplied(lab, ground, records)
  const seconds = (performance.now() - began) / 1_000
  await worker.stop()
  return seconds
}

/** Stops PostgreSQL in the middle of a drain. Answers for how many seconds it did not answer. */
async function takeAway(lab: Lab, ground: Ground, records: number, awayMs: number): Promise<number> {
  await untilSettled(lab, ground, records / 4)
  const session = new pg.Client({ connectionString: lab.postgres.ownerUrl })
  await session.connect()
  const isCut = new Promise((resolve) => session.once('end', resolve))
  session.on('error', () => {}) // the end follows
  const stopped = lab.postgres.stop()
  await isCut
  const began = performance.now()
  await stopped
  await delay(SETTLING_MS) // for the replies to what was stored at the last moment
  const before = await repliesOf(lab, ground)
  await delay(began + awayMs - performance.now())
  const after = await repliesOf(lab, ground)
  if (before !== after) throw new Error(`${after - before} outcomes were told while PostgreSQL was away`)
  if (after === 0 || after >= records * 0.9) throw new Error(`PostgreSQL went after ${after} of ${records}`)
  await lab.postgres.restart()
  return (performance.now() - began) / 1_000
}

async function untilSettled(lab: Lab, ground: Ground, records: number): Promise<void> {
  while ((await settledRecords(lab, ground)) < records) await delay(LOOK_MS)
}
