import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Caller } from '../src/domain/access.ts'
import { type OutcomeWaiters, outcomeWaiters } from '../src/outcome-waiters.ts'

const INTERVAL_MS = 50
const LONG_MS = 30_000

let progress: Map<number, bigint>
let ended: Set<string>
/** Whose requests those are that ended. */
let owner: string | null
let looks: { progress: number; ids: string[][] }
/** What happens before a look is answered. */
let beforeAnswer: () => Promise<void>
let waiters: OutcomeWaiters

beforeEach(() => {
  vi.useFakeTimers()
  progress = new Map()
  ended = new Set()
  owner = null
  looks = { progress: 0, ids: [] }
  beforeAnswer = async () => {}
  waiters = outcomeWaiters({
    async read(ids) {
      looks.ids.push([...ids])
      await beforeAnswer()
      return new Map(ids.filter((id) => ended.has(id)).map((id) => [id, { principal: owner }]))
    },
    async readProgress() {
      looks.progress += 1
      await beforeAnswer()
      return progress
    },
    intervalMs: INTERVAL_MS,
  })
})
afterEach(() => vi.useRealTimers())

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)

/** Starts a wait, and tells whether it is over. */
function waitFor(
  requestId: string,
  { partition = 0, offset }: { partition?: number; offset?: bigint } = {},
  { ms = LONG_MS, signal, caller }: { ms?: number; signal?: AbortSignal; caller?: Caller } = {},
) {
  const waiter = { isOver: false }
  const position = offset === undefined ? undefined : { partition, offset }
  void waiters.wait(requestId, position, ms, signal, caller).then(() => {
    waiter.isOver = true
  })
  return waiter
}

test('a wait is over once the progress of its partition has passed its position, and no sooner', async () => {
  const [first, second, elsewhere] = [
    waitFor('a', { partition: 1, offset: 7n }),
    waitFor('b', { partition: 1, offset: 8n }),
    waitFor('c', { partition: 2, offset: 0n }),
  ]
  progress.set(1, 7n)
  await pass(INTERVAL_MS)
  expect([first.isOver, second.isOver, elsewhere.isOver]).toEqual([false, false, false])
  progress.set(1, 8n)
  await pass(INTERVAL_MS)
  expect([first.isOver, second.isOver, elsewhere.isOver]).toEqual([true, false, false])
  progress.set(1, 9n).set(2, 1n)
  await pass(INTERVAL_MS)
  expect([second.isOver, elsewhere.isOver]).toEqual([true, true])
})

test('a wait without a position is over once its request has ended, and no sooner', async () => {
  const [one, other] = [waitFor('a'), waitFor('b')]
  progress.set(0, 100n)
  await pass(INTERVAL_MS)
  expect([one.isOver, other.isOver]).toEqual([false, false])
  ended.add('b')
  await pass(INTERVAL_MS)
  expect([one.isOver, other.isOver]).toEqual([false, true])
})

test('2 000 who know their position cost one look at a tick, and 2 000 who do not, one more', async () => {
  const positioned = Array.from({ length: 2_000 }, (_, n) =>
    waitFor(`p${n}`, { partition: n % 12, offset: 9n }),
  )
  await pass(20 * INTERVAL_MS)
  expect(looks).toEqual({ progress: 20, ids: [] })

  const bare = Array.from({ length: 2_000 }, (_, n) => waitFor(`b${n}`))
  await pass(20 * INTERVAL_MS)
  expect(looks.progress).toBe(40)
  expect(looks.ids.map((ids) => ids.length)).toEqual(Array(20).fill(2_000))
  expect([...positioned, ...bare].some(({ isOver }) => isOver)).toBe(false)

  for (let partition = 0; partition < 12; partition += 1) progress.set(partition, 10n)
  for (let n = 0; n < 2_000; n += 1) ended.add(`b${n}`)
  await pass(INTERVAL_MS)
  expect([...positioned, ...bare].every(({ isOver }) => isOver)).toBe(true)
})

