import { setTimeout as delay } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { commitsBeside, type Offsets } from '../../src/kafka/commits.ts'
import { until } from '../support/until.ts'

/** Commits that end when the test says so. */
function committing() {
  const asked: { offsets: Offsets; succeed(): void; fail(error: Error): void }[] = []
  const commits = commitsBeside((offsets) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    asked.push({ offsets, succeed: resolve, fail: reject })
    return promise
  })
  onTestFinished(() => commits.forget())
  return { commits, asked, sent: () => asked.map(({ offsets }) => Object.fromEntries(offsets)) }
}

/** Whether a promise is settled by the next turn. */
async function isDone(promise: Promise<unknown>): Promise<boolean> {
  return Promise.race([promise.then(() => true), delay(0).then(() => false)])
}

test('what becomes due soon after each other is one commit, of the last offset of each partition', async () => {
  const { commits, sent } = committing()
  commits.soon(0, 5n)
  commits.soon(1, 8n)
  commits.soon(0, 7n)
  expect(sent()).toEqual([])
  await until('a commit', () => sent().length > 0)
  expect(sent()).toEqual([{ 0: 7n, 1: 8n }])
})

test('a commit that is due goes at once where it is asked for, and is waited for, by whoever asks', async () => {
  const { commits, asked, sent } = committing()
  commits.soon(0, 5n)
  const first = commits.now()
  const second = commits.now()
  expect(sent()).toEqual([{ 0: 5n }])
  expect(await isDone(Promise.race([first, second]))).toBe(false)
  asked[0]!.succeed()
  await Promise.all([first, second])
})

test('a commit does not wait for one that is under way, and the end waits for both', async () => {
  const { commits, asked, sent } = committing()
  commits.soon(0, 5n)
  void commits.now()
  commits.soon(0, 6n)
  const end = commits.now()
  expect(sent()).toEqual([{ 0: 5n }, { 0: 6n }])
  asked[1]!.succeed()
  expect(await isDone(end)).toBe(false)
  asked[0]!.succeed()
  await end
})

test('what cannot be committed yet stays due, and nobody is told of a failure', async () => {
  let isMember = false
  const sent: Offsets[] = []
  const commits = commitsBeside((offsets) => {
    if (!isMember) return undefined
    sent.push(offsets)
    return Promise.resolve()
  })
  onTestFinished(() => commits.forget())
  commits.soon(0, 5n)
  await commits.now()
  commits.rethrow()
  isMember = true
  await until('the commit', () => sent.length === 1)
  expect(sent).toEqual([new Map([[0, 5n]])])
})

test('a commit that fails is made up for by itself, and is told of once', async () => {
  const { commits, asked, sent } = committing()
  commits.rethrow()
  commits.soon(0, 5n)
  const now = commits.now()
  asked[0]!.fail(new Error('the group has another generation'))
  await now
  expect(commits.rethrow).toThrow('the group has another generation')
  commits.rethrow()
  await until('another try', () => sent().length === 2)
  expect(sent()).toEqual([{ 0: 5n }, { 0: 5n }])
})

test('a commit that fails is made up for with what has become due since, and never sets a partition back', async () => {
  const { commits, asked, sent } = committing()
  commits.soon(0, 5n)
  commits.soon(1, 8n)
  const failing = commits.now()
  commits.soon(0, 7n)
  asked[0]!.fail(new Error('refused'))
  await failing
  const retry = commits.now()
  expect(sent()[1]).toEqual({ 0: 7n, 1: 8n })
  asked[1]!.succeed()
  await retry
})

test('a commit that fails after a later one succeeded is neither told of nor made up for', async () => {
  const { commits, asked } = committing()
  commits.soon(0, 5n)
  void commits.now()
  commits.soon(0, 7n)
  const both = commits.now()
  asked[1]!.succeed()
  asked[0]!.fail(new Error('refused'))
  await both
  commits.rethrow()
  await commits.now()
  expect(asked).toHaveLength(2)
})

test('what failed is not told of any more once a commit succeeded', async () => {
  const { commits, asked } = committing()
  commits.soon(0, 5n)
  const failing = commits.now()
  asked[0]!.fail(new Error('refused'))
  await failing
  const retry = commits.now()
  asked[1]!.succeed()
  await retry
  commits.rethrow()
})

test('nothing is due any more once it is forgotten, whatever becomes of the commit under way', async () => {
  const { commits, asked } = committing()
  commits.soon(0, 5n)
  const failing = commits.now()
  commits.forget()
  asked[0]!.fail(new Error('refused'))
  await failing
  commits.rethrow()
  await commits.now()
  expect(asked).toHaveLength(1)
})
