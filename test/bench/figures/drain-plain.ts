import pg from 'pg'
import { alternate, type Sides } from '../alternate.ts'
import { atLeast, type Figure } from '../figure.ts'
import type { Ground, Lab } from '../lab.ts'
import { INSERT_WORKFLOW, workflowValues } from '../plain-insert.ts'
import { drainRate, preload } from '../queue.ts'

export const drainPlain: Figure = {
  name: 'drain-plain',
  about: 'the same ÷ a plain kafkajs consumer: eachMessage, JSON.parse, one INSERT each, pool of 1',
  async measure(lab) {
    const rows = lab.size(20_000)
    const sides: Sides = {
      unit: 'rows/s',
      rounds: 5,
      ours: () => withWorker(lab, rows),
      limit: () => withPlainConsumer(lab, rows),
    }
    return [await alternate(lab, 'drain-plain', atLeast(6, 10), sides)]
  },
}

async function withWorker(lab: Lab, rows: number): Promise<number> {
  const ground = await loaded(lab, rows)
  const worker = await lab.start('worker', ground)
  const rate = await drainRate(lab, ground, rows)
  await worker.stop()
  return rate
}

async function withPlainConsumer(lab: Lab, rows: number): Promise<number> {
  const { topics } = await loaded(lab, rows)
  const pool = new pg.Pool({ connectionString: lab.postgres.serviceUrl, max: 1 })
  const consumer = lab.kafka.consumer({ groupId: topics.requests })
  await consumer.connect()
  await consumer.subscribe({ topics: [topics.requests], fromBeginning: true })
  const done = Promise.withResolvers<number>()
  let began = 0
  let count = 0
  await consumer.run({
    async eachMessage({ message }) {
      began ||= performance.now()
      await pool.query(INSERT_WORKFLOW, workflowValues(JSON.parse(message.value!.toString())))
      count += 1
      if (count === rows) done.resolve(rows / ((performance.now() - began) / 1_000))
    },
  })
  const rate = await done.promise
  await consumer.disconnect()
  await pool.end()
  return rate
}

async function loaded(lab: Lab, rows: number): Promise<Ground> {
  const ground = await lab.ground()
  await preload(lab, ground, rows)
  return ground
}
