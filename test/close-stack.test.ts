import { expect, test } from 'vitest'
import { closeStack } from '../src/close-stack.ts'

test('what was opened first closes last, each after the one before it', async () => {
  const stack = closeStack()
  const steps: string[] = []
  for (const name of ['a', 'b', 'c'])
    stack.add(async () => {
      steps.push(`${name} begins`)
      await Promise.resolve()
      steps.push(`${name} ends`)
    })
  await stack.close()
  expect(steps).toEqual(['c begins', 'c ends', 'b begins', 'b ends', 'a begins', 'a ends'])
})

test('a failure stops nothing, and the first is thrown at the end', async () => {
  const stack = closeStack()
  const closed: string[] = []
  const failing = (name: string) => () => {
    closed.push(name)
    throw new Error(name)
  }
  stack.add(() => closed.push('first opened'))
  stack.add(failing('thrown'))
  stack.add(async () => failing('rejected')())
  await expect(stack.close()).rejects.toThrow('rejected')
  expect(closed).toEqual(['rejected', 'thrown', 'first opened'])
})

test('a later call closes nothing again', async () => {
  const stack = closeStack()
  let closed = 0
  stack.add(() => (closed += 1))
  await stack.close()
  await stack.close()
  expect(closed).toBe(1)
})

test('a call while it closes does not run ahead of what is closing', async () => {
  const stack = closeStack()
  const steps: string[] = []
  const server = Promise.withResolvers<void>()
  stack.add(() => steps.push('database closed'))
  stack.add(async () => {
    await server.promise
    steps.push('server closed')
  })
  const first = stack.close()
  const second = stack.close()
  await Promise.race([second, Promise.resolve()])
  expect(steps).toEqual([])
  server.resolve()
  await Promise.all([first, second])
  expect(steps).toEqual(['server closed', 'database closed'])
})
