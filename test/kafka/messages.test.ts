import fc from 'fast-check'
import type { KafkaMessage, Message } from 'kafkajs'
import { describe, expect, test } from 'vitest'
import { readBody } from '../../src/domain/body.ts'
import { eventRequestId, positionalRequestId, replyId } from '../../src/domain/ids.ts'
import { OUTCOMES } from '../../src/domain/outcome.ts'
import { problemsAt } from '../../src/domain/problem.ts'
import type { RegistrationRequest, Settled } from '../../src/domain/request.ts'
import { nameOf } from '../../src/domain/request.ts'
import {
  DEAD_LETTER_HEADERS,
  deadLetter,
  decodeRecord,
  EVENT_TYPES,
  replyMessage,
  requestMessage,
} from '../../src/kafka/messages.ts'
import { runs } from '../support/seeded.ts'
import { aWorkflow } from '../support/workflows.ts'

const LOG = { clusterId: 'c', topic: 't', partition: 3 }
const A_UUID = '0197f6a2-5b6c-7d3e-8f90-a1b2c3d4e5f6'
const KEY = '0197f6a2-0000-7000-8000-000000000001'
const makeProblem = problemsAt('https://example.org')

function aRecord(fields: Partial<Omit<KafkaMessage, 'headers'>> & { headers?: Record<string, string> } = {}) {
  const headers = Object.entries(fields.headers ?? {}).map(([name, value]) => [name, Buffer.from(value)])
  return {
    ...{ key: null, offset: '17', timestamp: '1700000000000', attributes: 0, size: 0 },
    ...{ value: Buffer.from(JSON.stringify(aWorkflow())), ...fields },
    headers: Object.fromEntries(headers),
  } as KafkaMessage
}

const asRecord = ({ key, value, timestamp, headers }: Message) =>
  aRecord({
    key: Buffer.from(String(key)),
    value: value as Buffer,
    timestamp: timestamp!,
    headers: headers as Record<string, string>,
  })

