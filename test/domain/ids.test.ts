import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import {
  eventRequestId,
  ID_NAMESPACE,
  isUuid,
  keyedRequestId,
  keyScope,
  newId,
  positionalRequestId,
  replyId,
  storedKey,
} from '../../src/domain/ids.ts'
import { runs } from '../support/seeded.ts'

const FINGERPRINT = 'a'.repeat(64)
const A_UUID = '0197f6a2-5b6c-7d3e-8f90-a1b2c3d4e5f6'

/**
 * What an implementation in any language has to give: UUIDv5 of the namespace 6f4e7f0a-9c1d-5b7e-8f53-2f0c3d7a9b10
 * and, in UTF-8, the kind and its parts with a line feed between each two.
 */
const VECTORS: { id: string; parts: string[]; made: string }[] = [
  {
    parts: ['event', '/billing', '42'],
    made: eventRequestId('/billing', '42'),
    id: '6cb32a65-124b-5158-8692-496983f7ccf2',
  },
  {
    parts: ['event', '', '42'],
    made: eventRequestId('', '42'),
    id: '0343fee8-c4a1-5aab-8357-a23ec8eafb4a',
  },
  {
    parts: ['event', '/rechnung', 'zahlung-ü-🚀'],
    made: eventRequestId('/rechnung', 'zahlung-ü-🚀'),
    id: '56b38b21-e6e2-56b2-8aac-0eb2113f368c',
  },
  {
    parts: ['record', 'MkU3OEVBNTcwNTJENDM2Qg', 'workflow.registrations', '3', '17', '1700000000000'],
    made: positionalRequestId({
      clusterId: 'MkU3OEVBNTcwNTJENDM2Qg',
      topic: 'workflow.registrations',
      partition: 3,
      offset: '17',
      timestamp: '1700000000000',
    }),
    id: 'd592d8ac-2cbb-5f3f-982e-0ca4f8064fc8',
  },
  {
    parts: ['idempotency-key', '', 'my-key'],
    made: storedKey('', 'my-key'),
    id: 'c7ca1857-827d-5033-91f6-1b7962b204a4',
  },
  {
    parts: ['idempotency-key', 'team-a', 'my-key'],
    made: storedKey('team-a', 'my-key'),
    id: 'f08b8b37-aaeb-5f6a-a2de-6eedda7a7db9',
  },
  {
    parts: ['keyed-request', '', 'my-key', FINGERPRINT],
    made: keyedRequestId('', 'my-key', FINGERPRINT),
    id: '868e5217-01b2-5249-85ad-457145a439ce',
  },
  {
    parts: ['keyed-request', 'principal', 'ci/payments', '', 'my-key', FINGERPRINT],
    made: keyedRequestId(keyScope('ci/payments'), 'my-key', FINGERPRINT),
    id: '508fc25f-a541-5890-a4cf-2d3134358b4a',
  },
  {
    parts: ['idempotency-key', 'principal', 'ci/payments', 'batch/7', 'my-key'],
    made: storedKey(keyScope('ci/payments', 'batch/7'), 'my-key'),
    id: '14582ea4-b8f2-5359-bc99-ac359e6fd758',
  },
  {
    parts: ['outcome', A_UUID, FINGERPRINT],
    made: replyId(A_UUID, FINGERPRINT),
    id: '38fa0864-60b7-59eb-a078-5567cc433841',
  },
]

test('the namespace never changes', () => {
  expect(ID_NAMESPACE).toBe('6f4e7f0a-9c1d-5b7e-8f53-2f0c3d7a9b10')
})

describe.each(VECTORS)('the id of $parts', ({ parts, made, id }) => {
  test(`is ${id}`, () => {
    expect(made).toBe(id)
  })

  test('follows from SHA-1 alone', () => {
    const namespace = Buffer.from(ID_NAMESPACE.replaceAll('-', ''), 'hex')
    const hash = createHash('sha1').update(namespace).update(parts.join('\n')).digest().subarray(0, 16)
    hash[6] = (hash[6]! & 0x0f) | 0x50
    hash[8] = (hash[8]! & 0x3f) | 0x80
    expect(made.replaceAll('-', '')).toBe(hash.toString('hex'))
  })
})

test('callers who are not told apart have the scopes that they always had', () => {
  expect(keyScope(null)).toBe('')
  expect(keyScope(null, 'batch/7')).toBe('batch/7')
})

test('no two scopes and keys are one', () => {
  const words = fc.constantFrom('', 'a', 'principal', 'batch/0', 'batch/1', 'keyed-request')
  const used = fc.tuple(fc.option(words.filter((word) => word !== '')), words, words)
  fc.assert(
    fc.property(used, used, (one, other) => {
      const idOf = ([principal, place, key]: typeof one) => storedKey(keyScope(principal, place), key)
      expect(idOf(one) === idOf(other)).toBe(isDeepStrictEqual(one, other))
    }),
    runs(1_000),
  )
})

test('the id of an event that is a UUID stays as it is, in lower case, whatever its source', () => {
  expect(eventRequestId('/billing', A_UUID.toUpperCase())).toBe(A_UUID)
  expect(eventRequestId('', A_UUID)).toBe(A_UUID)
})

test('every part of a position counts', () => {
  const position = { clusterId: 'c', topic: 't', partition: 1, offset: '1', timestamp: '1' }
  const others = [
    { clusterId: 'd' },
    { topic: 'u' },
    { partition: 2 },
    { offset: '2' },
    { timestamp: '2' },
  ].map((change) => positionalRequestId({ ...position, ...change }))
  expect(new Set([positionalRequestId(position), ...others])).toHaveLength(6)
})

describe('ids of our own making', () => {
  const timeOf = (id: string) => Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16)

  test('are UUIDs of version 7 that sort by time, more of them than a millisecond has', () => {
    const now = Date.now()
    vi.useFakeTimers({ now, toFake: ['Date'] })
    onTestFinished(() => void vi.useRealTimers())
    const ids = Array.from({ length: 10_000 }, newId)
    expect(ids.every(isUuid)).toBe(true)
    expect(ids.every((id) => id[14] === '7' && '89ab'.includes(id[19]!))).toBe(true)
    expect(ids).toEqual(ids.toSorted())
    expect(new Set(ids)).toHaveLength(10_000)
    expect(timeOf(ids[0]!)).toBe(now)
    expect(timeOf(ids.at(-1)!)).toBe(now + 2)
  })

  test('sort on while the clock goes back', () => {
    const before = newId()
    vi.useFakeTimers({ now: Date.now() - 60_000, toFake: ['Date'] })
    onTestFinished(() => void vi.useRealTimers())
    const ids = [before, ...Array.from({ length: 10 }, newId)]
    expect(ids).toEqual(ids.toSorted())
  })
})

test.each(['', 'x', A_UUID.slice(1), `${A_UUID}0`, `{${A_UUID}}`, ` ${A_UUID}`, A_UUID.replaceAll('-', '')])(
  '%j is no UUID',
  (text) => {
    expect(isUuid(text)).toBe(false)
  },
)
