import type { JsonSchema } from '../domain/json-schema.ts'
import { type Html, html } from './html.ts'
import { line } from './markdown.ts'

export type Schemas = Readonly<Record<string, JsonSchema>>

/** The fields of an object as a table: what each holds, whether it must be there, and what bounds it. */
export function schemaTable(schema: JsonSchema, named: Schemas): Html {
  const required = new Set(Array.isArray(schema.required) ? schema.required : [])
  const fields = Object.entries(schemasIn(schema.properties))
  const kept = fields.filter(([, one]) => one.deprecated !== true)
  const ignored = fields.filter(([, one]) => one.deprecated === true).map(([name]) => name)
  const patterns = Object.keys(schemasIn(schema.patternProperties))
  return html`<table>
<thead><tr><th>Name</th><th>Holds</th><th>About</th></tr></thead>
<tbody>
${kept.map(
  ([name, one]) => html`<tr>
<td><code>${name}</code>${required.has(name) && html` <span class="required">required</span>`}</td>
<td>${typeOf(one, named)}${bounds(one).map((bound) => html`<br><small>${bound}</small>`)}</td>
<td>${line(descriptionOf(one))}</td>
</tr>
`,
)}</tbody>
</table>
${
  ignored.length > 0 &&
  html`<p>Accepted and ignored: ${listed([...ignored, ...patterns.map((pattern) => `${pattern.slice(1)}…`)])}.</p>\n`
}`
}

/** Whether it is worth a section of its own, and not told where it is used. */
export const isObject = (schema: JsonSchema) => schema.properties !== undefined

export const schemaAnchor = (name: string) => `schema-${name}`

/** The name of the schema that this one refers to. */
export function referredBy({ $ref }: JsonSchema): string | undefined {
  return typeof $ref === 'string' ? $ref.slice($ref.lastIndexOf('/') + 1) : undefined
}

function typeOf(schema: JsonSchema, named: Schemas): Html {
  const name = referredBy(schema)
  const target = name === undefined ? undefined : named[name]
  if (name !== undefined && target)
    return isObject(target) ? html`<a href="#${schemaAnchor(name)}">${name}</a>` : typeOf(target, named)
  const [whole] = listOf(schema.allOf)
  if (whole) return typeOf(whole, named)
  if (Array.isArray(schema.enum)) return listed(schema.enum.map(String))
  if (schema.const !== undefined) return html`<code>${String(schema.const)}</code>`
  const choices = listOf(schema.anyOf)
  if (choices.length > 0) return joined(choices.map((one) => typeOf(one, named)))
  if (schema.type === 'array') return html`list of ${typeOf(schemaIn(schema.items), named)}`
  const values = schemaIn(schema.additionalProperties)
  if (schema.type === 'object' && Object.keys(values).length > 0)
    return html`object of ${typeOf(values, named)}`
  if (typeof schema.format === 'string') return html`${schema.format}`
  return joined([schema.type ?? 'anything'].flat().map((type) => html`${String(type)}`))
}

function descriptionOf(schema: JsonSchema): string {
  if (typeof schema.description === 'string') return schema.description
  const [first] = listOf(schema.anyOf)
  return first ? descriptionOf(first) : ''
}

/** What bounds a value beyond its type. What has a format needs no pattern to tell it. */
function bounds(schema: JsonSchema): Html[] {
  const {
    minLength,
    maxLength,
    minimum,
    maximum,
    minItems,
    maxItems,
    pattern,
    format,
    default: preset,
  } = schema
  const own = [
    range(minLength, maxLength, 'characters'),
    range(minimum, maximum, ''),
    range(minItems, maxItems, 'items'),
    pattern !== undefined && format === undefined && html`like <code>${String(pattern)}</code>`,
    preset !== undefined && html`default <code>${JSON.stringify(preset)}</code>`,
  ].filter((bound) => bound instanceof Object)
  return [...own, ...listOf(schema.anyOf).flatMap(bounds)]
}

function range(least: unknown, most: unknown, unit: string): Html | undefined {
  if (typeof least !== 'number' && typeof most !== 'number') return undefined
  if (typeof most !== 'number') return least === 1 ? html`not empty` : html`at least ${Number(least)} ${unit}`
  return typeof least === 'number' ? html`${least} to ${most} ${unit}` : html`at most ${most} ${unit}`
}

function listed(words: readonly string[]): Html {
  return html`${words.map((word, index) => html`${index > 0 && ', '}<code>${word}</code>`)}`
}

/** Each once. */
function joined(choices: readonly Html[]): Html {
  const texts = new Map(choices.map((choice) => [choice.text, choice]))
  return html`${[...texts.values()].map((choice, index) => html`${index > 0 && ' or '}${choice}`)}`
}

function isSchema(value: unknown): value is JsonSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
const schemaIn = (value: unknown): JsonSchema => (isSchema(value) ? value : {})
const listOf = (value: unknown): JsonSchema[] => (Array.isArray(value) ? value.filter(isSchema) : [])
function schemasIn(value: unknown): Schemas {
  return Object.fromEntries(Object.entries(schemaIn(value)).map(([name, one]) => [name, schemaIn(one)]))
}
