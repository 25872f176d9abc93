import { readFileSync } from 'node:fs'
import { Ajv, type ErrorObject } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { ASYNCAPI_SNAPSHOT } from './generate.ts'

type JsonSchema = Readonly<Record<string, unknown>>

export interface EventMessage {
  headers: JsonSchema
  payload: JsonSchema
  examples: { name: string; headers: JsonSchema; payload: unknown }[]
}

export interface AsyncApi {
  info: { description: string }
  channels: Record<string, { address: string | null; messages: Record<string, { $ref: string }> }>
  components: { messages: Record<string, EventMessage>; schemas: Record<string, JsonSchema> }
}

/** The reviewed description of what goes over Kafka. */
export const asyncApi: AsyncApi = JSON.parse(readFileSync(ASYNCAPI_SNAPSHOT, 'utf8'))

/** `strictRequired` would have each alternative of a choice name its fields again. */
const OPTIONS = { strict: true, strictRequired: false, allowUnionTypes: true, allErrors: true }

const draft7 = new Ajv(OPTIONS)
addFormats.default(draft7)

/** What is wrong with a value by a schema of this description, read as the draft that AsyncAPI is made of. */
export function complaintsBy({ components }: AsyncApi, schema: JsonSchema, value: unknown): string[] {
  const whole = JSON.stringify({ definitions: components.schemas, allOf: [schema] })
  const validate = draft7.compile(JSON.parse(whole.replaceAll('#/components/schemas/', '#/definitions/')))
  validate(value)
  return told(validate.errors)
}

/** What is wrong with a value by a JSON Schema that stands alone. */
export function complaintsByJsonSchema(schema: JsonSchema, value: unknown): string[] {
  const draft2020 = new Ajv2020(OPTIONS)
  addFormats.default(draft2020)
  const validate = draft2020.compile(schema)
  validate(value)
  return told(validate.errors)
}

function told(errors: readonly ErrorObject[] | null | undefined): string[] {
  return (errors ?? []).map(({ instancePath, message }) => `${instancePath || '/'} ${message}`)
}
