import { absolute, atMost, type Figure } from '../figure.ts'
import type { Ground, Lab } from '../lab.ts'
import { preload, untilReplied } from '../queue.ts'

export const backlog: Figure = {
  name: 'backlog',
  about: 'the most memory that a worker takes while it drains 1 M requests − while it drains 10 k',
  async measure(lab) {
    const many = await queueOf(lab, lab.size(1_000_000))
    const few = await queueOf(lab, lab.size(10_000))
    const more: number[] = []
    for (let round = 1; round <= lab.rounds(3); round += 1) {
      const withMany = await peakMegabytes(lab, many)
      const withFew = await peakMegabytes(lab, few)
      more.push(withMany - withFew)
      lab.say(`round ${round}: ${Math.round(withMany)} − ${Math.round(withFew)} MB`)
    }
    return [absolute('backlog', atMost(64, 16), { unit: 'MB', values: more })]
  },
}

interface Queue {
  topic: string
  records: number
}

/** To be drained again and again: filling it takes long. */
async function queueOf(lab: Lab, records: number): Promise<Queue> {
  const ground = await lab.ground()
  await preload(lab, ground, records)
  return { topic: ground.topics.requests, records }
}

async function peakMegabytes(lab: Lab, { topic, records }: Queue): Promise<number> {
  const fresh = await lab.ground()
  const ground: Ground = {
    topics: { ...fresh.topics, requests: topic },
    env: { ...fresh.env, REQUEST_TOPIC: topic },
  }
  const worker = await lab.start('worker', ground)
  await untilReplied(lab, ground, records)
  const peak = worker.peakRssBytes()
  await worker.stop()
  return peak / 1e6
}
