import { z } from 'zod'
import { CHUNK_LIMITS } from '../../domain/limits.ts'
import { createWorkflowSchema, IGNORED_FIELDS } from '../../domain/workflow.ts'

type JsonSchema = Record<string, unknown>

/** What zod writes as a schema of its own that refers to itself. */
const ANY_JSON = { type: ['object', 'array'], default: {} }

const IGNORED = { description: 'Accepted and ignored', deprecated: true }

/**
 * The body of a create request as a JSON Schema: the schema that it is read with, and what is taken away before that
 * schema sees it, nulls and the fields that older clients echo back.
 */
function createWorkflow(): JsonSchema {
  const written = JSON.stringify(z.toJSONSchema(createWorkflowSchema, { io: 'input' }))
  const { $schema, $defs, properties, required, ...rest } = JSON.parse(
    written.replaceAll('#/$defs/', '#/components/schemas/'), // what has a name is a component
  ) as JsonSchema & { properties: Record<string, JsonSchema>; required: string[] }
  properties.parameters = ANY_JSON
  const fields = Object.entries(properties).map(([name, schema]) => [
    name,
    required.includes(name) ? schema : { anyOf: [schema, { type: 'null' }] },
  ])
  const ignored = [...IGNORED_FIELDS].map((name) => [name, IGNORED])
  return {
    description: 'A workflow to register. A field that is null counts as absent.',
    ...rest,
    required,
    properties: Object.fromEntries([...fields, ...ignored]),
    patternProperties: { '^expected_': IGNORED },
  }
}

const createWorkflows: JsonSchema = {
  description: 'Workflows to register. An item that is not one is refused alone.',
  type: 'object',
  properties: {
    workflows: {
      type: 'array',
      minItems: 1,
      maxItems: CHUNK_LIMITS.requests,
      items: { anyOf: [{ $ref: '#/components/schemas/CreateWorkflow' }, {}] },
    },
  },
  required: ['workflows'],
  additionalProperties: false,
}

/** The schemas of bodies that are not read by a zod schema alone. */
export const bodySchemas = () => ({ CreateWorkflow: createWorkflow(), CreateWorkflows: createWorkflows })
