import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { EVENT_TYPES } from '../../src/kafka/events.ts'
import { get } from '../support/http.ts'
import { aWorkflow } from '../support/workflows.ts'
import { makeWorld, startApp, type TestApp, type World } from '../support/world.ts'
import { type RecordLine, registerInJava } from './java.ts'
import { makeReplyTopic } from './reply-topic.ts'

const OWN_TOPIC = `replies-${crypto.randomUUID()}`

let world: World
let service: TestApp
beforeAll(async () => {
  world = await makeWorld()
  await makeReplyTopic(world, OWN_TOPIC)
  service = await startApp(world, { env: { ALLOWED_REPLY_TOPICS: OWN_TOPIC } })
})
afterAll(async () => {
  await service?.close()
  await world.close()
})

/** The arguments of a program that wants its replies on this topic, and may want them on one partition of it. */
const replyOn = (topic: string, ...partition: string[]) => [
  ...[world.env.KAFKA_BROKERS!, world.env.REQUEST_TOPIC!],
  ...[topic, ...partition],
]

const text = (record: RecordLine, header: string) => record.headers.get(header)?.toString()
const documentIn = (record: RecordLine) => JSON.parse(record.value.toString())

async function statusOf({ headers }: RecordLine) {
  return (await get(`${service.url}/api/v1/workflow-requests/${headers.get('request-id')}`)).body
}

describe("Spring's ReplyingKafkaTemplate", () => {
  test('gets created for a registration, and conflict for the same again', async () => {
    const workflow = aWorkflow()
    const twice = [workflow, workflow]
    const [first, second] = await registerInJava('SpringRequestReply', replyOn(OWN_TOPIC), twice)
    expect(documentIn(first!.reply)).toMatchObject({
      state: 'created',
      workflow_name: workflow.workflow_name,
    })
    expect(documentIn(second!.reply)).toMatchObject({
      state: 'conflict',
      problem: { status: 409, title: 'Workflow Already Exists', content: 'identical' },
    })
    expect(documentIn(second!.reply).request_id).not.toBe(documentIn(first!.reply).request_id)
    for (const { reply } of [first!, second!]) {
      expect(documentIn(reply)).toEqual(await statusOf(reply))
      expect(text(reply, 'outcome')).toBe(documentIn(reply).state)
      expect(text(reply, 'ce_type')).toBe(EVENT_TYPES.completed)
      expect(reply.headers.has('reply-fallback')).toBe(false)
      expect(reply.topic).toBe(OWN_TOPIC)
    }
  })

  test('gets it on the very partition that it listens on, with its headers byte for byte', async () => {
    const workflows = [aWorkflow(), aWorkflow(), aWorkflow()]
    const pairs = await registerInJava('SpringRequestReply', replyOn(OWN_TOPIC, '2'), workflows)
    expect(pairs).toHaveLength(3)
    for (const { request, reply } of pairs) {
      expect(reply.topic).toBe(OWN_TOPIC)
      expect(reply.partition).toBe(2)
      expect(request.headers.get('kafka_replyPartition')).toEqual(Buffer.from([0, 0, 0, 2]))
      for (const name of ['kafka_correlationId', 'kafka_replyTopic', 'kafka_replyPartition'])
        expect(reply.headers.get(name)).toEqual(request.headers.get(name))
      expect(text(reply, 'outcome')).toBe('created')
    }
  })

  test('may listen on the default topic among all others', async () => {
    const defaultTopic = world.env.REPLY_TOPIC!
    const [pair] = await registerInJava('SpringRequestReply', replyOn(defaultTopic), [aWorkflow()])
    expect(text(pair!.reply, 'outcome')).toBe('created')
    expect(pair!.reply.topic).toBe(defaultTopic)
    expect(pair!.reply.headers.has('reply-fallback')).toBe(false)
  })
})

describe("a client with SmallRye's headers", () => {
  test('gets its reply where it asks for it, with those headers byte for byte', async () => {
    const workflow = aWorkflow()
    const twice = [workflow, workflow]
    const pairs = await registerInJava('SmallRyeRequestReply', replyOn(OWN_TOPIC, '1'), twice)
    expect(pairs.map(({ reply }) => text(reply, 'outcome'))).toEqual(['created', 'conflict'])
    for (const { request, reply } of pairs) {
      expect(reply.topic).toBe(OWN_TOPIC)
      expect(reply.partition).toBe(1)
      expect([...request.headers.keys()]).toEqual(['REPLY_CORRELATION_ID', 'REPLY_TOPIC', 'REPLY_PARTITION'])
      for (const [name, bytes] of request.headers) expect(reply.headers.get(name)).toEqual(bytes)
      expect(request.headers.get('REPLY_PARTITION')).toEqual(Buffer.from([0, 0, 0, 1]))
      expect(documentIn(reply)).toEqual(await statusOf(reply))
    }
  })
})
