import { setTimeout as delay } from 'node:timers/promises'
import type { KafkaMessage } from 'kafkajs'
import { expect, test } from 'vitest'
import { CHUNK_LIMITS } from '../../src/domain/limits.ts'
import type { Chunk } from '../../src/kafka/chunks.ts'
import { openLanes } from '../../src/kafka/lanes.ts'
import { until } from '../support/until.ts'

/** Lanes whose chunks are settled when the test says so. */
function settling() {
  const asked: { partition: number; chunk: Chunk; done(): void }[] = []
  const lanes = openLanes((partition, chunk) => {
    const { promise, resolve } = Promise.withResolvers<void>()
    asked.push({ partition, chunk, done: resolve })
    return promise
  })
  const begun = () => asked.map(({ partition, chunk }) => [partition, chunk.firstOffset, chunk.nextOffset])
  return { lanes, asked, begun }
}

/** Records from `first` up to and without `next`, of so many bytes together, which they hold too. */
function chunk(first: number, next: number, bytes = next - first, heldBytes = bytes): Chunk {
  const records = Array.from(
    { length: next - first },
    (_, index) => ({ offset: String(first + index) }) as KafkaMessage,
  )
  return { records, bytes, heldBytes, firstOffset: BigInt(first), nextOffset: BigInt(next) }
}

/** Whether a promise is settled within a while. */
async function isDone(promise: Promise<unknown>): Promise<boolean> {
  return Promise.race([promise.then(() => true), delay(50).then(() => false)])
}

const LARGE = 3 * 1024 * 1024

test('the chunks of a partition are settled one after the other, those of others beside them', async () => {
  const { lanes, asked, begun } = settling()
  lanes.put(0, [chunk(0, 500), chunk(500, 600)])
  lanes.put(1, [chunk(7, 9)])
  expect(begun()).toEqual([
    [0, 0n, 500n],
    [1, 7n, 9n],
  ])
  asked[0]!.done()
  await until('the next one', () => asked.length === 3)
  expect(begun()[2]).toEqual([0, 500n, 600n])
  expect(lanes.isBusy()).toBe(true)
  for (const { done } of asked) done()
  await lanes.idle()
  expect(lanes.isBusy()).toBe(false)
})

test('what comes while a chunk is being settled is one chunk, as far as its limits go', async () => {
  const { lanes, asked, begun } = settling()
  lanes.put(0, [chunk(0, 1)])
  lanes.put(0, [chunk(1, 3)])
  lanes.put(0, [chunk(3, 400)])
  lanes.put(0, [chunk(400, 600)])
  asked[0]!.done()
  await until('the next one', () => asked.length === 2)
  expect(begun()[1]).toEqual([0, 1n, 400n])
  expect(asked[1]!.chunk.records.map(({ offset }) => Number(offset))).toEqual(
    Array.from({ length: 399 }, (_, index) => 1 + index),
  )
  expect(asked[1]!.chunk.bytes).toBe(399)
  asked[1]!.done()
  await until('the last one', () => asked.length === 3)
  expect(begun()[2]).toEqual([0, 400n, 600n])
})

test('chunks that are too large together stay alone', async () => {
  const { lanes, asked, begun } = settling()
  const half = CHUNK_LIMITS.bytes / 2 + 1
  lanes.put(0, [chunk(0, 1), chunk(1, 2, half), chunk(2, 3, half)])
  expect(begun()).toEqual([[0, 0n, 2n]])
  asked[0]!.done()
  await until('the next one', () => asked.length === 2)
  expect(begun()[1]).toEqual([0, 2n, 3n])
})

test('what is dropped is never settled, unlike what is under way', async () => {
  const { lanes, asked, begun } = settling()
  lanes.drop(0)
  lanes.put(0, [chunk(0, 500), chunk(500, 900), chunk(900, 950)])
  lanes.put(1, [chunk(0, 500), chunk(500, 700)])
  lanes.drop(0)
  expect(lanes.isBusy(0)).toBe(true)
  lanes.dropAll()
  for (const { done } of asked) done()
  await lanes.idle()
  expect(begun()).toEqual([
    [0, 0n, 500n],
    [1, 0n, 500n],
  ])
})

test('a partition whose rest was dropped goes on with what comes next', async () => {
  const { lanes, asked, begun } = settling()
  lanes.put(0, [chunk(0, 500), chunk(500, 900)])
  lanes.drop(0)
  lanes.put(0, [chunk(500, 510)])
  asked[0]!.done()
  await until('the next one', () => asked.length === 2)
  expect(begun()[1]).toEqual([0, 500n, 510n])
})

test('more is fetched at once when nothing is left', async () => {
  const { lanes, asked } = settling()
  await lanes.ready()
  lanes.put(0, [chunk(0, 1, LARGE)])
  const ready = lanes.ready()
  expect(await isDone(ready)).toBe(false)
  asked[0]!.done()
  await ready
})

test('more is fetched while a little is being settled, and not while there is much', async () => {
  const { lanes, asked } = settling()
  lanes.put(0, [chunk(0, 1)])
  await lanes.ready()
  lanes.put(1, [chunk(0, 1, LARGE)])
  const ready = [lanes.ready(), lanes.ready()]
  expect(await isDone(Promise.race(ready))).toBe(false)
  asked[1]!.done()
  await Promise.all(ready)
  expect(lanes.isBusy()).toBe(true)
})

test('there is much, too, where the values are small', async () => {
  const { lanes, asked } = settling()
  lanes.put(0, [chunk(0, 500, 0, LARGE)])
  const ready = lanes.ready()
  expect(await isDone(ready)).toBe(false)
  asked[0]!.done()
  await ready
})

test('what is dropped makes room', async () => {
  const { lanes } = settling()
  lanes.put(0, [chunk(0, 500), chunk(500, 501, LARGE)])
  const ready = lanes.ready()
  expect(await isDone(ready)).toBe(false)
  lanes.dropAll()
  await ready
})
