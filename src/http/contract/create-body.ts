import { createBodySchema } from '../../domain/create-body.ts'
import type { JsonSchema } from '../../domain/json-schema.ts'
import { CHUNK_LIMITS } from '../../domain/limits.ts'

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
export const bodySchemas = () => ({
  CreateWorkflow: createBodySchema({ target: 'draft-2020-12', place: '#/components/schemas/' }).schema,
  CreateWorkflows: createWorkflows,
})
