import { setImmediate as nextTurn } from 'node:timers/promises'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Expired, type GatherOptions, gather } from '../src/gather.ts'
import { runs } from './support/seeded.ts'
import { until } from './support/until.ts'

/** A gatherer whose batches end when the test says so. */
function gatherer(
  options: Partial<
    Pick<GatherOptions<number, string>, 'maxItems' | 'maxSize' | 'maxInFlight' | 'lingerMs' | 'isExpired'>
  > = {},
) {
  const batches: { items: number[]; answer(): void; fail(error: unknown): void }[] = []
  const call = gather<number, string>({
    run: (items) => {
      const { promise, resolve, reject } = Promise.withResolvers<string[]>()
      batches.push({ items, answer: () => resolve(items.map((item) => `answer ${item}`)), fail: reject })
      return promise
    },
    sizeOf: (item) => item,
    ...{ maxItems: 100, maxSize: 1_000, maxInFlight: 1, ...options },
  })
  return { call, batches, gathered: () => batches.map(({ items }) => items) }
}

test('calls of one turn go together, in order, and each gets its own answer', async () => {
  const { call, batches, gathered } = gatherer()
  const answers = Promise.all([1, 2, 3].map(call))
  await until('a batch', () => batches.length > 0)
  batches[0]!.answer()
  expect(await answers).toEqual(['answer 1', 'answer 2', 'answer 3'])
  expect(gathered()).toEqual([[1, 2, 3]])
})

test('an item may count as several', async () => {
  const batches: number[][] = []
  const call = gather<number, number>({
    run: async (items) => {
      batches.push(items)
      return items
    },
    sizeOf: () => 0,
    countOf: (item) => item,
    ...{ maxItems: 10, maxSize: 0, maxInFlight: 1 },
  })
  await Promise.all([4, 6, 1, 20, 3].map(call))
  expect(batches).toEqual([[4, 6], [1], [20], [3]])
})

test('a call that is alone does not wait for others', async () => {
  const { call, gathered } = gatherer()
  void call(1)
  await nextTurn()
  expect(gathered()).toEqual([[1]])
})

test('calls that come while a batch is under way go together after it', async () => {
  const { call, batches, gathered } = gatherer()
  void call(1)
  await until('the first batch', () => batches.length === 1)
  const later = [call(2)]
  await nextTurn()
  later.push(call(3))
  await nextTurn()
  expect(gathered()).toEqual([[1]])
  batches[0]!.answer()
  await until('the second batch', () => batches.length === 2)
  batches[1]!.answer()
  expect(await Promise.all(later)).toEqual(['answer 2', 'answer 3'])
  expect(gathered()).toEqual([[1], [2, 3]])
})

test('calls linger for the batch under way, and go together once it ends', async () => {
  const { call, batches, gathered } = gatherer({ maxInFlight: 2, lingerMs: 60_000 })
  void call(1)
  await until('the first batch', () => batches.length === 1)
  void call(2)
  await nextTurn()
  void call(3)
  await nextTurn()
  expect(gathered()).toEqual([[1]])
  batches[0]!.answer()
  await until('the second batch', () => batches.length === 2)
  expect(gathered()).toEqual([[1], [2, 3]])
})

test('calls linger no longer than they may, and beside no more batches than may be under way', async () => {
  const { call, batches, gathered } = gatherer({ maxInFlight: 2, lingerMs: 30 })
  void call(1)
  await until('the first batch', () => batches.length === 1)
  const began = performance.now()
  void call(2)
  await until('a batch beside it', () => batches.length === 2)
  expect(performance.now() - began).toBeGreaterThan(15)
  void call(3)
  await new Promise((resolve) => setTimeout(resolve, 60))
  expect(gathered()).toEqual([[1], [2]])
  batches[1]!.answer()
  await until('the last batch', () => batches.length === 3)
})

