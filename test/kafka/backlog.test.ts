import type { KafkaMessage } from 'kafkajs'
import { beforeEach, expect, test } from 'vitest'
import { backlog } from '../../src/kafka/backlog.ts'
import { type Chunk, passage } from '../../src/kafka/chunks.ts'

let pending: ReturnType<typeof backlog>
beforeEach(() => {
  pending = backlog()
  pending.assign([0, 1])
})

/** Records from `first` on, of these ages. */
function aChunk(first: bigint, ...ages: number[]): Chunk {
  const records = ages.map((seconds, index): KafkaMessage => {
    const timestamp = String(Date.now() - seconds * 1_000)
    const offset = String(first + BigInt(index))
    return { key: null, value: null, headers: {}, timestamp, attributes: 0, offset }
  })
  return { ...passage(first, first + BigInt(ages.length)), records }
}

/** An age is told to the second: a test that takes longer would be another one's fault. */
function expectAge(seconds: number) {
  expect(pending.oldestPendingSeconds()).toBeGreaterThanOrEqual(seconds)
  expect(pending.oldestPendingSeconds()).toBeLessThan(seconds + 50)
}

test('nothing is told of a partition before anything is known of it', () => {
  expect(pending.lag()).toEqual(new Map())
  expect(pending.oldestPendingSeconds()).toBe(0)
})

test('what comes is lag until it is settled, whatever else answers', () => {
  pending.fetched(0, 5n, 25n, [aChunk(5n, 900, 800), aChunk(7n, 100)])
  expect(pending.lag()).toEqual(new Map([[0, 20]]))
  expectAge(900)
  pending.settled(0, 7n)
  expect(pending.lag()).toEqual(new Map([[0, 18]]))
  expectAge(100)
  pending.settled(0, 25n)
  expect(pending.lag()).toEqual(new Map([[0, 0]]))
  expect(pending.oldestPendingSeconds()).toBe(0)
})

test('the oldest record of all partitions counts, wherever in its chunk it is', () => {
  pending.fetched(0, 0n, 1n, [aChunk(0n, 100)])
  pending.fetched(1, 0n, 3n, [aChunk(0n, 200, 700, 300)])
  expectAge(700)
})

test('what others have settled is not in hand any more', () => {
  pending.fetched(0, 0n, 3n, [aChunk(0n, 500), aChunk(1n, 400, 300)])
  pending.looked(0, 1n, 3n)
  expectAge(400)
  pending.looked(0, 3n, 3n)
  expect(pending.oldestPendingSeconds()).toBe(0)
  expect(pending.lag()).toEqual(new Map([[0, 0]]))
})

test('what comes again counts once', () => {
  pending.fetched(0, 0n, 30n, [aChunk(0n, 500), aChunk(1n, 400)])
  pending.fetched(0, 0n, 30n, [aChunk(0n, 500)])
  pending.settled(0, 1n)
  expect(pending.oldestPendingSeconds()).toBe(0)
  expect(pending.lag()).toEqual(new Map([[0, 29]]))
})

test.each(['-1', '0', 'soon', String(Date.now() + 3_600_000)])(
  'a record with the timestamp %s is not older than now',
  (timestamp) => {
    const chunk = aChunk(0n, 0)
    pending.fetched(0, 0n, 1n, [{ ...chunk, records: chunk.records.map((one) => ({ ...one, timestamp })) }])
    expectAge(0)
  },
)

test.each(['-1', '0', String(Date.now() + 3_600_000)])(
  'a record with the timestamp %s grows old from when it first came, however often it comes again',
  async (timestamp) => {
    const chunk = aChunk(0n, 0)
    const come = () =>
      pending.fetched(0, 0n, 1n, [{ ...chunk, records: chunk.records.map((one) => ({ ...one, timestamp })) }])
    come()
    while (pending.oldestPendingSeconds() < 0.02) await new Promise(setImmediate)
    come()
    expect(pending.oldestPendingSeconds()).toBeGreaterThanOrEqual(0.02)
    pending.settled(0, 1n)
    expect(pending.oldestPendingSeconds()).toBe(0)
  },
)

test('a log that was made anew is all that counts', () => {
  pending.fetched(0, 0n, 100n, [aChunk(0n, 1)])
  pending.settled(0, 100n)
  pending.fetched(0, 0n, 40n, [aChunk(0n, 1)])
  expect(pending.lag()).toEqual(new Map([[0, 40]]))
  pending.settled(0, 40n)
  expect(pending.lag()).toEqual(new Map([[0, 0]]))
})

test('a look tells of partitions of which nothing has come', () => {
  pending.looked(0, 10n, 40n)
  pending.looked(1, 7n, 7n)
  expect(pending.lag()).toEqual(
    new Map([
      [0, 30],
      [1, 0],
    ]),
  )
})

test('a look does not take back what was settled meanwhile, and a database that fell back does', () => {
  pending.fetched(0, 0n, 10n, [aChunk(0n, 1)])
  pending.settled(0, 10n)
  pending.looked(0, 9n, 10n)
  expect(pending.lag()).toEqual(new Map([[0, 0]]))
  pending.readAgain(0, 4n)
  expect(pending.lag()).toEqual(new Map([[0, 6]]))
})

test('a look finds what others have settled before', () => {
  pending.fetched(0, 0n, 10n, [])
  pending.looked(0, 8n, 10n)
  expect(pending.lag()).toEqual(new Map([[0, 2]]))
})

test('what is known of a partition is forgotten with its assignment', () => {
  pending.fetched(0, 0n, 10n, [aChunk(0n, 600)])
  pending.fetched(1, 0n, 10n, [aChunk(0n, 300)])
  pending.assign([1, 2])
  pending.fetched(0, 0n, 10n, [aChunk(0n, 600)])
  expect(pending.lag()).toEqual(new Map([[1, 10]]))
  expectAge(300)
})

test('records that do not come grow old from when they were first seen to be there', async () => {
  pending.looked(0, 0n, 5n)
  while (pending.oldestPendingSeconds() < 0.02) await new Promise(setImmediate)
  pending.looked(0, 0n, 6n)
  expect(pending.oldestPendingSeconds()).toBeGreaterThanOrEqual(0.02)
  pending.looked(0, 6n, 6n)
  expect(pending.oldestPendingSeconds()).toBe(0)
})
