import type { KafkaMessage } from 'kafkajs'
import { expect, test } from 'vitest'
import { PublishFailure } from '../../src/kafka/publish.ts'
import type { PlacedChunk } from '../../src/kafka/settle.ts'
import { settleTogether } from '../../src/kafka/together.ts'

function placed(partition: number, records = 1, attempts = 1): PlacedChunk {
  return {
    chunk: {
      records: Array.from({ length: records }, (_, offset) => ({ offset: String(offset) }) as KafkaMessage),
      bytes: records,
      heldBytes: records,
      firstOffset: 0n,
      nextOffset: BigInt(records),
    },
    from: { clusterId: 'c', topic: 't', partition },
    attempts,
  }
}

/** Which partitions were settled in each call, where `fault` says which cannot be. */
function settling(fault: (partitions: readonly number[]) => Error | undefined = () => undefined) {
  const calls: number[][] = []
  const settle = settleTogether(async (all) => {
    const partitions = all.map(({ from }) => from.partition)
    calls.push(partitions)
    const error = fault(partitions)
    if (error) throw error
  })
  return { settle, calls }
}

test('chunks that come in one turn are settled together', async () => {
  const { settle, calls } = settling()
  await Promise.all([placed(0, 100), placed(1, 200), placed(2, 200)].map(settle))
  expect(calls).toEqual([[0, 1, 2]])
})

test('no more records are settled together than go into one statement', async () => {
  const { settle, calls } = settling()
  await Promise.all([placed(0, 300), placed(1, 200), placed(2, 1), placed(3, 500), placed(4, 1)].map(settle))
  expect(calls).toEqual([[0, 1], [2], [3], [4]])
})

test('one that cannot be settled keeps no other from it', async () => {
  const { settle, calls } = settling((partitions) =>
    partitions.includes(1) ? new Error('a record is missing') : undefined,
  )
  const done = await Promise.allSettled([0, 1, 2].map((partition) => settle(placed(partition))))
  expect(done.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  expect(calls).toEqual([[0, 1, 2], [0], [1], [2]])
})

test('while Kafka takes nothing, none is tried again alone', async () => {
  const { settle, calls } = settling(() => new PublishFailure('Kafka did not take the records'))
  const done = await Promise.allSettled([0, 1].map((partition) => settle(placed(partition))))
  expect(done.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  expect(calls).toEqual([[0, 1]])
})

test('one that is tried again is alone from the start', async () => {
  const { settle, calls } = settling()
  await Promise.all([placed(0), placed(1, 1, 2), placed(2)].map(settle))
  expect(calls.toSorted()).toEqual([[0, 2], [1]])
})
