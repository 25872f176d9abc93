import type { Batch, KafkaMessage } from 'kafkajs'
import { expect, test } from 'vitest'
import { CHUNK_LIMITS } from '../../src/domain/limits.ts'
import { chunksOf } from '../../src/kafka/chunks.ts'

/** A batch that ends at `last`, with these offsets in it. */
function batchOf(offsets: readonly number[], last: number, record: Partial<KafkaMessage> = {}): Batch {
  const messages = offsets.map((offset) => ({ offset: String(offset), ...record }) as KafkaMessage)
  return { messages, lastOffset: () => String(last) } as Batch
}

const from = (first: number, length: number) => Array.from({ length }, (_, index) => first + index)

test('the chunks of a batch leave out no offset between its fetch and its end', () => {
  const { requests } = CHUNK_LIMITS
  const chunks = [...chunksOf(batchOf(from(27, requests + 1), 2_000), 21n)]
  expect(chunks.map(({ firstOffset, nextOffset }) => [firstOffset, nextOffset])).toEqual([
    [21n, BigInt(27 + requests)],
    [BigInt(27 + requests), 2_001n],
  ])
  expect(chunks.map(({ records }) => records.length)).toEqual([requests, 1])
})

test('a chunk has no more bytes than are settled together, unless one record has', () => {
  const value = Buffer.alloc(CHUNK_LIMITS.bytes / 2)
  const sizes = (offsets: number[], record: Partial<KafkaMessage>) =>
    [...chunksOf(batchOf(offsets, offsets.at(-1)!, record), 0n)].map(({ records }) => records.length)
  expect(sizes([0, 1, 2], { value })).toEqual([2, 1])
  expect(sizes([0, 1], { value: Buffer.alloc(CHUNK_LIMITS.bytes + 1) })).toEqual([1, 1])
})

test('what a record holds counts its key, its headers and itself, not its value alone', () => {
  const [empty] = chunksOf(batchOf([0, 1], 1, { value: null }), 0n)
  expect(empty).toMatchObject({ bytes: 0 })
  expect(empty!.heldBytes).toBeGreaterThan(0)
  const headers = { one: Buffer.alloc(1_000), many: [Buffer.alloc(2_000), Buffer.alloc(3_000)] }
  const [full] = chunksOf(
    batchOf([0, 1], 1, { key: Buffer.alloc(500), value: Buffer.alloc(70), headers }),
    0n,
  )
  expect(full!.heldBytes - empty!.heldBytes).toBe(2 * (500 + 70 + 6_000 + 3 + 2 * 4))
  expect(full!.bytes).toBe(140)
})
