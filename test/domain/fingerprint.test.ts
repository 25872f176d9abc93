import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readBody } from '../../src/domain/body.ts'
import { limitErrors } from '../../src/domain/limits.ts'
import { runs } from '../support/seeded.ts'
import { aWorkflow } from '../support/workflows.ts'

type Fields = Record<string, unknown>

const fingerprint = (body: unknown) => {
  const read = readBody(Buffer.from(JSON.stringify(body)))
  expect(read.kind).toBe('valid')
  return read.fingerprint
}

const text = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
  .filter((value) => limitErrors(value).length === 0)
const fieldName = fc
  .string({ unit: 'grapheme', maxLength: 8 })
  .filter((name) => limitErrors(JSON.parse(`{${JSON.stringify(name)}:1}`)).length === 0)
const labels = fc.dictionary(fieldName, fc.oneof(text, fc.array(text, { maxLength: 3 })), { maxKeys: 4 })
const version = fc.tuple(fc.nat(99), fc.nat(99), fc.nat(99)).map((parts) => parts.join('.'))
const json = fc.jsonValue({ maxDepth: 3 }).filter((value) => limitErrors(value).length === 0)
const scalar = fc.oneof(
  text,
  fc.boolean(),
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true, max: 1e9, min: -1e9 }),
)

/** A value for each field that says something. */
const SAID: Record<string, fc.Arbitrary<unknown>> = {
  workflow_name: text,
  version,
  name: text,
  description: text,
  content: text,
  labels,
  custom_labels: labels,
  detected_labels: fc.dictionary(fieldName, fc.oneof(scalar, fc.array(scalar, { maxLength: 3 })), {
    maxKeys: 4,
  }),
  parameters: fc.oneof(fc.dictionary(fieldName, json, { maxKeys: 4 }), fc.array(json, { maxLength: 4 })),
  owner: text,
  maintainer: text,
  container_image: text,
  container_digest: text,
  status: fc.constantFrom('active', 'disabled', 'deprecated', 'archived'),
}
const workflows = fc
  .record(SAID, { requiredKeys: ['workflow_name', 'version', 'name', 'description', 'content'] })
  .map((fields): Fields => ({ ...fields, execution_engine: 'tekton' }))
  .filter((fields) => readBody(Buffer.from(JSON.stringify(fields))).kind === 'valid')

test('the order of names does not count, at any depth', () => {
  fc.assert(
    fc.property(workflows, (workflow) => {
      expect(fingerprint(reversed(workflow))).toBe(fingerprint(workflow))
    }),
    runs(200),
  )
})

const IGNORED = [
  ...['workflow_id', 'created_at', 'updated_at', 'created_by', 'updated_by', 'is_latest_version'],
  ...['previous_version', 'total_executions', 'successful_executions', 'actual_success_rate', 'approved_by'],
  ...['approved_at', 'disabled_at', 'disabled_by', 'disabled_reason', 'deprecation_notice', 'version_notes'],
  ...['change_summary', 'expected_success_rate', 'expected_duration_seconds'],
]

test('fields that are ignored do not count, whatever they hold', () => {
  fc.assert(
    fc.property(workflows, fc.dictionary(fc.constantFrom(...IGNORED), json), (workflow, ignored) => {
      expect(fingerprint({ ...ignored, ...workflow })).toBe(fingerprint(workflow))
    }),
    runs(200),
  )
})

const DEFAULTS = { labels: {}, custom_labels: {}, detected_labels: {}, parameters: {}, status: 'active' }
const OPTIONAL = [
  ...Object.keys(DEFAULTS),
  'owner',
  'maintainer',
  'container_image',
  'container_digest',
  'content_hash',
]

test('null, absent and the default are the same, and so is a content_hash that is right', () => {
  const ways = fc.array(fc.constantFrom('null', 'default', 'absent'), { minLength: 10, maxLength: 10 })
  fc.assert(
    fc.property(workflows, ways, fc.boolean(), (workflow, ways, hashed) => {
      const absent = OPTIONAL.filter((field) => workflow[field] === undefined)
      const said = absent.flatMap((field, index): [string, unknown][] => {
        if (ways[index] === 'null') return [[field, null]]
        return ways[index] === 'default' && field in DEFAULTS ? [[field, DEFAULTS[field as 'labels']]] : []
      })
      const content_hash = createHash('sha256').update(String(workflow.content)).digest('hex')
      const same = { ...workflow, ...Object.fromEntries(said), ...(hashed && { content_hash }) }
      expect(fingerprint(same)).toBe(fingerprint(workflow))
    }),
    runs(200),
  )
})

test('any field that says something else makes another fingerprint', () => {
  const changes = fc
    .constantFrom(...Object.keys(SAID))
    .chain((field) => fc.tuple(fc.constant(field), SAID[field]!))
  fc.assert(
    fc.property(workflows, changes, (workflow, [field, value]) => {
      const changed = { ...workflow, [field]: value }
      fc.pre(readBody(Buffer.from(JSON.stringify(changed))).kind === 'valid')
      const before = workflow[field] ?? DEFAULTS[field as 'labels']
      const same = sorted(before) === sorted(value)
      expect(fingerprint(changed) === fingerprint(workflow)).toBe(same)
    }),
    runs(300),
  )
})

test('what a list holds, and in which order, counts', () => {
  const workflow = aWorkflow({ parameters: [{ a: 1 }, { b: 2 }] })
  const others = [[{ b: 2 }, { a: 1 }], [{ a: 1 }], [[{ a: 1 }, { b: 2 }]], { 0: { a: 1 }, 1: { b: 2 } }, []]
  const all = [workflow, ...others.map((parameters) => ({ ...workflow, parameters }))].map(fingerprint)
  expect(new Set(all)).toHaveLength(6)
})

test('a fingerprint can be worked out in any language', () => {
  const said = { workflow_name: 'a', version: '1.0.0', name: 'n', description: '', content: 'c' }
  const body = { ...said, execution_engine: 'tekton', labels: { b: 'ü', a: ['x', 'y'] }, status: 'active' }
  const canonical =
    '{"content":"c","description":"","execution_engine":"tekton","labels":{"a":["x","y"],"b":"ü"},' +
    '"name":"n","version":"1.0.0","workflow_name":"a"}'
  expect(fingerprint(body)).toBe(createHash('sha256').update(canonical).digest('hex'))
})

test('the fingerprint of a body that is not valid is that of its bytes', () => {
  for (const bytes of ['{', '{"a":1}', '', '[]', '{"a":1} '].map((text) => Buffer.from(text)))
    expect(readBody(bytes)).toMatchObject({ fingerprint: createHash('sha256').update(bytes).digest('hex') })
})

function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([name, child]) => [name, reversed(child)]),
  )
}

/** JSON that is the same for the same value, whatever the order of names. */
function sorted(value: unknown): string {
  return JSON.stringify(value, (_, child) =>
    typeof child === 'object' && child !== null && !Array.isArray(child)
      ? Object.fromEntries(Object.entries(child).sort(([a], [b]) => (a < b ? -1 : 1)))
      : child,
  )
}
