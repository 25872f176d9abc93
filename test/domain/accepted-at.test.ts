import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatAt, logTag, mayFollow, ownerTag, parseAt } from '../../src/domain/accepted-at.ts'
import type { Caller } from '../../src/domain/access.ts'
import { runs } from '../support/seeded.ts'

const accepted = fc.record({
  tag: fc.tuple(fc.string(), fc.string()).map(([clusterId, topic]) => logTag(clusterId, topic)),
  partition: fc.nat(999_999),
  offset: fc.bigInt(0n, 10n ** 18n - 1n),
  acceptedAt: fc.date({ min: new Date(0), max: new Date(99_999_999_999_999), noInvalidDate: true }),
  owner: fc.option(fc.string(), { nil: null }).map(ownerTag),
})

test('what was accepted survives its token', () => {
  fc.assert(
    fc.property(accepted, (at) => {
      expect(parseAt(formatAt(at))).toEqual(at)
    }),
    runs(500),
  )
})

test('a token needs no escaping in a URL', () => {
  fc.assert(
    fc.property(accepted, (at) => {
      expect(formatAt(at)).toMatch(/^[\w-]+$/)
    }),
    runs(200),
  )
})

test('a token with anything added to it is none of ours', () => {
  fc.assert(
    fc.property(
      accepted,
      fc.constantFrom('!', '=', '+', ' ', '\n', '.', 'é', '\0'),
      fc.nat(),
      (at, odd, place) => {
        const token = formatAt(at)
        const cut = place % (token.length + 1)
        expect(parseAt(token.slice(0, cut) + odd + token.slice(cut))).toBeUndefined()
      },
    ),
    runs(200),
  )
})

test('the tag tells clusters and topics apart', () => {
  const tags = [logTag('c', 't'), logTag('c', 'u'), logTag('d', 't'), logTag('ct', ''), logTag('', 'ct')]
  expect(new Set(tags)).toHaveLength(5)
})

test('who has the token of another may not follow it, unless they operate the service', () => {
  const at = { tag: TAG, partition: 0, offset: 1n, acceptedAt: new Date(0), owner: ownerTag('a') }
  const caller = (principal: string | null, ...scopes: Parameters<Caller['scopes']['has']>) =>
    ({ principal, scopes: new Set(scopes) }) satisfies Caller
  expect(mayFollow(caller('a', 'workflows:read'), at)).toBe(true)
  expect(mayFollow(caller('b', 'workflows:read'), at)).toBe(false)
  expect(mayFollow(caller(ownerTag('a')!, 'workflows:read'), at)).toBe(false)
  expect(mayFollow(caller(null, 'workflows:read'), at)).toBe(false)
  expect(mayFollow(caller('b', 'workflows:operate'), at)).toBe(true)
  expect(mayFollow(caller('b', 'workflows:read'), { ...at, owner: undefined })).toBe(true)
})

test('a token of nobody is as it always was', () => {
  const at = { tag: TAG, partition: 3, offset: 17n, acceptedAt: new Date(1_700_000_000_000) }
  expect(formatAt({ ...at, owner: ownerTag(null) })).toBe(token(`${TAG}.3.17.1700000000000`))
})

const token = (text: string) => Buffer.from(text).toString('base64url')
const TAG = logTag('c', 't')

test.each([
  ['nothing', ''],
  ['a plain number', '17'],
  ['an offset below zero', token(`${TAG}.0.-1.0`)],
  ['a partition that is no number', token(`${TAG}.x.1.0`)],
  ['an offset with a point', token(`${TAG}.0.1.5.0`)],
  ['an offset of more than 18 digits', token(`${TAG}.0.${'9'.repeat(19)}.0`)],
  ['a time of more than 14 digits', token(`${TAG}.0.1.${'9'.repeat(15)}`)],
  ['a tag that is too short', token(`${TAG.slice(1)}.0.1.0`)],
  ['a tag with a point in it', token(`${TAG.slice(1)}..0.1.0`)],
  ['an owner that is too short', token(`${TAG}.0.1.0.${TAG.slice(1)}`)],
  ['two owners', token(`${TAG}.0.1.0.${TAG}.${TAG}`)],
  ['something after the end', token(`${TAG}.0.1.0\n`)],
  ['something before the beginning', token(` ${TAG}.0.1.0`)],
  ['a part too few', token(`${TAG}.0.1`)],
  ['digits of another script', token(`${TAG}.0.١.0`)],
])('%s is no token of ours', (_name, text) => {
  expect(parseAt(text)).toBeUndefined()
})

test('junk is refused, never thrown over', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string({ unit: 'binary' }), fc.base64String(), fc.string().map(token)),
      (text) => {
        expect(parseAt(text)).toBeUndefined()
      },
    ),
    runs(300),
  )
})
