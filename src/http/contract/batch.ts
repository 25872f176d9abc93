import * as z from 'zod'
import { CHUNK_LIMITS } from '../../domain/limits.ts'
import { outcomeSchema } from '../../domain/outcome.ts'
import { problemSchema } from '../../domain/problem.ts'
import { workflowSchema } from '../../domain/workflow.ts'

/** The frame of a bulk request. What its items are is for each of them to say. */
export const createWorkflowsSchema = z.strictObject({
  workflows: z
    .array(z.unknown())
    .min(1, 'must have at least 1 item')
    .max(CHUNK_LIMITS.requests, `must have at most ${CHUNK_LIMITS.requests} items`),
})

const itemResultSchema = z
  .strictObject({
    index: z.int().min(0).describe('Which item, from 0'),
    request_id: z
      .uuid()
      .nullable()
      .describe('Null when nothing was stored: the item is no request, or this is a dry run'),
    status: z.int().describe('What the synchronous door would have answered to it alone'),
    state: outcomeSchema.nullable().describe('Null when it is not known: try again'),
    workflow: workflowSchema.optional().describe('When `created`'),
    workflow_id: z
      .uuid()
      .optional()
      .describe('When `created`, and the workflow cannot be read now, or in a dry run was there already'),
    problem: problemSchema.optional().describe('When not `created`: why'),
  })
  .meta({ id: 'ItemResult' })
export type ItemResult = z.output<typeof itemResultSchema>

/** What became of each item of a bulk request. */
export const batchResultSchema = z
  .strictObject({
    dry_run: z.literal(true).optional().describe('Nothing was written: this is what would happen now'),
    results: z.array(itemResultSchema).max(CHUNK_LIMITS.requests),
  })
  .meta({ id: 'BatchResult' })
