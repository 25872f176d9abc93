/* The asynchronous door of the service, with a produce for each request instead of one for all of a turn. */
import { Partitioners } from 'kafkajs'
import { parseConfig } from '../../../src/config.ts'
import { logTag } from '../../../src/domain/accepted-at.ts'
import { problemsAt } from '../../../src/domain/problem.ts'
import { buildServer } from '../../../src/http/server.ts'
import { workflowRequestRoutes } from '../../../src/http/workflow-requests.ts'
import { kafkaClient } from '../../../src/kafka/client.ts'
import { requestMessage } from '../../../src/kafka/messages.ts'
import { createLogger } from '../../../src/logger.ts'

const { infrastructure, topics, kafkaSendTimeoutMs, problemBaseUrl, logLevel } = parseConfig(process.env)
const topic = topics.requests
const log = createLogger(logLevel)
const makeProblem = problemsAt(problemBaseUrl)
const kafka = kafkaClient(infrastructure!.kafka, 'single', log)

const admin = kafka.admin()
await admin.connect()
const { clusterId } = await admin.describeCluster()
await admin.disconnect()
const tag = logTag(clusterId, topic)

const producer = kafka.producer({
  allowAutoTopicCreation: false,
  createPartitioner: Partitioners.DefaultPartitioner,
})
await producer.connect()

const unused = (): never => {
  throw new Error('this is for requests that are only accepted')
}
const workflowRequests = workflowRequestRoutes({
  async publish({ workflow, ...request }, body, trace) {
    const message = requestMessage({ ...request, workflowName: workflow.workflow_name, body, trace })
    const [sent] = await producer.send({ topic, acks: -1, timeout: kafkaSendTimeoutMs, messages: [message] })
    return { tag, partition: sent!.partition, offset: BigInt(sent!.baseOffset!) }
  },
  foresee: unused,
  readStatus: unused,
  waiters: { wait: unused, release: () => {} },
  workflowById: unused,
  makeProblem,
})
const server = await buildServer({ routes: [workflowRequests], makeProblem, log })
process.once('SIGTERM', () => process.exit(0))
process.stdout.write(`listening on ${await server.listen({ host: '127.0.0.1', port: 0 })}\n`)
