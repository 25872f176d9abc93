import { describe, expect, test } from 'vitest'
import { LIMITS, limitErrors, pointerTo } from '../../src/domain/limits.ts'

const nested = (levels: number) => JSON.parse('['.repeat(levels) + ']'.repeat(levels))

describe('depth', () => {
  test('of 64 levels is fine', () => {
    expect(limitErrors(nested(LIMITS.depth))).toEqual([])
  })

  test.each([LIMITS.depth + 1, 100_000])('of %i levels is told, without any recursion', (levels) => {
    expect(limitErrors(nested(levels))).toEqual([{ pointer: '', detail: 'is nested deeper than 64 levels' }])
    const objects = JSON.parse(`${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`)
    expect(limitErrors(objects)).toEqual([{ pointer: '', detail: 'is nested deeper than 64 levels' }])
  })
})

describe('the count of values', () => {
  const tooMany = [{ pointer: '', detail: 'has more than 10000 values' }]

  test('may be 10 000, the whole included', () => {
    expect(limitErrors(Array(9_999).fill(0))).toEqual([])
    expect(limitErrors(Array(3).fill(Array(3_332).fill('')))).toEqual([])
  })

  test('may not be 10 001, wide or spread', () => {
    expect(limitErrors(Array(10_000).fill(0))).toEqual(tooMany)
    expect(limitErrors([...Array(3).fill(Array(3_332).fill('')), 0])).toEqual(tooMany)
  })

  test('is found before the values are looked at', () => {
    expect(limitErrors(Array(10_000).fill('\0'))).toEqual(tooMany)
  })
})

describe('values that PostgreSQL or JSON cannot carry', () => {
  const number = 'is a number that JSON cannot carry exactly: send it as a string'
  test.each([
    ['NUL', '"a\\u0000b"', 'contains a NUL character'],
    ['a high surrogate alone', '"\\ud83d"', 'contains half of a surrogate pair'],
    ['a low surrogate alone', '"\\ude80 "', 'contains half of a surrogate pair'],
    ['a number beyond all', '1e400', number],
    ['an integer that lost digits', '9007199254740993', number],
    ['its negative', '-9007199254740993', number],
  ])('%s is told with its place', (_name, json, detail) => {
    expect(limitErrors(JSON.parse(`{"a":[1,{"b":${json}}]}`))).toEqual([{ pointer: '/a/1/b', detail }])
    expect(limitErrors(JSON.parse(json))).toEqual([{ pointer: '', detail }])
  })

  test.each([
    '"🚀"',
    '"\\ud83d\\ude80"',
    '""',
    '9007199254740991',
    '0.1',
    '1e-400',
    '-0',
    'true',
    'null',
    '"\\u0001"',
  ])('%s is fine', (json) => {
    expect(limitErrors({ a: JSON.parse(json) })).toEqual([])
  })
})

describe('names of fields', () => {
  test('are held to the same rules as texts', () => {
    expect(limitErrors(JSON.parse('{"a":{"b\\u0000":1,"c\\ud83d":2}}'))).toEqual([
      { pointer: '/a/b�', detail: "a field's name: contains a NUL character" },
      { pointer: '/a/c�', detail: "a field's name: contains half of a surrogate pair" },
    ])
  })

  test('cannot be __proto__ at any depth', () => {
    expect(limitErrors(JSON.parse('{"a":[{"__proto__":{"b":1}}]}'))).toEqual([
      { pointer: '/a/0/__proto__', detail: "a field's name: is a name that is not allowed" },
    ])
  })

  test('that are like those of every object are fine', () => {
    expect(limitErrors(JSON.parse('{"constructor":1,"toString":2,"hasOwnProperty":3}'))).toEqual([])
  })
})

describe('what is told', () => {
  const first = (count: number) => Array.from({ length: count }, (_, index) => `/${index}`)

  test('comes in the order of the document', () => {
    const errors = limitErrors(JSON.parse('{"z":"\\u0000","a":["\\u0000",1e400],"m\\u0000":1,"b":"\\u0000"}'))
    expect(errors.map(({ pointer }) => pointer)).toEqual(['/z', '/a/0', '/a/1', '/m�', '/b'])
  })

  test('is at most the first 100 values', () => {
    const pointers = limitErrors(Array(5_000).fill('\0')).map(({ pointer }) => pointer)
    expect(pointers).toEqual(first(100))
  })

  test('is at most the first 100 names', () => {
    const names = Array.from({ length: 5_000 }, (_, index) => [`${index}\0`, 1])
    const pointers = limitErrors(Object.fromEntries(names)).map(({ pointer }) => pointer)
    expect(pointers.length).toBe(100)
    expect(pointers).toEqual(first(100).map((pointer) => `${pointer}�`))
  })
})

describe('a pointer', () => {
  test('has ~ and / escaped as RFC 6901 wants it', () => {
    expect(pointerTo('', 'a/b~c~1')).toBe('/a~1b~0c~01')
    expect(pointerTo('/x', 0)).toBe('/x/0')
    expect(pointerTo('', '')).toBe('/')
  })

  test('stays well-formed and short whatever the names are', () => {
    let pointer = ''
    for (let level = 0; level < 64; level += 1) pointer = pointerTo(pointer, `${'x'.repeat(199)}🚀\0`)
    expect(pointer.isWellFormed()).toBe(true)
    expect(pointer).not.toContain('\0')
    expect(pointer.length).toBeLessThan(1_300)
    expect(pointer.endsWith('/…')).toBe(true)
  })
})
