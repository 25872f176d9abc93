import * as z from 'zod'
import { MINIMAL } from '../../domain/examples.ts'
import { outcomeSchema } from '../../domain/outcome.ts'
import { problemSchema } from '../../domain/problem.ts'
import type { Answer } from './operation.ts'

/** What would become of a request. */
export const dryRunSchema = z
  .strictObject({
    dry_run: z.literal(true),
    state: outcomeSchema.describe('How the request would end now'),
    status: z.int().describe('The status that the synchronous door would answer with'),
    workflow_name: z.string().nullable(),
    version: z.string().nullable(),
    workflow_id: z.uuid().optional().describe('When this very request has made the workflow already'),
    problem: problemSchema.optional().describe('When it would not end as `created`: why'),
  })
  .meta({ id: 'DryRun', description: 'What would happen now. Nothing was written.' })
export type DryRun = z.output<typeof dryRunSchema>

const { workflow_name, version } = MINIMAL
const created: DryRun = { dry_run: true, state: 'created', status: 201, workflow_name, version }

/** The answer to a single request with `dry_run=true`. */
export const dryRunAnswer = {
  description: 'What would happen now (`dry_run=true`)',
  schema: dryRunSchema,
  examples: { created: { value: created } },
} as const satisfies Answer
