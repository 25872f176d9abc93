/* Accepts whatever is JSON and puts it into Kafka, with the producer of the service: nothing is checked. */
import { randomUUID } from 'node:crypto'
import Fastify from 'fastify'
import pino from 'pino'
import { parseConfig } from '../../../src/config.ts'
import { kafkaClient } from '../../../src/kafka/client.ts'
import { openPublisher } from '../../../src/kafka/publish.ts'

const { infrastructure, topics, kafkaSendTimeoutMs } = parseConfig(process.env)
const kafka = kafkaClient(infrastructure!.kafka, 'bare', pino({ level: 'silent' }))
const publisher = await openPublisher(kafka, { timeoutMs: kafkaSendTimeoutMs })
const server = Fastify()
server.post<{ Body: { workflow_name: string } }>('/api/v1/workflow-requests', async ({ body }, reply) => {
  const id = randomUUID()
  await publisher.send(topics.requests, {
    key: body.workflow_name,
    value: JSON.stringify(body),
    headers: { 'request-id': id },
  })
  return reply.code(202).header('location', `/api/v1/workflow-requests/${id}`).send({ request_id: id })
})
process.once('SIGTERM', () => process.exit(0))
process.stdout.write(`listening on ${await server.listen({ host: '127.0.0.1', port: 0 })}\n`)
