import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Outcome } from '../../src/domain/outcome.ts'
import { get, post } from '../support/http.ts'
import { listen, produce, type Received } from '../support/kafka.ts'
import { sharedService } from '../support/shared-service.ts'
import { until } from '../support/until.ts'
import { aWorkflow } from '../support/workflows.ts'
import { type AsyncApi, asyncApi, complaintsBy, complaintsByJsonSchema } from './events.ts'

const service = sharedService()
let published: AsyncApi
let requests: Awaited<ReturnType<typeof listen>>
let replies: Awaited<ReturnType<typeof listen>>
let deadLetters: Awaited<ReturnType<typeof listen>>
beforeAll(async () => {
  published = (await get(`${service.url}/asyncapi.json`)).body
  await service.owner.query(`
    create function refuse() returns trigger language plpgsql security definer as $$
      begin
        if new.owner = 'victim' then raise exception using errcode = '23514'; end if;
        return new;
      end $$;
    create trigger refuse before insert on workflow for each row execute function public.refuse()`)
  ;[requests, replies, deadLetters] = await Promise.all([
    listen(service, service.env.REQUEST_TOPIC!),
    listen(service, service.env.REPLY_TOPIC!),
    listen(service, service.env.DEAD_LETTER_TOPIC!),
  ])
})
afterAll(() => Promise.all([requests, replies, deadLetters].map((listener) => listener?.close())))

const SCHEMA_URL = '/schemas/registration-completed.v1.json'

function complaintsAbout(message: string, { headers, value }: Received): string[] {
  const described = published.components.messages[message]!
  return [
    ...complaintsBy(published, described.headers, headers),
    ...complaintsBy(published, described.payload, JSON.parse(value!.toString())),
  ]
}

async function replyAbout(requestId: string, isWanted: (reply: Received) => boolean = () => true) {
  const isMine = (reply: Received) => reply.headers['request-id'] === requestId && isWanted(reply)
  return until(`a reply about ${requestId}`, () => replies.records.find(isMine))
}

async function expectAsDescribed(reply: Received, outcome: Outcome) {
  expect(reply.headers).toMatchObject({ outcome, ce_correlationid: expect.any(String) })
  expect(JSON.parse(reply.value!.toString())).toMatchObject({ state: outcome })
  expect(complaintsAbout('completed', reply)).toEqual([])
  const { body } = await get(service.url + SCHEMA_URL)
  expect(complaintsByJsonSchema(body, JSON.parse(reply.value!.toString()))).toEqual([])
}

test('what is served is the reviewed document, with the topics of this service', () => {
  const { REQUEST_TOPIC, REPLY_TOPIC, DEAD_LETTER_TOPIC } = service.env
  const here = JSON.stringify(published)
    .replaceAll(DEAD_LETTER_TOPIC!, 'workflow.registrations.dlq')
    .replaceAll(REQUEST_TOPIC!, 'workflow.registrations')
    .replaceAll(REPLY_TOPIC!, 'workflow.registration-outcomes')
  expect(JSON.parse(here)).toEqual(asyncApi)
})

test.each(['requested', 'completed'])(
  'the JSON Schema of the event %s is served as such, and is what the document has',
  async (event) => {
    const { status, headers, body } = await get(`${service.url}/schemas/registration-${event}.v1.json`)
    expect(status).toBe(200)
    expect(headers.get('content-type')).toBe('application/schema+json; charset=utf-8')
    const { $schema, $id, $ref, $defs } = body
    expect({ $schema, $id }).toEqual({
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      $id: `https://workflow-registrar.io/schemas/registration-${event}.v1.json`,
    })
    const referring = JSON.parse(
      JSON.stringify({ $ref, $defs }).replaceAll('#/$defs/', '#/components/schemas/'),
    )
    expect(published.components.schemas).toMatchObject(referring.$defs)
    expect(Object.values(published.components.messages)).toContainEqual(
      expect.objectContaining({ payload: { $ref: referring.$ref } }),
    )
  },
)

test('what the asynchronous door puts on the topic is as described, and so is the reply', async () => {
  const accepted = await post(`${service.url}/api/v1/workflow-requests`, aWorkflow(), {
    'idempotency-key': randomUUID(),
    traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  })
  expect(accepted.status).toBe(202)
  const { request_id: id } = accepted.body
  const request = await until('the record', () =>
    requests.records.find(({ headers }) => headers.ce_id === id),
  )
  expect(complaintsAbout('requestedBinary', request)).toEqual([])
  await expectAsDescribed(await replyAbout(id), 'created')
})

