import { CompressionTypes, type IHeaders, type ITopicConfig, type Message } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { get, post } from '../support/http.ts'
import { listen, plainKafka, type Received } from '../support/kafka.ts'
import { asAdmin, countRecords } from '../support/log-ends.ts'
import { until } from '../support/until.ts'
import { aWorkflow } from '../support/workflows.ts'
import { makeWorld, startApp, type TestApp, type World } from '../support/world.ts'

type Listener = Awaited<ReturnType<typeof listen>>

const TRACE = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

let world: World
let service: TestApp
/** The default topic. */
let replies: Listener
/** A topic of a requester's own. */
let mine: Listener
const topics = {
  mine: '',
  foreign: '',
  missing: '',
  later: '',
  growing: '',
  compacted: '',
  narrow: '',
  tiny: '',
}

const make = (...made: ITopicConfig[]) =>
  asAdmin(world, (admin) => admin.createTopics({ topics: made, waitForLeaders: false }))

beforeAll(async () => {
  world = await makeWorld()
  for (const name of Object.keys(topics) as (keyof typeof topics)[])
    topics[name] = `${world.env.REPLY_TOPIC}.${name}`
  await make(
    { topic: topics.mine, numPartitions: 4 },
    { topic: topics.foreign, numPartitions: 1 },
    {
      topic: topics.compacted,
      numPartitions: 1,
      configEntries: [{ name: 'cleanup.policy', value: 'compact' }], // takes nothing without a key
    },
    { topic: topics.tiny, numPartitions: 1, configEntries: [{ name: 'max.message.bytes', value: '100' }] },
    { topic: topics.growing, numPartitions: 1 },
    {
      topic: world.env.REPLY_TOPIC!,
      numPartitions: 1,
      configEntries: [{ name: 'max.message.bytes', value: '500000' }],
    },
    {
      topic: topics.narrow,
      numPartitions: 1,
      configEntries: [{ name: 'max.message.bytes', value: '4000' }],
    },
  )
  const { foreign: _, ...allowed } = topics
  const env = { ALLOWED_REPLY_TOPICS: Object.values(allowed).join(','), TOPIC_PARTITIONS: '1' }
  service = await startApp(world, { env })
  ;[replies, mine] = await Promise.all([listen(world, world.env.REPLY_TOPIC!), listen(world, topics.mine)])
})
afterAll(async () => {
  await Promise.all([replies.close(), mine.close()])
  await service.close()
  await world.close()
})

/** Asks for workflows by records of their own, all in one produce, and answers their request ids. */
async function ask(...headers: IHeaders[]): Promise<string[]> {
  const messages = headers.map((more): Message & { headers: IHeaders } => {
    const id = crypto.randomUUID()
    return { value: JSON.stringify(aWorkflow()), headers: { 'request-id': id, ...more } }
  })
  await send(messages)
  return messages.map((message) => String(message.headers['request-id']))
}

async function send(messages: Message[], compression = CompressionTypes.None): Promise<void> {
  const producer = plainKafka(world).producer()
  await producer.connect()
  await producer.send({ topic: world.env.REQUEST_TOPIC!, messages, compression })
  await producer.disconnect()
}

const replyOn = (listener: Listener, requestId: string): Promise<Received> =>
  until(`the reply to ${requestId}`, () =>
    listener.records.find(({ headers }) => headers['request-id'] === requestId),
  )

const warnings = (topic: string) =>
  service.logs.filter(({ topic: about, msg }) => about === topic && msg.includes('refuses'))

