import { type JsonSchema, type JsonSchemaForm, jsonSchemaOf, type WrittenSchema } from './json-schema.ts'
import { createWorkflowSchema, IGNORED_FIELDS } from './workflow.ts'

/** What zod writes as a schema of its own that refers to itself. */
const ANY_JSON = { description: 'What it takes, kept as it is', type: ['object', 'array'], default: {} }

const IGNORED = { description: 'Accepted and ignored', deprecated: true }

/**
 * The body of a create request as a JSON Schema: the schema that it is read with, and what is taken away before that
 * schema sees it, nulls and the fields that older clients echo back.
 */
export function createBodySchema(form: JsonSchemaForm): WrittenSchema {
  const { schema, named } = jsonSchemaOf(createWorkflowSchema, form)
  const { properties, required, ...rest } = schema as {
    properties: Record<string, JsonSchema>
    required: readonly string[]
  }
  const fields = Object.entries({ ...properties, parameters: ANY_JSON }).map(([name, one]) => [
    name,
    required.includes(name) ? one : { anyOf: [one, { type: 'null' }] },
  ])
  const ignored = [...IGNORED_FIELDS].map((name) => [name, IGNORED])
  return {
    schema: {
      description: 'A workflow to register. A field that is null counts as absent.',
      ...rest,
      required,
      properties: Object.fromEntries([...fields, ...ignored]),
      patternProperties: { '^expected_': IGNORED },
    },
    named,
  }
}
