import { describe, expect, test } from 'vitest'
import { replyId } from '../../src/domain/ids.ts'
import { OUTCOMES } from '../../src/domain/outcome.ts'
import { problemsAt } from '../../src/domain/problem.ts'
import { nameOf, type RegistrationRequest, type Settled } from '../../src/domain/request.ts'
import { decodeRecord } from '../../src/kafka/decode.ts'
import { ECHOED_HEADERS, EVENT_TYPES } from '../../src/kafka/events.ts'
import { replyMessage, requestMessage, withoutDetails, withoutEcho } from '../../src/kafka/messages.ts'
import { aRecord } from '../support/records.ts'

const LOG = { clusterId: 'c', topic: 't', partition: 3 }
const A_UUID = '0197f6a2-5b6c-7d3e-8f90-a1b2c3d4e5f6'
const TRACE = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
const makeProblem = problemsAt('https://example.org')

const settledFrom = (request: RegistrationRequest, fields: Partial<Settled> = {}): Settled => ({
  ...{ requestId: request.requestId, fingerprint: request.fingerprint, acceptedAt: request.acceptedAt },
  principal: request.principal,
  ...nameOf(request),
  ...{
    outcome: 'rejected',
    rejection: request.rejection ?? null,
    failure: null,
    entry: null,
    identical: false,
    purged: false,
  },
  completedAt: new Date(),
  ...fields,
})

function decoded(...args: Parameters<typeof aRecord>) {
  const { request, replyTo, trace } = decodeRecord(aRecord(...args), LOG)
  return { request: request!, replyTo: replyTo!, trace }
}

test('an accepted request is a CloudEvent in binary mode, in the trace of its HTTP request', () => {
  const accepted = {
    ...{ requestId: A_UUID, idempotencyKey: null, principal: null },
    acceptedAt: new Date(1_700_000_000_123),
  }
  const trace = { traceparent: TRACE, tracestate: 'a=b' }
  expect(requestMessage({ ...accepted, workflowName: 'a', body: Buffer.alloc(0), trace }).headers).toEqual({
    'content-type': 'application/json',
    ce_specversion: '1.0',
    ce_type: EVENT_TYPES.requested,
    ce_source: '/workflow-registrar',
    ce_id: A_UUID,
    ce_time: '2023-11-14T22:13:20.123Z',
    ...trace,
  })
})