describe('a record in each form that is as described', () => {
  const source = '/deployments'
  const type = 'io.workflow-registrar.registration.requested.v1'
  const attributes = (id: string) => ({ specversion: '1.0', type, source, id })

  test.each([
    [
      'requestedBinary',
      (id: string) => ({
        value: JSON.stringify(aWorkflow()),
        headers: {
          'content-type': 'application/json',
          ...Object.fromEntries(Object.entries(attributes(id)).map(([name, value]) => [`ce_${name}`, value])),
        },
      }),
    ],
    [
      'requestedStructured',
      (id: string) => ({
        value: JSON.stringify({ ...attributes(id), data: aWorkflow() }),
        headers: { 'content-type': 'application/cloudevents+json; charset=utf-8' },
      }),
    ],
    [
      'requestedStructured',
      (id: string) => ({
        value: JSON.stringify({
          ...attributes(id),
          correlationid: 'rollout-4711',
          data_base64: Buffer.from(JSON.stringify(aWorkflow())).toString('base64'),
        }),
        headers: { 'content-type': 'application/cloudevents+json' },
      }),
    ],
    [
      'requestedPlain',
      (id: string) => ({ value: JSON.stringify(aWorkflow()), headers: { 'request-id': id } }),
    ],
  ])('%s is registered, and its reply is as described', async (message, record) => {
    const id = randomUUID()
    const made = record(id)
    await produce(service, [made])
    const sent = await until('the record', () =>
      requests.records.find(({ value }) => value?.toString() === made.value),
    )
    expect(complaintsAbout(message, sent)).toEqual([])
    await expectAsDescribed(await replyAbout(id), 'created')
  })
})

describe('a reply is as described', () => {
  /** Sends plain records one after the other, and waits for the last to be answered. */
  async function send(id: string, value: string, isWanted?: (reply: Received) => boolean) {
    await produce(service, [{ value, headers: { 'request-id': id }, partition: 0 }])
    return replyAbout(id, isWanted)
  }

  test('to a duplicate', async () => {
    const workflow = JSON.stringify(aWorkflow())
    await send(randomUUID(), workflow)
    await expectAsDescribed(await send(randomUUID(), workflow), 'conflict')
  })

  test('to what is invalid', async () => {
    await expectAsDescribed(
      await send(randomUUID(), JSON.stringify(aWorkflow({ version: 'v1', ouner: 'a' }))),
      'rejected',
    )
  })

  test('to what is too large', async () => {
    await expectAsDescribed(await send(randomUUID(), `"${'a'.repeat(600_000)}"`), 'rejected')
  })

  test('to an id that is used again with another body', async () => {
    const id = randomUUID()
    await send(id, JSON.stringify(aWorkflow()))
    const isRejected = ({ headers }: Received) => headers.outcome === 'rejected'
    await expectAsDescribed(await send(id, JSON.stringify(aWorkflow()), isRejected), 'rejected')
  })

  test('to an id that has the form of a UUID, and no version', async () => {
    const id = randomUUID().replace(/-4...-....-/, '-0000-0000-')
    await expectAsDescribed(await send(id, JSON.stringify(aWorkflow())), 'created')
  })

  test('that is not where its request wanted it', async () => {
    const id = randomUUID()
    const headers = { 'request-id': id, 'reply-topic': 'nowhere', kafka_correlationId: 'any' }
    await produce(service, [{ value: JSON.stringify(aWorkflow()), headers }])
    const reply = await replyAbout(id)
    expect(reply.headers).toMatchObject({ 'reply-fallback': 'not-allowed', kafka_correlationId: 'any' })
    await expectAsDescribed(reply, 'created')
  })

  test('to what cannot be read, and so is the dead letter', async () => {
    const id = randomUUID()
    await expectAsDescribed(await send(id, 'workflow_name=a'), 'rejected')
    const letter = await until('the dead letter', () =>
      deadLetters.records.find(({ headers }) => headers['request-id'] === id),
    )
    expect(
      complaintsBy(published, published.components.messages.deadLetter!.headers, letter.headers),
    ).toEqual([])
  })

  test('to what the database refuses, and so is the dead letter', async () => {
    const id = randomUUID()
    await expectAsDescribed(await send(id, JSON.stringify(aWorkflow({ owner: 'victim' }))), 'failed')
    const letter = await until('the dead letter', () =>
      deadLetters.records.find(({ headers }) => headers['request-id'] === id),
    )
    expect(
      complaintsBy(published, published.components.messages.deadLetter!.headers, letter.headers),
    ).toEqual([])
  })
})