test('a call that nobody waits for any more is dropped, also while batches hang', async () => {
  const expired = new Set<number>()
  const { call, batches, gathered } = gatherer({ isExpired: (item) => expired.has(item) })
  void call(1)
  await until('a batch that hangs', () => batches.length === 1)
  const dropped = [call(2), call(3)].map((one) => expect(one).rejects.toThrow(Expired))
  expired.add(2).add(3)
  const kept = call(4) // the next one sweeps
  await Promise.all(dropped)
  batches[0]!.answer()
  await until('the second batch', () => batches.length === 2)
  batches[1]!.answer()
  expect(await kept).toBe('answer 4')
  expect(gathered()).toEqual([[1], [4]])
})

test('no more batches are under way than may be', async () => {
  const { call, batches, gathered } = gatherer({ maxItems: 1, maxInFlight: 2 })
  for (const item of [1, 2, 3, 4]) void call(item)
  await nextTurn()
  expect(gathered()).toEqual([[1], [2]])
  batches[1]!.answer()
  await until('the third batch', () => batches.length === 3)
  await nextTurn()
  expect(gathered()).toEqual([[1], [2], [3]])
})

test('a batch has no more items than it may', async () => {
  const { call, gathered } = gatherer({ maxItems: 2, maxInFlight: 9 })
  for (const item of [1, 2, 3, 4, 5]) void call(item)
  await nextTurn()
  expect(gathered()).toEqual([[1, 2], [3, 4], [5]])
})

test('a batch is no larger than it may be, unless one item alone is', async () => {
  const { call, gathered } = gatherer({ maxSize: 10, maxInFlight: 9 })
  for (const item of [6, 4, 1, 11, 10, 1]) void call(item)
  await nextTurn()
  expect(gathered()).toEqual([[6, 4], [1], [11], [10], [1]])
})

test('a batch that fails, fails each of its calls and no other', async () => {
  const { call, batches } = gatherer({ maxItems: 2, maxInFlight: 2 })
  const settled = Promise.allSettled([1, 2, 3].map(call))
  await until('two batches', () => batches.length === 2)
  const error = new Error('lost')
  batches[0]!.fail(error)
  batches[1]!.answer()
  expect(await settled).toEqual([
    { status: 'rejected', reason: error },
    { status: 'rejected', reason: error },
    { status: 'fulfilled', value: 'answer 3' },
  ])
  const after = call(4)
  await until('a batch after the failure', () => batches.length === 3)
  batches[2]!.answer()
  expect(await after).toBe('answer 4')
})

test('whatever comes whenever, every call is answered once, in the order of the calls', async () => {
  const turns = fc.array(fc.array(fc.nat(20), { maxLength: 10 }), { maxLength: 10 })
  const limits = fc.record({
    maxItems: fc.integer({ min: 1, max: 5 }),
    maxSize: fc.nat(40),
    maxInFlight: fc.integer({ min: 1, max: 3 }),
  })
  await fc.assert(
    fc.asyncProperty(turns, limits, async (turns, limits) => {
      const seen: number[] = []
      let inFlight = 0
      const call = gather<number, string>({
        run: async (items) => {
          expect(items.length).toBeLessThanOrEqual(limits.maxItems)
          if (items.length > 1)
            expect(items.reduce((sum, item) => sum + item)).toBeLessThanOrEqual(limits.maxSize)
          inFlight += 1
          expect(inFlight).toBeLessThanOrEqual(limits.maxInFlight)
          seen.push(...items)
          await nextTurn()
          inFlight -= 1
          return items.map((item) => `answer ${item}`)
        },
        sizeOf: (item) => item,
        ...limits,
      })
      const answers: Promise<string>[] = []
      for (const items of turns) {
        answers.push(...items.map(call))
        await nextTurn()
      }
      expect(await Promise.all(answers)).toEqual(turns.flat().map((item) => `answer ${item}`))
      expect(seen).toEqual(turns.flat())
    }),
    runs(200),
  )
})
