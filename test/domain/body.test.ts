import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Body, readBody, readItem } from '../../src/domain/body.ts'
import { LIMITS } from '../../src/domain/limits.ts'
import { runs } from '../support/seeded.ts'
import { aWorkflow } from '../support/workflows.ts'

const read = (value: unknown) =>
  readBody(Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)))
const errorsOf = (body: Body) => (body.kind === 'valid' ? [] : body.rejection.errors)

test('a body of the largest size is read, and one byte more is too large', () => {
  const json = JSON.stringify(aWorkflow())
  const filled = json + ' '.repeat(LIMITS.bytes - Buffer.byteLength(json))
  expect(read(filled).kind).toBe('valid')
  expect(read(`${filled} `)).toMatchObject({
    kind: 'invalid',
    rejection: {
      reason: 'payload-too-large',
      errors: [{ pointer: '', detail: 'is larger than 524288 bytes' }],
    },
    workflowName: null,
    version: null,
  })
})

test.each([
  ['nothing', '', 'is empty'],
  ['half a document', '{"a":', 'is not JSON in UTF-8'],
  ['a document and more', '{} {}', 'is not JSON in UTF-8'],
  ['a number that JSON does not know', '{"a":NaN}', 'is not JSON in UTF-8'],
])('%s cannot be read', (_name, text, detail) => {
  expect(read(text)).toMatchObject({
    kind: 'unreadable',
    rejection: { reason: 'validation-error', errors: [{ pointer: '', detail }] },
  })
})

test.each([
  ['bytes that are no UTF-8', Buffer.from([0x22, 0xff, 0x22])],
  ['a surrogate in UTF-8', Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22])],
  ['an overlong NUL', Buffer.from([0x22, 0xc0, 0x80, 0x22])],
  ['UTF-16', Buffer.from('{"a":1}', 'utf16le')],
])('%s cannot be read', (_name, bytes) => {
  expect(readBody(bytes).kind).toBe('unreadable')
})

test.each(['null', '1', '"text"', 'true', '[]', '[{}]'])('JSON that is no object, %s, is invalid', (json) => {
  const body = read(json)
  expect(body.kind).toBe('invalid')
  expect(errorsOf(body)).toEqual([{ pointer: '', detail: 'must be a JSON object' }])
})

test('a nest deeper than the stack of any recursion is invalid', () => {
  const body = read(`${'['.repeat(100_000)}${']'.repeat(100_000)}`)
  expect(body.kind).toBe('invalid')
  expect(errorsOf(body)).toEqual([{ pointer: '', detail: 'is nested deeper than 64 levels' }])
})

test('an invalid body still tells the name and version that can be read in it', () => {
  expect(read(aWorkflow({ workflow_name: 'a', version: 'v1' }))).toMatchObject({
    kind: 'invalid',
    workflowName: 'a',
    version: 'v1',
  })
  for (const odd of [1, '', null, [], {}, 'x'.repeat(256)])
    expect(read({ workflow_name: odd, version: odd })).toMatchObject({ workflowName: null, version: null })
})

test('what PostgreSQL cannot hold never gets as far as a name', () => {
  const body = read('{"workflow_name":"a\\u0000","version":"\\ud800"}')
  expect(body).toMatchObject({ kind: 'invalid', workflowName: null, version: null })
  expect(errorsOf(body).map(({ pointer }) => pointer)).toEqual(['/workflow_name', '/version'])
})

test('a body never brings more than 100 complaints, whatever it holds', () => {
  const many = (value: (index: number) => [string, unknown]) =>
    Object.fromEntries(Array.from({ length: 4_000 }, (_, index) => value(index)))
  for (const value of [
    many((index) => [`field-${index}`, 1]),
    many((index) => [`field-${index}`, '\0']),
    many((index) => [`field-${index}\0`, 1]),
    { ...aWorkflow(), labels: many((index) => [`field-${index}`, 1]) },
  ]) {
    const body = read(value)
    expect(body.kind).toBe('invalid')
    expect(errorsOf(body).length).toBeLessThanOrEqual(100)
  }
})

test('no bytes make it throw', () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.json().map((json) => Buffer.from(json)),
    fc.dictionary(fc.constantFrom(...Object.keys(aWorkflow()), 'x'), fc.jsonValue()).map((value) => {
      return Buffer.from(JSON.stringify({ ...aWorkflow(), ...value }))
    }),
  )
  fc.assert(
    fc.property(bytes, (value) => {
      const body = readBody(value)
      expect(body.fingerprint).toMatch(/^[0-9a-f]{64}$/)
      expect(errorsOf(body).length > 0).toBe(body.kind !== 'valid')
    }),
    runs(300),
  )
})

test('an item of many is read as a body of the same JSON', () => {
  const value = fc.oneof(
    fc.jsonValue(),
    fc
      .dictionary(fc.constantFrom(...Object.keys(aWorkflow()), 'x'), fc.jsonValue(), { maxKeys: 2 })
      .map((fields) => ({ ...aWorkflow(), ...fields })),
  )
  fc.assert(
    fc.property(value, (given) => {
      const json = JSON.stringify(given)
      const { fingerprint, ...body } = read(json)
      const item = readItem(JSON.parse(json))
      expect(item).toEqual(
        body.kind === 'valid' ? { ...body, fingerprint, bytes: Buffer.byteLength(json) } : body,
      )
    }),
    runs(300),
  )
})

test('an item is measured without its white space', () => {
  const largest = aWorkflow({ content: 'x' })
  largest.content = 'x'.repeat(LIMITS.bytes - JSON.stringify(largest).length + 1)
  expect(readItem(largest).kind).toBe('valid')
  expect(readItem({ ...largest, content: `${largest.content}x` })).toMatchObject({
    kind: 'invalid',
    rejection: { reason: 'payload-too-large' },
  })
})
