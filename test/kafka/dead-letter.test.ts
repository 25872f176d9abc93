import { expect, test } from 'vitest'
import { DEAD_LETTER_HEADERS, deadLetter, smallerDeadLetter } from '../../src/kafka/dead-letter.ts'
import { aRecord } from '../support/records.ts'

const LOG = { clusterId: 'c', topic: 't', partition: 3 }
const A_UUID = '0197f6a2-5b6c-7d3e-8f90-a1b2c3d4e5f6'
const cause = { class: 'unreadable', code: 'not JSON', detail: 'is not JSON in UTF-8' } as const

test('a record is parked as it came, with where it came from and why', () => {
  const record = aRecord({ key: Buffer.from('k'), value: Buffer.from('<xml/>'), headers: { mine: 'x' } })
  const { headers, ...parked } = deadLetter(record, LOG, { cause, attempts: 1, requestId: A_UUID })
  expect(parked).toEqual({ key: record.key, value: record.value })
  const { [DEAD_LETTER_HEADERS.time]: time, ...said } = headers!
  expect(new Date(String(time)).toISOString()).toBe(time)
  expect(said).toEqual({
    mine: record.headers!.mine,
    'dead-letter-class': 'unreadable',
    'dead-letter-code': 'not JSON',
    'dead-letter-detail': 'is not JSON in UTF-8',
    'dead-letter-request-id': A_UUID,
    'dead-letter-topic': 't',
    'dead-letter-partition': '3',
    'dead-letter-offset': '17',
    'dead-letter-timestamp': '1700000000000',
    'dead-letter-attempts': '1',
  })
})

test('one that is too large loses its value, and then all that it came with, but never why it is here', () => {
  const record = aRecord({ key: Buffer.from('k'), value: Buffer.from('<xml/>'), headers: { mine: 'x' } })
  const whole = deadLetter(record, LOG, { cause, attempts: 1 })
  const withoutValue = smallerDeadLetter(whole)!
  expect(withoutValue).toEqual({
    ...whole,
    value: null,
    headers: { ...whole.headers, [DEAD_LETTER_HEADERS.valueBytes]: '6' },
  })
  const ours = smallerDeadLetter(withoutValue)!
  const { mine: _, ...headers } = withoutValue.headers!
  expect(ours).toEqual({ value: null, headers })
  expect(smallerDeadLetter(ours)).toBeUndefined()
})
