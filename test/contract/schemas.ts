import { readFileSync } from 'node:fs'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { SNAPSHOT } from './generate.ts'

export type Schema = Readonly<Record<string, unknown>> | boolean

export interface Parameter {
  in: 'path' | 'query' | 'header'
  name: string
  required?: boolean
  schema: Schema
}
export interface Content {
  schema: Schema
  examples?: Record<string, { value: unknown }>
}
export interface Response {
  description: string
  headers?: Record<string, { required?: boolean; schema: Schema }>
  content?: Record<string, Content>
  links?: Record<string, { operationId: string; parameters: Record<string, string> }>
}
export interface DocumentedOperation {
  method: string
  /** With its parameters in braces. */
  path: string
  operationId: string
  /** Each of them is enough. */
  security: readonly Record<string, readonly string[]>[] | undefined
  parameters: Parameter[]
  body: Content | undefined
  responses: Record<string, Response>
}

interface Document {
  paths: Record<string, Record<string, OperationObject>>
  components: { schemas: Record<string, Schema>; responses: Record<string, Response> }
}
interface OperationObject {
  operationId: string
  security?: readonly Record<string, readonly string[]>[]
  parameters?: Parameter[]
  requestBody?: { content: Record<string, Content> }
  responses: Record<string, Response | { $ref: string }>
}

/** The reviewed document. */
export const document: Document = JSON.parse(readFileSync(SNAPSHOT, 'utf8'))

/** Its operations, with what they refer to in place. */
export const operations: readonly DocumentedOperation[] = Object.entries(document.paths).flatMap(
  ([path, methods]) =>
    Object.entries(methods).map(
      ([method, { operationId, security, parameters = [], requestBody, responses }]) => ({
        method: method.toUpperCase(),
        path,
        operationId,
        security,
        parameters,
        body: requestBody?.content['application/json'],
        responses: Object.fromEntries(
          Object.entries(responses).map(([status, response]) => [
            status,
            '$ref' in response ? (resolve(response.$ref) as Response) : response,
          ]),
        ),
      }),
    ),
)

/** What a reference within the document points to; throws when there is nothing. */
export function resolve(reference: string): unknown {
  const names = reference.split('/').slice(1)
  const target = names.reduce<unknown>(
    (parent, name) => (parent as Record<string, unknown> | undefined)?.[name],
    document,
  )
  if (!reference.startsWith('#/') || target === undefined) throw new Error(`${reference} is not there`)
  return target
}

const ajv = new Ajv2020({ strict: true, allowUnionTypes: true, allErrors: true })
addFormats.default(ajv)
const validators = new Map<string, ValidateFunction>()

/** What is wrong with a value by a schema of the document; nothing when it is valid. */
export function complaints(schema: Schema, value: unknown): string[] {
  const text = JSON.stringify(schema)
  const validate = validators.get(text) ?? ajv.compile(standingAlone(schema))
  validators.set(text, validate)
  validate(value)
  return (validate.errors ?? []).map(
    ({ instancePath, message, params }) => `${instancePath || '/'} ${message} ${JSON.stringify(params)}`,
  )
}

/** The schema with all components beside it, as a JSON Schema has them. */
function standingAlone(schema: Schema): Schema {
  const whole =
    typeof schema === 'boolean' ? { schema } : { $defs: document.components.schemas, allOf: [schema] }
  return JSON.parse(JSON.stringify(whole).replaceAll('#/components/schemas/', '#/$defs/'))
}