const int32 = (value: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

describe('a reply goes where its request wants it', () => {
  test.each([
    ['anybody', 'reply-topic'],
    ['Spring and NestJS', 'kafka_replyTopic'],
    ['SmallRye', 'REPLY_TOPIC'],
  ])('as %s names the topic', async (_who, header) => {
    const [id] = await ask({ [header]: topics.mine })
    const { headers, value, key } = await replyOn(mine, id!)
    const { body } = await get(`${service.url}/api/v1/workflow-requests/${id}`)
    expect(JSON.parse(String(value))).toEqual(body)
    expect(body.state).toBe('created')
    expect(key).toBe(body.workflow_name)
    expect(headers).toMatchObject({ outcome: 'created', ce_correlationid: id, ce_causationid: id })
    expect(headers).not.toHaveProperty('reply-fallback')
    const [next] = await ask({})
    await replyOn(replies, next!)
    expect(replies.records.filter(({ headers }) => headers['request-id'] === id)).toEqual([])
  })

  test.each([
    ['kafka_replyTopic', 'kafka_replyPartition', 'kafka_correlationId'],
    ['REPLY_TOPIC', 'REPLY_PARTITION', 'REPLY_CORRELATION_ID'],
  ])('to the partition beside %s, with its headers byte for byte', async (topic, partition, correlation) => {
    for (const wanted of [0, 3]) {
      const bytes = {
        [topic]: Buffer.from(topics.mine),
        [partition]: int32(wanted),
        [correlation]: Buffer.from([0, 255, 128, 10, wanted]),
      }
      const [id] = await ask(bytes)
      const reply = await replyOn(mine, id!)
      expect(reply.partition).toBe(wanted)
      expect(reply.message.headers).toMatchObject(bytes)
    }
  })

  test('to a partition of the default topic, too', async () => {
    const [id] = await ask({ REPLY_TOPIC: world.env.REPLY_TOPIC!, REPLY_PARTITION: int32(0) })
    expect((await replyOn(replies, id!)).headers).not.toHaveProperty('reply-fallback')
  })

  test('and all that a redelivery repeats goes there again, with the same id', async () => {
    const workflow = aWorkflow()
    const record = {
      value: JSON.stringify(workflow),
      headers: { 'request-id': crypto.randomUUID(), kafka_replyTopic: topics.mine, kafka_correlationId: 'c' },
    }
    await send([record, record])
    const [first, second] = await until('two replies', () => {
      const found = mine.records.filter(({ key }) => key === workflow.workflow_name)
      return found.length === 2 && found
    })
    expect(second!.value).toEqual(first!.value)
    expect(second!.headers).toEqual(first!.headers)
  })
})

describe('a reply that cannot go there is on the default topic, and says why', () => {
  test('a topic that is not on the list', async () => {
    const asked = [topics.foreign, world.env.REQUEST_TOPIC!, world.env.DEAD_LETTER_TOPIC!, '../x', 'no topic']
    const ids = await ask(...asked.map((topic) => ({ 'reply-topic': topic })))
    for (const id of ids) {
      const reply = await replyOn(replies, id)
      expect(reply.headers).toMatchObject({ 'reply-fallback': 'not-allowed', outcome: 'created' })
    }
    expect(await countRecords(world, topics.foreign)).toBe(0)
  })

  test('a partition that is not there, and this concerns no other reply', async () => {
    const there = { kafka_replyTopic: topics.mine, kafka_replyPartition: int32(1) }
    const gone = [int32(4), int32(-1), Buffer.from('x')].map((partition) => ({
      ...there,
      kafka_replyPartition: partition,
    }))
    const [good, ...bad] = await ask(there, ...gone)
    for (const id of bad)
      expect((await replyOn(replies, id)).headers).toMatchObject({ 'reply-fallback': 'refused' })
    expect((await replyOn(mine, good!)).partition).toBe(1)
    const [after] = await ask({ kafka_replyTopic: topics.mine })
    await replyOn(mine, after!)
    expect(warnings(topics.mine)).toEqual([])
  })

  test('a topic that is missing, which is told once', async () => {
    const topic = topics.missing
    const ids = await ask({ 'reply-topic': topic }, { 'reply-topic': topic }, {})
    const [refused, again, other] = await Promise.all(ids.map((id) => replyOn(replies, id)))
    for (const { headers } of [refused!, again!])
      expect(headers).toMatchObject({ 'reply-fallback': 'refused', outcome: 'created' })
    expect(other!.headers).not.toHaveProperty('reply-fallback')
    expect(warnings(topic)).toHaveLength(1)
    const [later] = await ask({ 'reply-topic': topic })
    expect((await replyOn(replies, later!)).headers).toMatchObject({ 'reply-fallback': 'refused' })
    expect(warnings(topic)).toHaveLength(1)
  })

  test('a topic that takes no reply in any size', async () => {
    const wanted = { 'reply-topic': topics.tiny }
    for (const id of await ask(...Array.from({ length: 50 }, () => wanted)))
      expect((await replyOn(replies, id)).headers).toMatchObject({ 'reply-fallback': 'refused' })
    expect(await countRecords(world, topics.tiny)).toBe(0)
  })
})

test('a topic that takes replies again gets them again', async () => {
  const topic = topics.later
  const [refused] = await ask({ 'reply-topic': topic })
  expect((await replyOn(replies, refused!)).headers).toMatchObject({ 'reply-fallback': 'refused' })
  await make({ topic, numPartitions: 1 })
  const listener = await listen(world, topic)
  try {
    await until('it is taken for good again', async () => {
      const [id] = await ask({ 'reply-topic': topic })
      const isSettled = (records: Received[]) => records.some(({ headers }) => headers['request-id'] === id)
      await until('a reply', () => isSettled(replies.records) || isSettled(listener.records))
      return service.logs.some(
        ({ msg, topic: about }) => about === topic && msg.includes('takes replies again'),
      )
    })
    const [id] = await ask({ 'reply-topic': topic })
    expect((await replyOn(listener, id!)).headers).not.toHaveProperty('reply-fallback')
  } finally {
    await listener.close()
  }
})

test('a compacted topic takes the reply to a request of which not even the name can be read', async () => {
  const id = crypto.randomUUID()
  const listener = await listen(world, topics.compacted)
  await send([{ value: '<xml/>', headers: { 'request-id': id, 'reply-topic': topics.compacted } }])
  const reply = await replyOn(listener, id)
  expect(reply.key).toBe(id)
  expect(reply.headers).toMatchObject({ outcome: 'rejected' })
  await listener.close()
})

test('a partition that a reply topic was given later is found', async () => {
  const there = { kafka_replyTopic: topics.growing, kafka_replyPartition: int32(0) }
  const listener = await listen(world, topics.growing)
  const [first] = await ask(there)
  await replyOn(listener, first!)
  await asAdmin(world, (admin) =>
    admin.createPartitions({ topicPartitions: [{ topic: topics.growing, count: 3 }] }),
  )
  await until('a reply on the new partition', async () => {
    const [id] = await ask({ ...there, kafka_replyPartition: int32(2) })
    await until(
      'a reply',
      async () =>
        [...replies.records, ...listener.records].some(({ headers }) => headers['request-id'] === id) ||
        (await countRecords(world, topics.growing)) > 1,
    )
    return (await countRecords(world, topics.growing)) > 1
  })
  expect(warnings(topics.growing)).toEqual([])
  await listener.close()
})

describe('a reply that is too large', () => {
  const wrong = Object.fromEntries(
    Array.from({ length: 100 }, (_, index) => [`field-${index}`.padEnd(60, 'x'), 1]),
  )

  test('for its topic goes there without its details, which the status has', async () => {
    const listener = await listen(world, topics.narrow)
    const id = crypto.randomUUID()
    await send([
      { value: JSON.stringify(wrong), headers: { 'request-id': id, 'reply-topic': topics.narrow } },
      {
        value: JSON.stringify(aWorkflow()),
        headers: { 'request-id': `${id} 2`, 'reply-topic': topics.narrow },
      },
    ])
    const reply = await replyOn(listener, id)
    expect(reply.headers).toMatchObject({ 'details-omitted': 'true', outcome: 'rejected' })
    const { problem } = JSON.parse(String(reply.value))
    expect(problem).not.toHaveProperty('errors')
    const status = await get(`${service.url}${problem.instance}`)
    expect(status.body.problem.errors).toHaveLength(100)
    expect(status.body.problem).toMatchObject(problem)
    await until('its neighbour whole', () => listener.records.length === 2)
    expect(listener.records.filter(({ headers }) => 'details-omitted' in headers)).toHaveLength(1)
    expect(warnings(topics.narrow)).toEqual([])
    await listener.close()
  })

  test('for it even so goes to the default topic, whole', async () => {
    const [id] = await ask({ 'reply-topic': topics.narrow, kafka_correlationId: Buffer.alloc(5_000, 1) })
    const listener = await listen(world, topics.narrow)
    const reply = await until('a reply', () =>
      [...replies.records, ...listener.records].find(({ headers }) => headers['request-id'] === id),
    )
    expect(reply.headers).toMatchObject({ 'echo-omitted': 'true', outcome: 'created' })
    await listener.close()
  })

  test('because of what it is to echo goes without that, and blocks nothing', async () => {
    const [id, next] = await ask(
      { kafka_correlationId: Buffer.alloc(600_000, 1), ce_correlationid: 'mine' },
      {},
    )
    const reply = await replyOn(replies, id!)
    expect(reply.headers).toMatchObject({
      'echo-omitted': 'true',
      outcome: 'created',
      ce_correlationid: id,
    })
    expect(reply.headers).not.toHaveProperty('kafka_correlationId')
    await replyOn(replies, next!)
  })

  test('a thousand times over, as it was packed when it came, is answered and blocks nothing', async () => {
    const id = crypto.randomUUID()
    const headers = { 'request-id': id, ce_correlationid: Buffer.alloc(40 * 1024 * 1024, 0xff) }
    await send([{ value: JSON.stringify(aWorkflow()), headers }], CompressionTypes.GZIP)
    const [next] = await ask({})
    expect((await replyOn(replies, id)).headers).toMatchObject({ outcome: 'created', ce_correlationid: id })
    await replyOn(replies, next!)
    const echo = { 'request-id': `${id} 2`, kafka_correlationId: headers.ce_correlationid }
    await send([{ value: JSON.stringify(aWorkflow()), headers: echo }], CompressionTypes.GZIP)
    const reply = await until('the reply', () =>
      replies.records.find(
        ({ headers }) =>
          headers.ce_correlationid === headers['request-id'] &&
          headers['echo-omitted'] &&
          headers['request-id'] !== id,
      ),
    )
    expect(reply.headers).not.toHaveProperty('kafka_correlationId')
  })
})

test('the trace of an HTTP request is in its record and in its reply', async () => {
  const requests = await listen(world, world.env.REQUEST_TOPIC!)
  const trace = { traceparent: TRACE, tracestate: 'vendor=1,other=2' }
  const { status, body } = await post(`${service.url}/api/v1/workflow-requests`, aWorkflow(), trace)
  expect(status).toBe(202)
  expect((await replyOn(replies, body.request_id)).headers).toMatchObject(trace)
  const record = await until('the record', () =>
    requests.records.find(({ headers }) => headers.ce_id === body.request_id),
  )
  expect(record.headers).toMatchObject(trace)
  const none = await post(`${service.url}/api/v1/workflow-requests`, aWorkflow(), { traceparent: 'none' })
  expect(none.status).toBe(202)
  expect((await replyOn(replies, none.body.request_id)).headers).not.toHaveProperty('traceparent')
  await requests.close()
})

test('a structured event is settled, answered and known by its id and source', async () => {
  const workflow = aWorkflow()
  const event = {
    ...{ specversion: '1.0', type: 'io.workflow-registrar.registration.requested.v1' },
    ...{ source: '/teams/a', id: 'order 42', correlationid: 'saga 7', data: workflow },
  }
  const headers = { 'content-type': 'application/cloudevents+json' }
  await send([{ value: JSON.stringify(event), headers }])
  const reply = await until('a reply', () =>
    replies.records.find(({ key }) => key === workflow.workflow_name),
  )
  expect(reply.headers).toMatchObject({
    ...{ outcome: 'created', ce_correlationid: 'saga 7', ce_subject: `${workflow.workflow_name}@1.0.0` },
  })
  await send([{ value: JSON.stringify(event), headers: { ...headers, 'reply-topic': topics.mine } }])
  const again = await until('the same reply', () =>
    mine.records.find(({ key }) => key === workflow.workflow_name),
  )
  expect(again.value).toEqual(reply.value)
  expect(again.headers.ce_id).toBe(reply.headers.ce_id)
})
