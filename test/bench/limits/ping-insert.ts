/* Consumes the request topic and inserts each record as one row. Tells how long each took since it was due. */
import { randomUUID } from 'node:crypto'
import Fastify from 'fastify'
import pg from 'pg'
import pino from 'pino'
import { parseConfig } from '../../../src/config.ts'
import { kafkaClient } from '../../../src/kafka/client.ts'
import { now } from '../loads/open-loop.ts'
import { INSERT_WORKFLOW, workflowValues } from '../plain-insert.ts'

const { infrastructure, topics } = parseConfig(process.env)
const pool = new pg.Pool({ connectionString: infrastructure!.databaseUrl, max: 10 })
const kafka = kafkaClient(infrastructure!.kafka, 'ping', pino({ level: 'silent' }))
const consumer = kafka.consumer({ groupId: randomUUID(), maxWaitTimeInMs: 100 })
const joined = new Promise((resolve) => consumer.on(consumer.events.GROUP_JOIN, resolve))
const latencies: number[] = []
const failures: Error[] = []
await consumer.connect()
await consumer.subscribe({ topics: [topics.requests], fromBeginning: true })
await consumer.run({
  autoCommit: false, // each would be waited for
  async eachBatch({ batch }) {
    for (const { value, headers } of batch.messages)
      insert(value!, Number(headers!.due)).catch((error) => failures.push(error))
  },
})
await joined

/** Nobody waits for it: the next fetch is not held up, and ten connections insert at the same time. */
async function insert(value: Buffer, dueAt: number): Promise<void> {
  await pool.query({
    name: 'insert',
    text: INSERT_WORKFLOW,
    values: workflowValues(JSON.parse(value.toString())),
  })
  latencies.push(now() - dueAt)
}

const server = Fastify()
server.get('/latencies', () => {
  if (failures[0]) throw failures[0]
  return latencies.splice(0)
})
process.once('SIGTERM', () => process.exit(0))
process.stdout.write(`listening on ${await server.listen({ host: '127.0.0.1', port: 0 })}\n`)
