import fc from 'fast-check'
import type { KafkaMessage } from 'kafkajs'
import { describe, expect, test } from 'vitest'
import { readBody } from '../../src/domain/body.ts'
import { eventRequestId, positionalRequestId } from '../../src/domain/ids.ts'
import { LIMITS } from '../../src/domain/limits.ts'
import { decodeRecord } from '../../src/kafka/decode.ts'
import { EVENT_TYPES } from '../../src/kafka/events.ts'
import { requestMessage } from '../../src/kafka/messages.ts'
import { aRecord, asRecord } from '../support/records.ts'
import { runs } from '../support/seeded.ts'
import { aWorkflow } from '../support/workflows.ts'

const LOG = { clusterId: 'c', topic: 't', partition: 3 }
const A_UUID = '0197f6a2-5b6c-7d3e-8f90-a1b2c3d4e5f6'
const ANOTHER_UUID = '0197f6a2-5b6c-7d3e-8f90-000000000002'
const KEY = '0197f6a2-0000-7000-8000-000000000001'

const decode = (...args: Parameters<typeof aRecord>) => decodeRecord(aRecord(...args), LOG)

const BINARY = {
  ce_specversion: '1.0',
  ce_type: EVENT_TYPES.requested,
  ce_source: '/a',
  ce_id: A_UUID,
}
const ENVELOPE = { specversion: '1.0', type: EVENT_TYPES.requested, source: '/a', id: A_UUID }

/** An event in structured mode. */
const structured = (envelope: unknown, headers: Record<string, string> = {}) =>
  decode({
    value: Buffer.from(typeof envelope === 'string' ? envelope : JSON.stringify(envelope)),
    headers: { 'content-type': 'application/cloudevents+json; charset=UTF-8', ...headers },
  })

test('an accepted request comes out of its record as it went in', () => {
  const body = Buffer.from(JSON.stringify(aWorkflow({ workflow_name: 'Ünïcode 🚀' })))
  const accepted = {
    ...{ requestId: A_UUID, idempotencyKey: KEY, principal: 'Zoë 🚀' },
    acceptedAt: new Date(1_700_000_000_123),
  }
  const message = requestMessage({ ...accepted, workflowName: 'Ünïcode 🚀', body, trace: undefined })
  expect(message.key).toBe('Ünïcode 🚀')
  const { fingerprint, workflow } = readBody(body) as Extract<ReturnType<typeof readBody>, { kind: 'valid' }>
  expect(decodeRecord(asRecord(message), LOG)).toMatchObject({
    request: { ...accepted, fingerprint, workflow },
  })
})

