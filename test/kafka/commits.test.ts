import { setTimeout as delay } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { commitsBeside } from '../../src/kafka/commits.ts'
import { until } from '../support/until.ts'

/** Commits that end when the test says so. */
function committing() {
  const commits = commitsBeside()
  onTestFinished(() => commits.forget())
  const asked: { name: string; succeed(): void; fail(error: Error): void }[] = []
  const commit = (name: string) => () => {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    asked.push({ name, succeed: resolve, fail: reject })
    return promise
  }
  return { commits, commit, asked, names: () => asked.map(({ name }) => name) }
}

/** Whether a promise is settled by the next turn. */
async function isDone(promise: Promise<unknown>): Promise<boolean> {
  return Promise.race([promise.then(() => true), delay(0).then(() => false)])
}

test('what becomes due soon after each other is one commit, the last', async () => {
  const { commits, commit, names } = committing()
  for (const name of ['first', 'second', 'third']) commits.soon(commit(name))
  expect(names()).toEqual([])
  await until('a commit', () => names().length > 0)
  expect(names()).toEqual(['third'])
})

test('a commit that is due goes at once where it is asked for, and is waited for, by whoever asks', async () => {
  const { commits, commit, asked, names } = committing()
  commits.soon(commit('due'))
  const first = commits.now()
  const second = commits.now()
  expect(names()).toEqual(['due'])
  expect(await isDone(Promise.race([first, second]))).toBe(false)
  asked[0]!.succeed()
  await Promise.all([first, second])
})

test('a commit does not wait for one that is under way, and the end waits for both', async () => {
  const { commits, commit, asked, names } = committing()
  commits.soon(commit('slow'))
  void commits.now()
  commits.soon(commit('next'))
  const end = commits.now()
  expect(names()).toEqual(['slow', 'next'])
  asked[1]!.succeed()
  expect(await isDone(end)).toBe(false)
  asked[0]!.succeed()
  await end
})

test('a commit that fails is made up for by itself, and is told of once', async () => {
  const { commits, commit, asked, names } = committing()
  commits.rethrow()
  commits.soon(commit('refused'))
  const now = commits.now()
  asked[0]!.fail(new Error('the group has another generation'))
  await now
  expect(commits.rethrow).toThrow('the group has another generation')
  commits.rethrow()
  await until('another try', () => names().length === 2)
  expect(names()).toEqual(['refused', 'refused'])
})

test('what failed is not told of any more once a commit succeeded, or it is forgotten', async () => {
  const { commits, commit, asked } = committing()
  commits.soon(commit('refused'))
  const failing = commits.now()
  asked[0]!.fail(new Error('refused'))
  await failing
  const retry = commits.now()
  asked[1]!.succeed()
  await retry
  commits.rethrow()
  commits.soon(commit('refused'))
  const again = commits.now()
  asked[2]!.fail(new Error('refused'))
  await again
  commits.forget()
  commits.rethrow()
  await commits.now()
  expect(asked).toHaveLength(3)
})