describe('a reply', () => {
  const { request, replyTo } = decoded({ headers: { 'request-id': A_UUID } })

  test.each(OUTCOMES)('that a request is %s has one id however often it is sent', (outcome) => {
    const settled = settledFrom(request, { outcome })
    const { headers, key, value } = replyMessage({ settled, replyTo, makeProblem })
    expect(replyMessage({ settled, replyTo, makeProblem })).toEqual({ headers, key, value })
    expect(key).toBe(request.workflow!.workflow_name)
    expect(JSON.parse(String(value))).toMatchObject({ request_id: A_UUID, state: outcome })
    expect(headers).toEqual({
      'content-type': 'application/json',
      ce_specversion: '1.0',
      ce_type: EVENT_TYPES.completed,
      ce_source: '/workflow-registrar',
      ce_id: replyId(A_UUID, request.fingerprint),
      ce_time: settled.completedAt.toISOString(),
      ce_subject: `${request.workflow!.workflow_name}@1.0.0`,
      ce_correlationid: A_UUID,
      ce_causationid: A_UUID,
      'request-id': A_UUID,
      outcome,
    })
  })

  test('has no subject where name and version cannot be read, and the request id for its key', () => {
    const { request, replyTo } = decoded({ value: Buffer.from('<xml/>'), headers: { 'request-id': A_UUID } })
    const { key, headers } = replyMessage({ settled: settledFrom(request), replyTo, makeProblem })
    expect(headers).not.toHaveProperty('ce_subject')
    expect(key).toBe(A_UUID)
  })

  test('tells its own headers, whatever the request has it echo', () => {
    const hostile = { ...replyTo, echo: { outcome: 'created', 'request-id': 'x', ce_id: 'y', mine: 'z' } }
    expect(
      replyMessage({ settled: settledFrom(request), replyTo: hostile, makeProblem }).headers,
    ).toMatchObject({
      ...{
        outcome: 'rejected',
        'request-id': A_UUID,
        ce_id: replyId(A_UUID, request.fingerprint),
        mine: 'z',
      },
    })
  })

  test('is never larger than a topic takes, whatever is wrong with the request', () => {
    const many = Array.from({ length: 9_000 }, (_, index) => [`${index}\0`, 1])
    let hostile: unknown = Object.fromEntries(many)
    for (let level = 0; level < 6; level += 1) hostile = { ['🚀'.repeat(200)]: hostile }
    const { request, replyTo } = decoded({ value: Buffer.from(JSON.stringify(hostile)) })
    const settled = settledFrom(request)
    const { value } = replyMessage({ settled, replyTo, makeProblem })
    expect(Buffer.byteLength(String(value))).toBeLessThan(1_000_000)
    const smaller = withoutDetails({ settled, replyTo, makeProblem })
    expect(Buffer.byteLength(String(smaller?.value))).toBeLessThan(10_000)
  })

  test('without its details still says how the request ended, and where the details are', () => {
    const headers = { 'request-id': A_UUID, kafka_correlationId: 'c', ce_correlationid: 'd' }
    const { request, replyTo } = decoded({ value: Buffer.from('{}'), headers })
    const settled = settledFrom(request)
    const whole = replyMessage({ settled, replyTo, makeProblem })
    const { problem, ...document } = JSON.parse(String(whole.value))
    const { errors, ...rest } = problem
    expect(errors.length).toBeGreaterThan(1)
    expect(problem.instance).toBe(`/api/v1/workflow-requests/${A_UUID}`)

    const smaller = withoutDetails({ settled, replyTo, makeProblem })!
    expect(JSON.parse(String(smaller.value))).toEqual({ ...document, problem: rest })
    expect(smaller.headers).toEqual({ ...whole.headers, 'details-omitted': 'true' })

    const { kafka_correlationId: _, ...ours } = smaller.headers!
    expect(withoutEcho({ settled, replyTo, makeProblem })).toEqual({
      ...smaller,
      headers: { ...ours, ce_correlationid: A_UUID, 'echo-omitted': 'true' },
    })
  })

  test('goes on with the trace that it is given, until it is too large', () => {
    const { request, replyTo } = decoded({ value: Buffer.from('{}') })
    const trace = { traceparent: TRACE, tracestate: 'a=b' }
    const parts = { settled: settledFrom(request), replyTo, trace, makeProblem }
    expect(replyMessage(parts).headers).toMatchObject(trace)
    expect(withoutDetails(parts)?.headers).toMatchObject(trace)
    expect(withoutEcho(parts).headers).not.toHaveProperty('traceparent')
  })

  test('that has no details does not claim to be without them', () => {
    const { request, replyTo } = decoded({ headers: { 'request-id': A_UUID, kafka_correlationId: 'c' } })
    const parts = { settled: settledFrom(request, { outcome: 'created' }), replyTo, makeProblem }
    expect(withoutDetails(parts)).toBeUndefined()
    const { kafka_correlationId: _, ...ours } = replyMessage(parts).headers!
    expect(withoutEcho(parts).headers).toEqual({ ...ours, 'echo-omitted': 'true' })
  })
})

