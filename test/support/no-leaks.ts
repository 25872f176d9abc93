import { afterAll, expect } from 'vitest'
import { leaks } from './leaks.ts'

/* What the tests of a file have sent, and no surface may show: that is looked at when they are over. */
afterAll(() => {
  expect(leaks(), 'payload, header values and credentials that were told').toEqual([])
})
