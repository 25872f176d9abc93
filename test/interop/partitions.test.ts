import { expect, onTestFinished, test } from 'vitest'
import { EVENT_TYPES } from '../../src/kafka/events.ts'
import { post } from '../support/http.ts'
import { listen } from '../support/kafka.ts'
import { until } from '../support/until.ts'
import { aWorkflow } from '../support/workflows.ts'
import { withService } from '../support/world.ts'
import { registerInJava } from './java.ts'
import { registerInPython } from './python.ts'

const PARTITIONS = 12
const NAMES = ['a', 'restart-pods', 'ünïcödé', '🚀 to the moon', 'x'.repeat(255)]

test('records of one workflow name share a partition, whether Java, librdkafka with murmur2_random or the service sends them', async () => {
  const service = await withService({ env: { TOPIC_PARTITIONS: String(PARTITIONS) } })
  const { KAFKA_BROKERS: brokers, REQUEST_TOPIC: requestTopic, REPLY_TOPIC: replyTopic } = service.env
  const requests = await listen(service, requestTopic!)
  onTestFinished(() => requests.close())
  const names = [...NAMES, ...Array.from({ length: 15 }, () => `wf-${crypto.randomUUID()}`)]
  const workflows = names.map((workflow_name) => aWorkflow({ workflow_name }))

  for (const workflow of workflows)
    expect((await post(`${service.url}/api/v1/workflow-requests`, workflow)).status).toBe(202)
  await registerInJava('SpringRequestReply', [brokers!, requestTopic!, replyTopic!], workflows)
  const events = workflows.map((data) => ({ attributes: attributes(), data }))
  const replies = await registerInPython([brokers!, requestTopic!, replyTopic!], events)

  await until('all three of each name', () => requests.records.length === 3 * names.length)
  const partitionsOf = (name: string) =>
    requests.records.filter(({ key }) => key === name).map(({ partition }) => partition)
  for (const name of names) {
    const [first, ...others] = partitionsOf(name)
    expect(others, name).toEqual([first, first])
    const reply = replies.find(({ data }) => data.workflow_name === name)
    expect(reply!.partition, `the reply about ${name}`).toBe(first)
  }
  expect(new Set(requests.records.map(({ partition }) => partition)).size).toBeGreaterThan(1)
})

const attributes = () => {
  const id = crypto.randomUUID()
  return { specversion: '1.0', type: EVENT_TYPES.requested, source: '/billing', id, correlationid: id }
}
