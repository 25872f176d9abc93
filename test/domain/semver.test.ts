import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compareVersions, isPrerelease, isVersion } from '../../src/domain/semver.ts'
import { runs } from '../support/seeded.ts'

const number = fc.oneof(
  fc.constantFrom('0', '1', '2', '9', '10', '11'),
  fc.bigInt(0n, 10n ** 60n).map(String),
)
const text = fc.oneof(
  fc.constantFrom('a', 'A', 'b', 'alpha', 'rc', '-', '--', '-1', '1a', '0a', 'a0', 'a-0'),
  fc.stringMatching(/^[0-9A-Za-z-]{0,8}[A-Za-z-]$/),
)
const prerelease = fc.array(fc.oneof(number, text), { maxLength: 4 }).map((parts) => parts.join('.'))
const build = fc
  .array(fc.oneof(text, fc.constantFrom('0', '00', '001', '1')), { maxLength: 3 })
  .map((parts) => parts.join('.'))
const core = fc.tuple(number, number, number).map((numbers) => numbers.join('.'))
const version = fc
  .tuple(fc.oneof(fc.constantFrom('0.0.0', '1.0.0', '1.0.1'), core), prerelease, build)
  .map(([numbers, pre, meta]) => `${numbers}${pre && `-${pre}`}${meta && `+${meta}`}`)
  .filter((made) => made.length <= 255)

/** What semver.org says, word for word, with numbers as numbers. */
function precedence(a: string, b: string): number {
  const [left, right] = [a, b].map((whole) => {
    const [precise = ''] = whole.split('+')
    const [numbers = '', ...pre] = precise.split('-')
    return { numbers: numbers.split('.').map(BigInt), pre: pre.length > 0 ? pre.join('-').split('.') : [] }
  }) as [Model, Model]
  for (const n of [0, 1, 2])
    if (left.numbers[n] !== right.numbers[n]) return left.numbers[n]! < right.numbers[n]! ? -1 : 1
  if (left.pre.length === 0 || right.pre.length === 0) return Math.sign(right.pre.length - left.pre.length)
  for (let n = 0; n < Math.min(left.pre.length, right.pre.length); n += 1) {
    const [x, y] = [left.pre[n]!, right.pre[n]!]
    if (x === y) continue
    const [isNumber, isOther] = [x, y].map((part) => /^[0-9]+$/.test(part))
    if (isNumber && isOther) return BigInt(x) < BigInt(y) ? -1 : 1
    if (isNumber !== isOther) return isNumber ? -1 : 1
    return Buffer.compare(Buffer.from(x), Buffer.from(y))
  }
  return Math.sign(left.pre.length - right.pre.length)
}
interface Model {
  numbers: bigint[]
  pre: string[]
}

const metadataOf = (whole: string) => Buffer.from(whole.split('+')[1] ?? '')

const sorted = (versions: readonly string[]) => [...versions].sort(compareVersions)

describe('the examples of semver.org', () => {
  test.each([
    [['1.0.0', '2.0.0', '2.1.0', '2.1.1']],
    [['1.0.0-alpha', '1.0.0']],
    [
      [
        '1.0.0-alpha',
        '1.0.0-alpha.1',
        '1.0.0-alpha.beta',
        '1.0.0-beta',
        '1.0.0-beta.2',
        '1.0.0-beta.11',
        '1.0.0-rc.1',
        '1.0.0',
      ],
    ],
  ])('%j stand in this order', (versions) => {
    expect(sorted(versions.toReversed())).toEqual(versions)
  })
})

test.each([
  ['numbers by value', ['1.2.0', '1.9.0', '1.10.0', '9.0.0', '10.0.0']],
  ['numbers below texts', ['1.0.0-1', '1.0.0-999', '1.0.0--', '1.0.0-1a']],
  ['texts in the order of ASCII', ['1.0.0--', '1.0.0-0a', '1.0.0-A', '1.0.0-Z', '1.0.0-a', '1.0.0-aa']],
  [
    'build metadata bytewise, none first',
    ['1.0.0', '1.0.0+-', '1.0.0+00', '1.0.0+1', '1.0.0+10', '1.0.0+9', '1.0.0+a'],
  ],
  ['build metadata after everything else', ['1.0.0-rc+z', '1.0.0', '1.0.0+a-b', '1.0.1+a']],
])('sorts %s', (_what, versions) => {
  expect(versions.every(isVersion)).toBe(true)
  expect(sorted(versions.toReversed())).toEqual(versions)
})

test('numbers may have any number of digits', () => {
  const nines = '9'.repeat(80)
  const versions = [`0.0.${nines}`, `0.0.1${'0'.repeat(80)}`, `1.0.0-${nines}`, `1.0.0-1${'0'.repeat(80)}`]
  expect(sorted(versions.toReversed())).toEqual(versions)
  expect(compareVersions(`1.0.0-9007199254740993`, `1.0.0-9007199254740992`)).toBeGreaterThan(0)
})

test('it is the precedence of semver.org, and the bytes of the build metadata break ties', () => {
  fc.assert(
    fc.property(version, version, (a, b) => {
      const expected = precedence(a, b) || Buffer.compare(metadataOf(a), metadataOf(b))
      expect(Math.sign(compareVersions(a, b))).toBe(Math.sign(expected))
    }),
    runs(2_000),
  )
})

test('it is a total order: antisymmetric, transitive, and zero for the same text only', () => {
  fc.assert(
    fc.property(version, version, version, (a, b, c) => {
      expect(Math.sign(compareVersions(a, b)) + Math.sign(compareVersions(b, a))).toBe(0)
      expect(compareVersions(a, b) === 0).toBe(a === b)
      const [low, middle, high] = sorted([a, b, c]) as [string, string, string]
      expect(compareVersions(low, middle)).toBeLessThanOrEqual(0)
      expect(compareVersions(middle, high)).toBeLessThanOrEqual(0)
      expect(compareVersions(low, high)).toBeLessThanOrEqual(0)
    }),
    runs(2_000),
  )
})

test('however versions are shuffled, they are sorted the same', () => {
  const shuffled = fc
    .uniqueArray(version, { maxLength: 30 })
    .chain((versions) =>
      fc.tuple(fc.constant(versions), fc.shuffledSubarray(versions, { minLength: versions.length })),
    )
  fc.assert(
    fc.property(shuffled, ([versions, other]) => {
      expect(sorted(other)).toEqual(sorted(versions))
    }),
    runs(300),
  )
})

test('what is generated here is a version, and a pre-release where it says so', () => {
  fc.assert(
    fc.property(core, prerelease, build, (numbers, pre, meta) => {
      const made = `${numbers}${pre && `-${pre}`}${meta && `+${meta}`}`
      expect(isVersion(made)).toBe(true)
      expect(isPrerelease(made)).toBe(pre !== '')
    }),
    runs(500),
  )
})

test.each([
  'latest',
  '',
  'v1.0.0',
  '1.0',
  '1.0.0.0',
  '01.0.0',
  '1.0.0-',
  '1.0.0+',
  '1.0.0-01',
  '1.0.0\n',
  '٣.0.0',
])('%j is no version', (text) => {
  expect(isVersion(text)).toBe(false)
})
