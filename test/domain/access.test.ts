import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ANYBODY, type Caller, isPrincipal, maySee, SCOPES } from '../../src/domain/access.ts'
import { runs } from '../support/seeded.ts'

describe('a principal', () => {
  test.each(['a', ' a', 'auth0|5f7c', 'Zoë 🚀', 'José\u0301', 'x'.repeat(255), '🚀'.repeat(255)])(
    'may be %.20j',
    (text) => {
      expect(isPrincipal(text)).toBe(true)
    },
  )

  test.each(['', 'x'.repeat(256), 'a\nb', 'a\0', '\t', '\x7f', '\x85', '\ud800', 17, null, undefined, ['a']])(
    'is never %.20j',
    (value) => {
      expect(isPrincipal(value)).toBe(false)
    },
  )

  test.each(['\u200b', '\u200d', '\u202e', '\u2066', '\u00ad', '\ufeff', '\u2028', '\u2029', '\u{e0041}'])(
    'has nothing unseen in it, such as %j',
    (unseen) => {
      for (const text of [unseen, `a${unseen}`, `${unseen}a`, `a${unseen}b`])
        expect(isPrincipal(text)).toBe(false)
    },
  )

  test.each([' ', '   ', '\u00a0', '\u3000 \u2003'])('is not white space alone, such as %j', (text) => {
    expect(isPrincipal(text)).toBe(false)
    expect(isPrincipal(`${text}a`)).toBe(true)
  })

  test('is a text that UTF-8 can carry', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 255 }), (text) => {
        if (isPrincipal(text)) expect(Buffer.from(text).toString()).toBe(text)
      }),
      runs(300),
    )
  })
})

describe('a request', () => {
  const reader = (principal: string): Caller => ({ principal, scopes: new Set(['workflows:read']) })

  test('is seen by its principal, and by nobody else who only reads', () => {
    expect(maySee(reader('a'), 'a')).toBe(true)
    expect(maySee(reader('a'), 'b')).toBe(false)
    expect(maySee({ principal: null, scopes: new Set() }, 'b')).toBe(false)
  })

  test('of nobody is seen by all', () => {
    expect(maySee(reader('a'), null)).toBe(true)
  })

  test('is seen by operators, and by anybody where callers are not told apart', () => {
    expect(maySee({ principal: 'a', scopes: new Set(['workflows:operate']) }, 'b')).toBe(true)
    expect(maySee(ANYBODY, 'b')).toBe(true)
    expect([...ANYBODY.scopes]).toEqual([...SCOPES])
  })
})
