import { DrizzleQueryError } from 'drizzle-orm/errors'
import pg from 'pg'
import { expect, test } from 'vitest'
import { sentenceOf } from '../../src/bin/sentence.ts'
import { StartFailure } from '../../src/embedded/start-failure.ts'
import { StartError } from '../../src/start-error.ts'

const refused = Object.assign(new Error('connect'), { code: 'ECONNREFUSED', syscall: 'connect' })

test('what was said for a person is said as it is, whatever caused it', () => {
  expect(sentenceOf(new StartError('The port is in use', { cause: refused }))).toBe('The port is in use')
  expect(sentenceOf(new StartFailure('The folder is in use', { cause: refused }))).toBe(
    'The folder is in use',
  )
})

test('the database is told by its code, since its own text may hold parameters', () => {
  const wrapped = new Error('Failed query: insert … params: secret', { cause: refused })
  expect(sentenceOf(wrapped)).toContain('ECONNREFUSED')
  expect(sentenceOf(wrapped)).not.toContain('secret')
})

test.each([
  new DrizzleQueryError('insert …', ['secret']),
  new DrizzleQueryError('insert …', ['secret'], new TypeError('secret')),
  new pg.DatabaseError('secret', 0, 'error'),
])('so it is where it has none', (error) => {
  expect(sentenceOf(error)).toBe('PostgreSQL (DATABASE_URL) does not answer as it should (UNEXPECTED)')
})
