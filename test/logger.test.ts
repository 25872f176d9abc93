import { expect, test } from 'vitest'
import { createLogger } from '../src/logger.ts'
import { CANARY } from './support/leaks.ts'

/** What the log has of an error. */
function logged(err: unknown): { type: string; code?: string; stack?: string } {
  const lines: string[] = []
  createLogger('info', { write: (text) => void lines.push(text) }).error({ err }, 'something')
  const line = lines.join('')
  expect(line).not.toContain(CANARY)
  return JSON.parse(line).err
}

class OfADriver extends Error {
  override readonly name = 'of a driver'
}

/** As a driver may say it: its lines look like those of a stack. */
const MESSAGE = `refused: ${CANARY}\n    at ${CANARY}\n  at ${CANARY} (file.ts:1:1)`

test.each([
  new Error(MESSAGE),
  new TypeError(MESSAGE),
  new OfADriver(MESSAGE),
  new AggregateError([new Error(MESSAGE)], MESSAGE),
  Object.assign(new Error(MESSAGE), { code: 'E_ANY' }),
])('$constructor.name is told by its type and where it arose, and no line of its message', (error) => {
  const { type, stack } = logged(error)
  expect(type).toBe(error.constructor.name)
  expect(stack).toMatch(/^ {4}at .*logger\.test\.ts/)
})

test('an error without a message is told by its type and where it arose', () => {
  expect(logged(new Error()).stack).toMatch(/^ {4}at .*logger\.test\.ts/)
})

test.each([
  ['its message is another by now', { message: 'another' }],
  ['its message is gone', { message: '' }],
  ['its stack has no head', { stack: `    at ${CANARY}` }],
  ['it has none', { stack: undefined }],
])('where an error arose is not told when %s', (_, changes) => {
  const error = new Error(MESSAGE)
  expect(error.stack).toContain(MESSAGE) // what it begins with is settled with the first look
  expect(logged(Object.assign(error, changes))).not.toHaveProperty('stack')
})

test('what is thrown and no error is told by its type alone', () => {
  expect(logged(CANARY)).toEqual({ type: 'string' })
})
