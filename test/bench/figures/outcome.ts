import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { Partitioners } from 'kafkajs'
import { kafkaClient } from '../../../src/kafka/client.ts'
import { within } from '../../../src/within.ts'
import { atMost, type Figure, quantile, ratio, type Side } from '../figure.ts'
import { aBody, aRecord } from '../generate.ts'
import type { Ground, Lab } from '../lab.ts'
import { openConnections } from '../loads/connections.ts'
import { now, openLoop } from '../loads/open-loop.ts'

/** So many requests without an outcome keep every part of the pipeline busy. */
const UNFINISHED = 512

const WARM_SECONDS = 2
const SUSTAINED_SECONDS = 4
const MAX_OUTCOME_MS = 30_000

export const outcome: Figure = {
  name: 'outcome',
  about:
    'POST until its reply is consumed, at half of what is sustained ÷ a ping through Kafka and an insert',
  async measure(lab) {
    const seconds = lab.size(10)
    const ours: number[][] = []
    const limit: number[][] = []
    for (let round = 1; round <= lab.rounds(5); round += 1) {
      const { perSecond, latencies } = await ofOutcomes(lab, seconds)
      ours.push(latencies)
      limit.push(await ofPings(lab, perSecond, seconds))
      const [p50, p99] = [0.5, 0.99].map((share) =>
        [ours, limit].map((side) => quantile(side.at(-1)!, share).toFixed(1)).join(' beside '),
      )
      lab.say(`round ${round}: at ${Math.round(perSecond)} a second p50 ${p50} ms, p99 ${p99} ms`)
    }
    const at = (share: number, rounds: number[][]): Side => ({
      unit: 'ms',
      values: rounds.map((latencies) => quantile(latencies, share)),
    })
    return [
      ratio('outcome.p50', atMost(2.5, 1.5), at(0.5, ours), at(0.5, limit)),
      ratio('outcome.p99', atMost(4, 2), at(0.99, ours), at(0.99, limit)),
    ]
  },
}

/** Finds out how many outcomes a second the service sustains, and then how long each takes at half of that. */
async function ofOutcomes(lab: Lab, seconds: number): Promise<{ perSecond: number; latencies: number[] }> {
  const ground = await lab.ground()
  const ingress = await lab.start('ingress', ground)
  const worker = await lab.start('worker', ground)
  const connections = openConnections(ingress.url)
  const replies = await consumeReplies(lab, ground)

  /** Resolves when its reply is consumed. */
  async function request(): Promise<void> {
    const body = aBody()
    const replied = replies.of(String(body.workflow_name))
    const target = '/api/v1/workflow-requests'
    const { status } = await connections.send({ method: 'POST', target, body: JSON.stringify(body) })
    if (status !== 202) throw new Error(`A request was answered ${status}`)
    await within(MAX_OUTCOME_MS, replied)
  }

  const perSecond = (await sustained(request)) / 2
  const latencies: number[] = []
  const late = await openLoop({
    perSecond,
    seconds,
    send: (due) =>
      Promise.all(
        due.map(async (dueAt) => {
          await request()
          latencies.push(now() - dueAt)
        }),
      ),
  })
  lab.say(`requests were sent late by ${late.p50Ms.toFixed(1)} ms, ${late.p99Ms.toFixed(1)} ms at p99`)
  connections.close()
  await replies.close()
  await ingress.stop()
  await worker.stop()
  return { perSecond, latencies }
}

/** How many end in a second while there are always as many under way, once all is warm. */
async function sustained(request: () => Promise<void>): Promise<number> {
  let ended = 0
  let isOver = false
  const callers = Promise.all(
    Array.from({ length: UNFINISHED }, async () => {
      while (!isOver) {
        await request()
        ended += 1
      }
    }),
  )
  const counted = async () => {
    await delay(WARM_SECONDS * 1_000)
    const [endedBefore, began] = [ended, now()]
    await delay(SUSTAINED_SECONDS * 1_000)
    return (ended - endedBefore) / ((now() - began) / 1_000)
  }
  const perSecond = await Promise.race([counted(), callers.then(() => 0)])
  isOver = true
  await callers
  return perSecond
}

/** Consumes the reply topic. Each reply must say that a workflow was created. */
async function consumeReplies(lab: Lab, { topics }: Ground) {
  const waiting = new Map<string, () => void>()
  const consumer = kafkaClient({ brokers: lab.brokers }, 'bench', lab.log).consumer({
    groupId: randomUUID(),
    maxWaitTimeInMs: 100,
  })
  const joined = new Promise((resolve) => consumer.on(consumer.events.GROUP_JOIN, resolve))
  await consumer.connect()
  await consumer.subscribe({ topics: [topics.replies], fromBeginning: true })
  await consumer.run({
    autoCommit: false, // each would be waited for
    async eachBatch({ batch }) {
      for (const { key, headers } of batch.messages)
        if (String(headers?.outcome) === 'created') waiting.get(String(key))?.()
    },
  })
  await joined
  return {
    /** Resolves when the reply about this workflow is here. */
    async of(workflowName: string): Promise<void> {
      await new Promise<void>((resolve) => waiting.set(workflowName, resolve))
      waiting.delete(workflowName)
    },
    close: () => consumer.disconnect(),
  }
}

/** How long a record takes through Kafka and into one row, at that rate. */
async function ofPings(lab: Lab, perSecond: number, seconds: number): Promise<number[]> {
  const ground = await lab.ground()
  const limit = await lab.startLimit('ping-insert', ground)
  const producer = kafkaClient({ brokers: lab.brokers }, 'bench', lab.log).producer({
    createPartitioner: Partitioners.DefaultPartitioner,
  })
  await producer.connect()
  const send = (due: readonly number[]) =>
    producer.send({
      topic: ground.topics.requests,
      acks: -1,
      messages: due.map((dueAt) => ({ ...aRecord(), headers: { due: String(dueAt) } })),
    })
  const latencies = async (seconds: number) => {
    const late = await openLoop({ perSecond, seconds, send })
    const found: number[] = []
    const missing = Math.round(perSecond * seconds)
    const until = now() + MAX_OUTCOME_MS
    while (found.length < missing) {
      if (now() > until) throw new Error(`${missing - found.length} pings were lost`)
      await delay(100)
      const answer = await fetch(`${limit.url}/latencies`)
      if (!answer.ok) throw new Error(`A ping failed: ${await answer.text()}`)
      found.push(...((await answer.json()) as number[]))
    }
    return { late, found }
  }
  await latencies(WARM_SECONDS)
  const { late, found } = await latencies(seconds)
  lab.say(`pings were sent late by ${late.p50Ms.toFixed(1)} ms, ${late.p99Ms.toFixed(1)} ms at p99`)
  await producer.disconnect()
  await limit.stop()
  return found
}
