import fc from 'fast-check'
import { resolve, type Schema } from './schemas.ts'

/** Texts with whatever databases, parsers and terminals trip over. */
export const nastyText = fc.string({
  maxLength: 20,
  unit: fc.oneof(
    { weight: 4, arbitrary: fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }) },
    {
      weight: 1,
      arbitrary: fc.constantFrom('\0', '\ud800', '\u2028', "'", '"', '\\', '/', '~', '%', '[', ']'),
    },
  ),
})
const nastyJson = fc.oneof(nastyText, fc.jsonValue({ maxDepth: 3, stringUnit: 'binary' }))

const plainText = fc.string({ unit: 'grapheme', maxLength: 20 })
const plainJson = fc.oneof(
  plainText,
  fc.integer(),
  fc.boolean(),
  fc.constant(null),
  fc.array(plainText, { maxLength: 2 }),
)

/** Values that a schema of the document allows. */
export function valid(schema: Schema): fc.Arbitrary<unknown> {
  if (typeof schema === 'boolean') return plainJson
  const { $ref, const: only, enum: values, anyOf, type, examples } = schema as Keywords
  if ($ref !== undefined) return valid(resolve($ref) as Schema)
  if (only !== undefined) return fc.constant(only)
  if (values) return fc.constantFrom(...values)
  if (anyOf) return fc.oneof(...anyOf.map(valid))
  if (type === undefined) return plainJson
  const made = fc.oneof(...[type].flat().map((one) => OF_TYPE[one](schema as Keywords)))
  return examples ? fc.oneof(fc.constantFrom(...examples), made) : made
}

/** These values with a fault: a part is another, is missing, or is there too much, or all of it is another. */
export function damaged(values: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  const damage = fc.record({
    value: values,
    at: fc.array(fc.nat(), { minLength: 1, maxLength: 3 }),
    junk: nastyJson,
    name: nastyText,
    kind: fc.constantFrom<Damage['kind']>('change', 'remove', 'add'),
  })
  return damage.map(({ value, ...rest }) => withDamage(value, rest))
}

type Type = 'string' | 'number' | 'integer' | 'boolean' | 'null' | 'object' | 'array'

/** The keywords that the document uses. */
interface Keywords {
  $ref?: string
  const?: unknown
  enum?: unknown[]
  anyOf?: Schema[]
  type?: Type | Type[]
  examples?: unknown[]
  format?: string
  pattern?: string
  minLength?: number
  maxLength?: number
  minimum?: number
  maximum?: number
  minItems?: number
  items?: Schema
  properties?: Record<string, Schema>
  required?: string[]
  additionalProperties?: Schema
}

const OF_TYPE: Record<Type, (schema: Keywords) => fc.Arbitrary<unknown>> = {
  string: validText,
  number: () => fc.double({ noNaN: true, min: -1_000_000, max: 1_000_000 }),
  integer: ({ minimum = -1_000_000, maximum = 1_000_000 }) =>
    fc.integer({ min: Math.max(minimum, -(2 ** 31)), max: Math.min(maximum, 2 ** 31 - 1) }),
  boolean: () => fc.boolean(),
  null: () => fc.constant(null),
  array: ({ items = true, minItems = 0 }) =>
    fc.array(valid(items), { minLength: minItems, maxLength: minItems + 3 }),
  object: validObject,
}

function validText({ format, pattern, minLength = 0, maxLength = 300 }: Keywords): fc.Arbitrary<string> {
  if (format === 'uuid') return fc.uuid()
  if (format === 'date-time')
    return fc
      .date({ noInvalidDate: true, min: new Date(0), max: new Date('2100') })
      .map((date) => date.toISOString())
  if (pattern !== undefined)
    return fc
      .stringMatching(new RegExp(pattern))
      .filter((text) => text.length >= minLength && text.length <= maxLength)
  return fc.oneof(
    plainText.filter((text) => [...text].length >= minLength && [...text].length <= maxLength),
    fc.string({ minLength, maxLength, size: 'medium' }),
  )
}

function validObject({ properties = {}, required = [], additionalProperties = true }: Keywords) {
  const named = fc.record(
    Object.fromEntries(Object.entries(properties).map(([name, schema]) => [name, valid(schema)])),
    { requiredKeys: required },
  )
  if (additionalProperties === false) return named
  const others = fc.dictionary(
    plainText.filter((name) => name !== '' && name !== '__proto__'),
    valid(additionalProperties),
    { maxKeys: 3 },
  )
  return fc.tuple(others, named).map(([more, fields]) => ({ ...more, ...fields }))
}

interface Damage {
  /** Which entry, at each level. */
  at: number[]
  junk: unknown
  name: string
  kind: 'change' | 'remove' | 'add'
}

function withDamage(value: unknown, damage: Damage): unknown {
  const {
    at: [index = 0, ...below],
    junk,
    name,
    kind,
  } = damage
  if (typeof value !== 'object' || value === null) return junk
  const entries = Object.entries(value)
  const chosen = index % (entries.length || 1)
  const changed = entries.flatMap((entry, place): [string, unknown][] => {
    if (place !== chosen) return [entry]
    if (below.length > 0) return [[entry[0], withDamage(entry[1], { ...damage, at: below })]]
    return kind === 'remove' ? [] : kind === 'change' ? [[entry[0], junk]] : [entry, [name, junk]]
  })
  return Array.isArray(value) ? changed.map(([, child]) => child) : Object.fromEntries(changed)
}
