import { expect, test } from 'vitest'
import { alignment, LogMismatch } from '../../src/kafka/alignment.ts'

/** Keeps partition 0 in line with what the test says that is stored, and tells what it was read from. */
function aligning({ stored }: { stored: bigint | undefined }) {
  const database = { stored }
  const read: bigint[] = []
  const lane = { isBusy: false }
  const aligned = alignment({
    read: async () => new Map(database.stored === undefined ? [] : [[0, database.stored]]),
    readCommitted: async () => new Map(),
    seek: (_, offset) => read.push(offset),
    drop: () => {
      lane.isBusy = false
    },
    isBusy: () => lane.isBusy,
  })
  return { aligned, database, read, lane }
}

test('what cannot be settled is read again from where it began, each time', async () => {
  const { aligned, read } = aligning({ stored: 21n })
  for (const _ of [1, 2, 3]) {
    expect(await aligned.align(0, 21n)).toBe(true)
    aligned.readTo(0, 31n)
    aligned.sendTo(0, 21n)
  }
  expect(read).toEqual([21n, 21n, 21n])
})

test('a chunk that fails late does not keep a database that fell back from being caught up with', async () => {
  const { aligned, database, read } = aligning({ stored: 1_000n })
  await aligned.align(0, 1_000n)
  aligned.readTo(0, 1_100n)
  database.stored = 400n
  await aligned.sendBack([{ partition: 0, settled: 400n, high: 2_000n }])
  aligned.sendTo(0, 1_000n)
  expect(read).toEqual([400n, 400n])
  expect(await aligned.align(0, 400n)).toBe(true)
})

test('a chunk of before that is settled late does not count as read again', async () => {
  const { aligned, database, read } = aligning({ stored: 1_000n })
  await aligned.align(0, 1_000n)
  database.stored = 400n
  await aligned.sendBack([{ partition: 0, settled: 400n, high: 2_000n }])
  aligned.settled(0, 1_100n)
  expect(aligned.position(0)).toBeUndefined()
  await expect(aligned.align(0, 600n)).rejects.toThrow('begins at 600, after the progress 400')
  expect(read).toEqual([400n])
})

test('where the log goes on further ahead it is read again from what was read, and nobody drops that', async () => {
  const { aligned, read, lane } = aligning({ stored: 4_900n })
  await aligned.align(0, 4_900n)
  aligned.readTo(0, 5_000n)
  lane.isBusy = true
  expect(await aligned.align(0, 6_000n)).toBe(false)
  expect(read).toEqual([5_000n])
  expect(lane.isBusy).toBe(true)
  await expect(aligned.align(0, 6_000n)).rejects.toThrow(LogMismatch)
  expect(aligned.position(0)).toMatchObject({ next: 5_000n, stored: 4_900n })
})

test('a mismatch is told with what is stored once all that was read is settled', async () => {
  const { aligned, database, lane } = aligning({ stored: 4_900n })
  await aligned.align(0, 4_900n)
  aligned.readTo(0, 5_000n)
  lane.isBusy = true
  await aligned.align(0, 6_000n)
  database.stored = 5_000n
  aligned.settled(0, 5_000n)
  lane.isBusy = false
  await aligned.align(0, 6_000n)
  for (const _ of [1, 2])
    await expect(aligned.align(0, 6_000n)).rejects.toThrow('begins at 6000, after the progress 5000')
  database.stored = 6_000n
  expect(await aligned.align(0, 6_000n)).toBe(true)
})

test('a log that the database knows nothing of is read from its beginning, wherever that is', async () => {
  const { aligned, read } = aligning({ stored: undefined })
  expect(await aligned.align(0, 50n)).toBe(false)
  expect(read).toEqual([0n])
  expect(await aligned.align(0, 50n)).toBe(true)
})