describe('what a request says of its reply', () => {
  const replyTo = (headers: Record<string, string | Buffer | (string | Buffer)[]>) =>
    decoded({ headers }).replyTo

  test('is echoed byte for byte', () => {
    const bytes = Buffer.from([0, 255, 10, 128])
    const headers = Object.fromEntries(
      ECHOED_HEADERS.map((name, index) => [name, Buffer.from([...bytes, index])]),
    )
    expect(replyTo(headers).echo).toEqual(headers)
    const { request, replyTo: to } = decoded({ headers })
    expect(replyMessage({ settled: settledFrom(request), replyTo: to, makeProblem }).headers).toMatchObject(
      headers,
    )
    const twice = { kafka_correlationId: [bytes, Buffer.from('b')] }
    expect(replyTo(twice).echo).toEqual(twice)
  })

  test('names a topic and a partition, as Spring, SmallRye, NestJS or anybody does', () => {
    const four = (partition: number) => {
      const bytes = Buffer.alloc(4)
      bytes.writeInt32BE(partition)
      return bytes
    }
    const destination = (headers: Record<string, string | Buffer>) => replyTo(headers).destination
    expect(destination({})).toBeUndefined()
    expect(destination({ kafka_correlationId: 'x' })).toBeUndefined()
    expect(destination({ 'reply-topic': 'a' })).toEqual({ topic: 'a', partition: undefined })
    expect(destination({ kafka_replyTopic: 'a' })).toEqual({ topic: 'a', partition: undefined })
    expect(destination({ kafka_replyTopic: 'a', kafka_replyPartition: four(7) })).toEqual({
      topic: 'a',
      partition: 7,
    })
    expect(destination({ kafka_replyTopic: 'a', kafka_replyPartition: '1234' })?.partition).toBe(1234)
    expect(destination({ REPLY_TOPIC: 'b', REPLY_PARTITION: four(300) })).toEqual({
      topic: 'b',
      partition: 300,
    })
    expect(destination({ REPLY_TOPIC: 'b', REPLY_PARTITION: 'what' })?.partition).toBeGreaterThan(1_000_000)
    expect(destination({ REPLY_TOPIC: 'b', REPLY_PARTITION: 'so' })?.partition).toBe(-1)
    expect(destination({ 'reply-topic': 'a', REPLY_TOPIC: 'b', REPLY_PARTITION: four(3) })).toEqual({
      topic: 'a',
      partition: undefined,
    })
  })

  test('tells what the requester knows it by: its correlation, else its id as it was written', () => {
    const event = {
      ce_specversion: '1.0',
      ce_type: EVENT_TYPES.requested,
      ce_source: '/a',
      ce_id: 'Order 42',
    }
    expect(replyTo({ ...event, ce_correlationid: 'saga 7' }).correlationId).toBe('saga 7')
    expect(replyTo(event).correlationId).toBe('Order 42')
    expect(replyTo({ 'request-id': 'order 42' }).correlationId).toBe('order 42')
    expect(replyTo({}).correlationId).toBeUndefined()
    const inEnvelope = decoded({
      value: Buffer.from(
        JSON.stringify({
          ...{ specversion: '1.0', type: EVENT_TYPES.requested, source: '/a', id: '1' },
          ...{ correlationid: 'saga 8', traceparent: TRACE, data: {} },
        }),
      ),
      headers: { 'content-type': 'application/cloudevents+json' },
    })
    expect(inEnvelope).toMatchObject({ replyTo: { correlationId: 'saga 8' }, trace: { traceparent: TRACE } })
  })

  test('is in its trace, by header or by attribute, and not in what is no trace', () => {
    const trace = (headers: Record<string, string>) => decoded({ headers }).trace
    expect(trace({ traceparent: TRACE, tracestate: 'a=b' })).toEqual({
      traceparent: TRACE,
      tracestate: 'a=b',
    })
    expect(trace({ ce_traceparent: TRACE })).toEqual({ traceparent: TRACE })
    expect(trace({ traceparent: 'no trace', tracestate: 'a=b' })).toBeUndefined()
    expect(replyTo({ traceparent: TRACE, tracestate: 'a=b' }).echo).toEqual({})
  })
})