const settledFrom = (request: RegistrationRequest, fields: Partial<Settled> = {}): Settled => ({
  ...{ requestId: request.requestId, fingerprint: request.fingerprint, acceptedAt: request.acceptedAt },
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

describe('an accepted request', () => {
  test('comes out of its record as it went in', () => {
    const body = Buffer.from(JSON.stringify(aWorkflow({ workflow_name: 'Ünïcode 🚀' })))
    const accepted = { requestId: A_UUID, idempotencyKey: KEY, acceptedAt: new Date(1_700_000_000_123) }
    const message = requestMessage({ ...accepted, workflowName: 'Ünïcode 🚀', body })
    expect(message.key).toBe('Ünïcode 🚀')
    const { fingerprint, workflow } = readBody(body) as Extract<
      ReturnType<typeof readBody>,
      { kind: 'valid' }
    >
    expect(decodeRecord(asRecord(message), LOG)).toEqual({ request: { ...accepted, fingerprint, workflow } })
  })

  test('is a CloudEvent in binary mode', () => {
    const accepted = { requestId: A_UUID, idempotencyKey: null, acceptedAt: new Date(1_700_000_000_123) }
    expect(requestMessage({ ...accepted, workflowName: 'a', body: Buffer.alloc(0) }).headers).toEqual({
      'content-type': 'application/json',
      ce_specversion: '1.0',
      ce_type: EVENT_TYPES.requested,
      ce_source: '/workflow-registrar',
      ce_id: A_UUID,
      ce_time: '2023-11-14T22:13:20.123Z',
    })
  })
})

describe('the request id of a record', () => {
  const idOf = (headers: Record<string, string>) => decodeRecord(aRecord({ headers }), LOG).request?.requestId
  const event = { ce_type: EVENT_TYPES.requested }

  test('is the id of its event, derived with its source where it is no UUID', () => {
    expect(idOf({ ...event, ce_source: '/a', ce_id: A_UUID.toUpperCase() })).toBe(A_UUID)
    expect(idOf({ ...event, ce_source: '/a', ce_id: '42' })).toBe(eventRequestId('/a', '42'))
    expect(idOf({ ...event, ce_source: '/a', ce_id: '42', 'request-id': A_UUID })).toBe(
      eventRequestId('/a', '42'),
    )
  })

  test('is the header of a plain record', () => {
    expect(idOf({ 'request-id': A_UUID })).toBe(A_UUID)
    expect(idOf({ 'request-id': 'order 42' })).toBe(eventRequestId('', 'order 42'))
  })

  test('follows from its place where it brings none', () => {
    const place = positionalRequestId({ ...LOG, offset: '17', timestamp: '1700000000000' })
    expect(idOf({})).toBe(place)
    expect(idOf({ 'request-id': '', ce_id: '' })).toBe(place)
  })
})

test('a key that is no UUID is not ours, and does not count', () => {
  const keyOf = (key: string) =>
    decodeRecord(aRecord({ headers: { 'idempotency-key': key } }), LOG).request?.idempotencyKey
  expect(keyOf(KEY.toUpperCase())).toBe(KEY)
  expect(keyOf('some-key')).toBeNull()
})

describe('a record that cannot be read', () => {
  const cases: [string, Partial<KafkaMessage>, Record<string, string>, string][] = [
    ['a tombstone', { value: null }, {}, 'tombstone'],
    ['one without a body', { value: Buffer.alloc(0) }, {}, 'not JSON'],
    ['no JSON', { value: Buffer.from('<xml/>') }, {}, 'not JSON'],
    ['an event of another major version', {}, { ce_type: 'x.requested.v2' }, 'unknown event type'],
  ]
  test.each(cases)(
    '%s is a dead letter, and has an outcome only if it brought an id',
    (_name, fields, more, why) => {
      const { headers: _, ...record } = fields
      expect(decodeRecord(aRecord({ ...record, headers: more }), LOG)).toEqual({
        request: null,
        unreadable: { class: 'unreadable', code: why },
      })
      const headers = { 'request-id': A_UUID, ...more }
      expect(decodeRecord(aRecord({ ...record, headers }), LOG)).toMatchObject({
        request: { requestId: A_UUID, rejection: { reason: 'validation-error' } },
        unreadable: { class: 'unreadable', code: why },
      })
    },
  )

  test('is parked as it came, with where it came from and why', () => {
    const record = aRecord({ key: Buffer.from('k'), value: Buffer.from('<xml/>'), headers: { mine: 'x' } })
    const cause = { class: 'unreadable', code: 'not JSON' } as const
    const { headers, ...parked } = deadLetter(record, LOG, { cause, attempts: 1, requestId: A_UUID })
    expect(parked).toEqual({ key: record.key, value: record.value })
    const { [DEAD_LETTER_HEADERS.time]: time, ...said } = headers!
    expect(new Date(String(time)).toISOString()).toBe(time)
    expect(said).toEqual({
      mine: record.headers!.mine,
      'dead-letter-class': 'unreadable',
      'dead-letter-code': 'not JSON',
      'dead-letter-request-id': A_UUID,
      'dead-letter-topic': 't',
      'dead-letter-partition': '3',
      'dead-letter-offset': '17',
      'dead-letter-timestamp': '1700000000000',
      'dead-letter-attempts': '1',
    })
  })
})

test('JSON that is invalid is no dead letter', () => {
  const decoded = decodeRecord(aRecord({ value: Buffer.from('{"workflow_name":"a"}') }), LOG)
  expect(decoded.unreadable).toBeUndefined()
  expect(decoded.request).toMatchObject({ workflowName: 'a', version: null })
})

test('a timestamp that is no time becomes now', () => {
  for (const timestamp of ['-1', '0', '', '9223372036854775807', 'x']) {
    const { request } = decodeRecord(aRecord({ timestamp }), LOG)
    expect(Math.abs(request!.acceptedAt.getTime() - Date.now())).toBeLessThan(60_000)
  }
})

test('no record makes the decoding throw', () => {
  const header = fc.constantFrom(
    'ce_id',
    'ce_type',
    'ce_source',
    'request-id',
    'idempotency-key',
    '__proto__',
    '',
  )
  const bytes = fc.uint8Array({ maxLength: 40 }).map(Buffer.from)
  const record = fc.record({
    key: fc.option(bytes),
    value: fc.option(fc.oneof(bytes, fc.json().map(Buffer.from))),
    timestamp: fc.oneof(fc.string(), fc.bigInt().map(String)),
    headers: fc.option(fc.dictionary(header, fc.oneof(bytes, fc.string(), fc.array(bytes))), {
      nil: undefined,
    }),
  })
  fc.assert(
    fc.property(record, (fields) => {
      const decoded = decodeRecord({ ...aRecord(), ...(fields as object) } as KafkaMessage, LOG)
      expect(decoded.request?.requestId ?? decoded.unreadable?.code).toEqual(expect.any(String))
    }),
    runs(500),
  )
})

describe('a reply', () => {
  const request = decodeRecord(aRecord({ headers: { 'request-id': A_UUID } }), LOG).request!

  test.each(OUTCOMES)('that a request is %s has one id however often it is sent', (outcome) => {
    const settled = settledFrom(request, { outcome })
    const { headers, key, value } = replyMessage(settled, makeProblem)
    expect(replyMessage(settled, makeProblem)).toEqual({ headers, key, value })
    expect(key).toBe(request.workflow!.workflow_name)
    expect(JSON.parse(String(value))).toMatchObject({ request_id: A_UUID, state: outcome })
    expect(headers).toMatchObject({
      ...{ ce_type: EVENT_TYPES.completed, ce_id: replyId(A_UUID, request.fingerprint), outcome },
      ...{
        ce_causationid: A_UUID,
        'request-id': A_UUID,
        ce_subject: `${request.workflow!.workflow_name}@1.0.0`,
      },
    })
  })

  test('is never larger than a topic takes, whatever is wrong with the request', () => {
    const many = Array.from({ length: 9_000 }, (_, index) => [`${index}\0`, 1])
    let hostile: unknown = Object.fromEntries(many)
    for (let level = 0; level < 6; level += 1) hostile = { ['🚀'.repeat(200)]: hostile }
    const { request } = decodeRecord(aRecord({ value: Buffer.from(JSON.stringify(hostile)) }), LOG)
    const { value } = replyMessage(settledFrom(request!), makeProblem)
    expect(Buffer.byteLength(String(value))).toBeLessThan(1_000_000)
  })
})
