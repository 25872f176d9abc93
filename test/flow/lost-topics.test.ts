import { expect, test } from 'vitest'
import { get, post } from '../support/http.ts'
import { listen, produce } from '../support/kafka.ts'
import { asAdmin } from '../support/log-ends.ts'
import { scrape } from '../support/metrics.ts'
import { until } from '../support/until.ts'
import { aWorkflow } from '../support/workflows.ts'
import { withService } from '../support/world.ts'

const ready = (url: string) => get(`${url}/health/ready`)

test.each(['DEAD_LETTER_TOPIC', 'REPLY_TOPIC'])(
  'without %s requests are taken all the same, and readiness tells of it',
  async (name) => {
    const service = await withService()
    const topic = service.env[name]!
    await asAdmin(service, (admin) => admin.deleteTopics({ topics: [topic] }))
    const red = await until('readiness is red', async () => {
      const answer = await ready(service.url)
      return answer.status === 503 && answer
    })
    expect(JSON.stringify(red.body)).toContain(topic)
    const { status } = await post(`${service.url}/api/v1/workflow-requests`, aWorkflow())
    expect(status).toBe(202)
  },
)

test('while the topic of dead letters is gone replies go out, and a dead letter waits for it', async () => {
  const service = await withService()
  const topic = service.env.DEAD_LETTER_TOPIC!
  const replies = await listen(service, service.env.REPLY_TOPIC!)
  await asAdmin(service, (admin) => admin.deleteTopics({ topics: [topic] }))
  await produce(service, [{ value: '<xml/>', partition: 0 }])
  await until('a partition waits', () => service.logs.some(({ msg }) => msg === 'the worker waits'))
  const workflow = aWorkflow()
  await produce(service, [{ value: JSON.stringify(workflow), partition: 1 }])
  await until('the reply', () => replies.records.some(({ key }) => key === workflow.workflow_name))
  await asAdmin(service, (admin) =>
    admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: false }),
  )
  const letters = await listen(service, topic)
  await until('the dead letter', () => letters.records.length > 0)
  await until('the service is ready', async () => (await ready(service.url)).status === 200)
  await Promise.all([replies.close(), letters.close()])
})

test('a dead letter is parked once, however often its chunk has to be settled anew', async () => {
  const service = await withService()
  const letters = await listen(service, service.env.DEAD_LETTER_TOPIC!)
  const topic = service.env.REPLY_TOPIC!
  await asAdmin(service, (admin) => admin.deleteTopics({ topics: [topic] }))
  await produce(service, [{ value: '<xml/>', headers: { 'request-id': crypto.randomUUID() } }])
  await until('the dead letter', () => letters.records.length > 0)
  const fetched = () => service.logs.filter(({ msg }) => msg === 'dead letter').length
  expect(fetched()).toBe(1)
  await until('its partition waits', () => service.logs.some(({ msg }) => msg === 'the worker waits'))
  await asAdmin(service, (admin) =>
    admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: false }),
  )
  const replies = await listen(service, topic)
  await until('the reply', () => replies.records.length > 0)
  expect(letters.records).toHaveLength(1)
  await Promise.all([replies.close(), letters.close()])
})

test('an outcome is counted and logged once, however often its reply cannot be sent', async () => {
  const service = await withService()
  const topic = service.env.REPLY_TOPIC!
  const [taken, other] = [aWorkflow(), aWorkflow()]
  await asAdmin(service, (admin) => admin.deleteTopics({ topics: [topic] }))
  const bodies = [taken, taken, taken, other]
  await produce(
    service,
    bodies.map((body) => ({ value: JSON.stringify(body), partition: 0 })),
  )
  const counted = async () => {
    const samples = await scrape(service.metricsUrl)
    const sum = (name: string) =>
      samples.filter((one) => one.name === name).reduce((total, { value }) => total + value, 0)
    return {
      tries: sum('registrar_batch_requests_count'),
      told: [sum('registrar_requests_total'), sum('registrar_replays_total')],
      lines: service.logs.filter(({ msg }) => /^request (created|conflict)$/.test(msg)).length,
    }
  }
  const once = { told: [4, 0], lines: 4 }
  const away = await until('three tries', async () => {
    const now = await counted()
    return now.tries >= 3 && now
  })
  expect(away).toMatchObject(once)
  await asAdmin(service, (admin) =>
    admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: false }),
  )
  const replies = await listen(service, topic)
  await until('the replies', () => replies.records.length >= bodies.length)
  await until('the service is ready', async () => (await ready(service.url)).status === 200)
  expect(await counted()).toMatchObject(once)
  await replies.close()
})