describe('the three forms', () => {
  test('of one request are one request', () => {
    const workflow = aWorkflow({ workflow_name: 'Ünïcode 🚀' })
    const value = Buffer.from(JSON.stringify(workflow))
    const binary = decode({ value, headers: BINARY }).request
    expect(binary).toMatchObject({ requestId: A_UUID, workflow: { workflow_name: 'Ünïcode 🚀' } })
    expect(decode({ value, headers: { 'request-id': A_UUID } }).request).toEqual(binary)
    expect(structured({ ...ENVELOPE, data: workflow }).request).toEqual(binary)
    expect(structured({ ...ENVELOPE, data_base64: value.toString('base64') }).request).toEqual(binary)
  })

  test('of one id and source have one request id', () => {
    const id = eventRequestId('/a', 'order 42')
    expect(decode({ headers: { ...BINARY, ce_id: 'order 42' } }).request?.requestId).toBe(id)
    expect(structured({ ...ENVELOPE, id: 'order 42', data: aWorkflow() }).request?.requestId).toBe(id)
  })

  test('an event is binary whatever JSON media type it has', () => {
    for (const type of ['application/json', 'application/vnd.acme+json', 'text/plain', ''])
      expect(decode({ headers: { ...BINARY, 'content-type': type } }).request).toMatchObject({
        requestId: A_UUID,
        workflow: {},
      })
  })

  test('the attributes of a structured event that stand in headers too are those that count', () => {
    const decoded = structured({ ...ENVELOPE, id: 'inner', data: aWorkflow() }, { ce_id: ANOTHER_UUID })
    expect(decoded.request?.requestId).toBe(ANOTHER_UUID)
  })

  test('what the envelope has beyond its fields is tolerated, and in the body it is not', () => {
    const more = { specversion: '1.1', subject: 'x', dataschema: '/x', myextension: 1, another: null }
    expect(structured({ ...ENVELOPE, ...more, data: aWorkflow() })).toMatchObject({
      request: { workflow: {} },
    })
    expect(
      decode({ headers: { ...BINARY, ce_specversion: '1.7', ce_myextension: '1', other: 'x' } }),
    ).toMatchObject({ request: { workflow: {} } })
    expect(structured({ ...ENVELOPE, data: { ...aWorkflow(), extra: 1 } })).toMatchObject({
      request: { rejection: { errors: [{ pointer: '/extra' }] } },
    })
  })

  test('data that is invalid is rejected, and a resend in another envelope is the same request', () => {
    const invalid = { ...aWorkflow(), version: 'v1' }
    const first = structured({ ...ENVELOPE, time: '2026-11-23T08:00:00Z', data: invalid })
    expect(first).toMatchObject({ request: { rejection: { errors: [{ pointer: '/version' }] } } })
    expect(first.unreadable).toBeUndefined()
    const again = structured({ ...ENVELOPE, time: '2026-11-23T09:00:00Z', data: invalid })
    expect(again.request!.fingerprint).toBe(first.request!.fingerprint)
    const other = structured({ ...ENVELOPE, data: { ...invalid, name: 'Another' } })
    expect(other.request!.fingerprint).not.toBe(first.request!.fingerprint)
  })

  test('data that no recursion survives is rejected', () => {
    const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`
    const decoded = structured(`${JSON.stringify({ ...ENVELOPE }).slice(0, -1)},"data":${deep}}`)
    expect(decoded).toMatchObject({
      request: { requestId: A_UUID, rejection: { reason: 'validation-error' } },
    })
  })

  test('an attribute of the data that is null is absent', () => {
    const data = aWorkflow()
    const base64 = Buffer.from(JSON.stringify(data)).toString('base64')
    expect(structured({ ...ENVELOPE, data, data_base64: null }).request).toMatchObject({ workflow: data })
    expect(structured({ ...ENVELOPE, data: null, data_base64: base64 }).request).toMatchObject({
      workflow: data,
    })
  })

  test('an envelope that is too large is rejected, by the id in its headers if there is one', () => {
    const data = aWorkflow({ content: 'x'.repeat(2 * LIMITS.bytes) })
    const rejection = { reason: 'payload-too-large' }
    const decoded = structured({ ...ENVELOPE, data })
    expect(decoded).toMatchObject({ request: { rejection } })
    expect(decoded.request!.requestId).not.toBe(A_UUID)
    expect(decoded.unreadable).toBeUndefined()
    expect(structured({ ...ENVELOPE, data }, { ce_id: A_UUID })).toMatchObject({
      request: { requestId: A_UUID, rejection },
    })
  })

  test('data that is too large is rejected', () => {
    const content = 'x'.repeat(LIMITS.bytes)
    expect(structured({ ...ENVELOPE, data: aWorkflow({ content }) })).toMatchObject({
      request: { requestId: A_UUID, rejection: { reason: 'payload-too-large' } },
    })
  })
})

describe('the request id of a record', () => {
  const idOf = (headers: Record<string, string>) => decode({ headers }).request?.requestId

  test('is the id of its event, derived with its source where it is no UUID', () => {
    expect(idOf({ ...BINARY, ce_id: A_UUID.toUpperCase() })).toBe(A_UUID)
    expect(idOf({ ...BINARY, ce_id: '42' })).toBe(eventRequestId('/a', '42'))
    expect(idOf({ ...BINARY, ce_id: '42', 'request-id': A_UUID })).toBe(eventRequestId('/a', '42'))
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
  const keyOf = (key: string) => decode({ headers: { 'idempotency-key': key } }).request?.idempotencyKey
  expect(keyOf(KEY.toUpperCase())).toBe(KEY)
  expect(keyOf('some-key')).toBeNull()
})

describe('the principal of a record', () => {
  const principalIn = (principal: string | Buffer | (string | Buffer)[]) =>
    decodeRecord(aRecord({ headers: { principal } }), LOG).request?.principal

  test('is what its header says, byte for byte', () => {
    for (const name of ['ci/payments', 'Zoë 🚀', 'x'.repeat(255)]) expect(principalIn(name)).toBe(name)
    expect(principalIn(['first', 'second'])).toBe('first')
  })

  test.each([
    ['empty', ''],
    ['no UTF-8', Buffer.from([0x61, 0xff])],
    ['cut in a character', Buffer.from('🚀').subarray(0, 3)],
    ['with a line feed', 'a\nb'],
    ['with NUL', 'a\0'],
    ['with a byte order mark', '\u{feff}root'],
    ['of 256 characters', 'x'.repeat(256)],
    ['enormous', 'x'.repeat(1_000_000)],
    ['without a value', null as never],
  ])("cannot be read where the header is %s, and so the record is nobody's to see", (_what, principal) => {
    const unreadable = { class: 'unreadable', code: 'unreadable principal' }
    expect(decode({ headers: { principal } })).toMatchObject({ request: null, unreadable })
    expect(decode({ headers: { principal, 'request-id': A_UUID } })).toMatchObject({
      request: { requestId: A_UUID, principal: null, rejection: {}, workflowName: null, version: null },
      unreadable,
    })
  })

  test('is nobody without one, and is told of what is unacceptable too', () => {
    expect(decodeRecord(aRecord(), LOG).request).toMatchObject({ principal: null })
    for (const value of ['{}', '{'])
      expect(
        decodeRecord(
          aRecord({ value: Buffer.from(value), headers: { principal: 'a', 'request-id': 'b' } }),
          LOG,
        ).request,
      ).toMatchObject({ principal: 'a', rejection: {} })
  })
})

describe('a record that cannot be read', () => {
  const type = EVENT_TYPES.requested
  const eventType = { 'content-type': 'application/cloudevents+json' }
  const cases: [string, Parameters<typeof aRecord>[0] & object, string][] = [
    ['a tombstone', { value: null }, 'tombstone'],
    ['a tombstone of an event', { value: null, headers: BINARY }, 'tombstone'],
    ['one without a body', { value: Buffer.alloc(0) }, 'not JSON'],
    ['no JSON', { value: Buffer.from('<xml/>') }, 'not JSON'],
    ['an event of another type', { headers: { ...BINARY, ce_type: 'x.requested.v2' } }, 'unknown event type'],
    [
      'an event of another major version of its type',
      { headers: { ...BINARY, ce_type: type.replace('v1', 'v2') } },
      'unknown major version',
    ],
    [
      'an event of another major version of CloudEvents',
      { headers: { ...BINARY, ce_specversion: '2.0' } },
      'unknown major version',
    ],
    ['an event without a source', { headers: { ...BINARY, ce_source: '' } }, 'not an event'],
    ['an event without an id', { headers: { ...BINARY, ce_id: '' } }, 'not an event'],
    ['an event without a type', { headers: { ...BINARY, ce_type: '' } }, 'not an event'],
    ['an event without a specversion', { headers: { ...BINARY, ce_specversion: '' } }, 'not an event'],
    [
      'an event in Avro',
      { headers: { 'content-type': 'application/cloudevents+avro' } },
      'unknown event format',
    ],
    [
      'a batch of events',
      { headers: { 'content-type': 'application/cloudevents-batch+json' } },
      'unknown event format',
    ],
    ['a structured event that is no JSON', { value: Buffer.from('{'), headers: eventType }, 'not JSON'],
    ['a structured event that is a list', { value: Buffer.from('[]'), headers: eventType }, 'not JSON'],
    [
      'a structured event without data',
      { value: Buffer.from(JSON.stringify(ENVELOPE)), headers: eventType },
      'not an event',
    ],
    [
      'a structured event whose base64 is none',
      { value: Buffer.from(JSON.stringify({ ...ENVELOPE, data_base64: 'a' })), headers: eventType },
      'not an event',
    ],
    [
      'a structured event with data twice',
      { value: Buffer.from(JSON.stringify({ ...ENVELOPE, data: {}, data_base64: '' })), headers: eventType },
      'not an event',
    ],
    [
      'a structured event whose id is a number',
      { value: Buffer.from(JSON.stringify({ ...ENVELOPE, id: 42, data: {} })), headers: eventType },
      'not an event',
    ],
  ]
  test.each(cases)(
    '%s is a dead letter in words, with an outcome if it brings an id',
    (_name, fields, code) => {
      const { headers = {}, ...record } = fields
      const without = decode({ ...record, headers: { ...headers, ...('ce_id' in headers && { ce_id: '' }) } })
      expect(without.unreadable).toMatchObject({
        class: 'unreadable',
        detail: expect.stringMatching(/^(is|has) /),
      })
      const withId = decode({ ...record, headers: { ...headers, 'request-id': A_UUID } })
      expect(withId).toMatchObject({
        request: { requestId: A_UUID, rejection: { reason: 'validation-error' } },
        unreadable: { class: 'unreadable', code },
      })
      expect(withId.request?.rejection?.errors).toEqual([{ pointer: '', detail: withId.unreadable!.detail }])
    },
  )

  test('a record without any id has no outcome', () => {
    expect(decode({ value: null })).toEqual({
      request: null,
      unreadable: { class: 'unreadable', code: 'tombstone', detail: 'has no value' },
    })
  })

  test('ids that could be taken for others are no ids', () => {
    const bad = [
      'x'.repeat(4_097),
      'a\nb',
      '\u0000',
      'a\u007f',
      '\u0085',
      Buffer.from([0xff]),
      Buffer.from([0xc3]),
    ]
    for (const id of bad) {
      const none = { request: null, unreadable: { class: 'unreadable', code: 'unreadable id' } }
      expect(decode({ headers: { 'request-id': id } })).toMatchObject(none)
      expect(decode({ headers: { ...BINARY, ce_id: id } })).toMatchObject(none)
      expect(decode({ headers: { ...BINARY, ce_id: '42', ce_source: id } })).toMatchObject(none)
    }
    for (const id of ['x'.repeat(4_097), 'a\nb', '\ud800'])
      expect(structured({ ...ENVELOPE, id, data: aWorkflow() })).toMatchObject({
        request: null,
        unreadable: { class: 'unreadable', code: 'unreadable id' },
      })
  })

  test('a UUID is the id whatever its source is, and the record is none the better for it', () => {
    const garbled = Buffer.from([0xff])
    expect(decode({ headers: { ...BINARY, ce_source: garbled } })).toMatchObject({
      request: { requestId: A_UUID, rejection: {} },
      unreadable: { code: 'unreadable id' },
    })
  })

  test('is another request than one of the same id and body that can be read', () => {
    const value = Buffer.from(JSON.stringify(aWorkflow()))
    const other = { ...BINARY, ce_type: EVENT_TYPES.requested.replace('v1', 'v2') }
    const readable = decode({ value, headers: BINARY }).request!
    const unreadable = decode({ value, headers: other }).request!
    expect(unreadable.requestId).toBe(readable.requestId)
    expect(unreadable.fingerprint).not.toBe(readable.fingerprint)
  })

  test('no two pairs of source and id have one request id', () => {
    const text = fc.string({
      unit: fc.constantFrom('a', 'b', '\n', '/', 'é', '\ufeff'),
      minLength: 1,
      maxLength: 4,
    })
    fc.assert(
      fc.property(text, text, text, text, (source, id, otherSource, otherId) => {
        const first = decode({ headers: { ...BINARY, ce_source: source, ce_id: id } })
        const second = decode({ headers: { ...BINARY, ce_source: otherSource, ce_id: otherId } })
        fc.pre(first.request !== null && second.request !== null)
        expect(first.request!.requestId === second.request!.requestId).toBe(
          source === otherSource && id === otherId,
        )
      }),
      runs(500),
    )
    expect(eventRequestId('a\nb', 'c'), 'why they need to be refused').toBe(eventRequestId('a', 'b\nc'))
  })
})

test('JSON that is invalid is no dead letter', () => {
  const decoded = decode({ value: Buffer.from('{"workflow_name":"a"}') })
  expect(decoded.unreadable).toBeUndefined()
  expect(decoded.request).toMatchObject({ workflowName: 'a', version: null })
})

test('a timestamp that is no time becomes now', () => {
  for (const timestamp of ['-1', '0', '', '9223372036854775807', 'x']) {
    const { request } = decode({ timestamp })
    expect(Math.abs(request!.acceptedAt.getTime() - Date.now())).toBeLessThan(60_000)
  }
})

test('no record makes the decoding throw', () => {
  const header = fc.constantFrom(
    ...['ce_id', 'ce_type', 'ce_source', 'ce_specversion', 'ce_correlationid', 'content-type'],
    ...['request-id', 'idempotency-key', 'reply-topic', 'kafka_replyTopic', 'kafka_replyPartition'],
    ...['kafka_correlationId', 'REPLY_TOPIC', 'REPLY_PARTITION', 'traceparent', '__proto__', ''],
  )
  const bytes = fc.uint8Array({ maxLength: 40 }).map(Buffer.from)
  const known = fc
    .constantFrom('application/cloudevents+json', '1.0', EVENT_TYPES.requested, '/a')
    .map(Buffer.from)
  const envelope = fc
    .record({ ...ENVELOPE_PARTS, data: fc.jsonValue(), data_base64: fc.base64String() }, { requiredKeys: [] })
    .map((value) => Buffer.from(JSON.stringify(value)))
  const record = fc.record({
    key: fc.option(bytes),
    value: fc.option(fc.oneof(bytes, fc.json().map(Buffer.from), envelope)),
    timestamp: fc.oneof(fc.string(), fc.bigInt().map(String)),
    headers: fc.option(fc.dictionary(header, fc.oneof(bytes, known, fc.array(bytes))), { nil: undefined }),
  })
  fc.assert(
    fc.property(record, (fields) => {
      const decoded = decodeRecord({ ...aRecord(), ...(fields as object) } as KafkaMessage, LOG)
      expect(decoded.request?.requestId ?? decoded.unreadable?.code).toEqual(expect.any(String))
      expect(
        decodeRecord({ ...aRecord(), ...(fields as object) } as KafkaMessage, LOG).request?.requestId,
      ).toBe(decoded.request?.requestId)
    }),
    runs(2_000),
  )
})

const ENVELOPE_PARTS = {
  specversion: fc.constantFrom<unknown>('1.0', '2.0', 1, null),
  type: fc.constantFrom<unknown>(EVENT_TYPES.requested, EVENT_TYPES.completed, {}),
  source: fc.oneof(fc.string(), fc.jsonValue()),
  id: fc.oneof(fc.string(), fc.jsonValue()),
}