test('while nobody waits there is no timer and no look', async () => {
  expect(vi.getTimerCount()).toBe(0)
  const waiter = waitFor('a', { offset: 0n })
  expect(vi.getTimerCount()).toBe(1)
  progress.set(0, 1n)
  await pass(INTERVAL_MS)
  expect(waiter.isOver).toBe(true)
  expect(vi.getTimerCount()).toBe(0)
  expect(looks.progress).toBe(1)
})

test('a wait is over after its time, for each its own', async () => {
  const [short, long] = [
    waitFor('a', { offset: 0n }, { ms: 1_000 }),
    waitFor('b', { offset: 0n }, { ms: 2_000 }),
  ]
  await pass(950)
  expect([short.isOver, long.isOver]).toEqual([false, false])
  await pass(INTERVAL_MS)
  expect([short.isOver, long.isOver]).toEqual([true, false])
  await pass(1_000)
  expect(long.isOver).toBe(true)
})

test('a wait of no time is over at once, without a look', async () => {
  await waiters.wait('a', { partition: 0, offset: 0n }, 0)
  expect(looks).toEqual({ progress: 0, ids: [] })
})

test('looks that fail end nobody, and the next that goes well does', async () => {
  beforeAnswer = () => Promise.reject(new Error('away'))
  const [positioned, bare] = [waitFor('a', { offset: 0n }), waitFor('b')]
  progress.set(0, 1n)
  ended.add('b')
  await pass(5 * INTERVAL_MS)
  expect(looks.progress).toBe(5)
  expect(looks.ids).toHaveLength(5)
  expect([positioned.isOver, bare.isOver]).toEqual([false, false])
  beforeAnswer = async () => {}
  await pass(INTERVAL_MS)
  expect([positioned.isOver, bare.isOver]).toEqual([true, true])
})

test('a wait by an id alone tells nothing of a request that its caller may not see', async () => {
  owner = 'a'
  const reader = (principal: string): Caller => ({ principal, scopes: new Set(['workflows:read']) })
  const [owners, others] = [
    waitFor('x', {}, { caller: reader('a') }),
    waitFor('x', {}, { caller: reader('b') }),
  ]
  ended.add('x')
  await pass(INTERVAL_MS)
  expect([owners.isOver, others.isOver]).toEqual([true, false])
  await pass(LONG_MS)
  expect(others.isOver).toBe(true)
})

test('while a look hangs there is no other, and waits are over in time all the same', async () => {
  const { promise, resolve } = Promise.withResolvers<void>()
  beforeAnswer = () => promise
  const [short, long] = [waitFor('a', { offset: 0n }, { ms: 1_000 }), waitFor('b', { offset: 0n })]
  await pass(1_000)
  expect(looks.progress).toBe(1)
  expect([short.isOver, long.isOver]).toEqual([true, false])
  progress.set(0, 1n)
  resolve()
  await pass(0)
  expect(long.isOver).toBe(true)
})

test('a release ends all waits, and those that come after it, and the looks', async () => {
  const all = [waitFor('a', { offset: 0n }), waitFor('b'), waitFor('c', { partition: 1, offset: 0n })]
  waiters.release()
  await pass(0)
  expect(all.every(({ isOver }) => isOver)).toBe(true)
  await waiters.wait('d', { partition: 0, offset: 0n }, LONG_MS)
  await waiters.wait('e', undefined, LONG_MS)
  expect(vi.getTimerCount()).toBe(0)
  expect(looks).toEqual({ progress: 0, ids: [] })
})

test('who went away is forgotten: the others wait on, and after the last there are no looks', async () => {
  const [leaving, last, late] = [new AbortController(), new AbortController(), AbortSignal.abort()]
  waitFor('a', {}, { signal: leaving.signal })
  const other = waitFor('b', { offset: 0n }, { signal: last.signal })
  await waiters.wait('c', undefined, LONG_MS, late)
  leaving.abort()
  await pass(INTERVAL_MS)
  expect(looks).toEqual({ progress: 1, ids: [] })
  expect(other.isOver).toBe(false)
  last.abort()
  expect(vi.getTimerCount()).toBe(0)
})
