import * as z from 'zod'
import type { Rejection } from './body.ts'
import { type Outcome, outcomeSchema, requestStateSchema } from './outcome.ts'
import {
  detailOf,
  type Existing,
  type MakeProblem,
  type Problem,
  type ProblemExtension,
  problemSchema,
} from './problem.ts'
import type { CatalogEntry, Settled } from './request.ts'

export const requestDocumentSchema = z
  .strictObject({
    request_id: z.guid().describe('A UUID of any version'),
    state: requestStateSchema.describe('`pending` until the request has an outcome, which never changes'),
    workflow_name: z.string().nullable().describe('Null while pending, or when it cannot be read'),
    version: z.string().nullable().describe('Null while pending, or when it cannot be read'),
    workflow_id: z.uuid().optional().describe('When `created`: the workflow that this request made'),
    problem: problemSchema.optional().describe('When it ended otherwise: why'),
    accepted_at: z.iso.datetime(),
    completed_at: z.iso.datetime().nullable().describe('Null while pending'),
    queue_distance: z
      .int()
      .min(1)
      .optional()
      .describe('While pending: how many records are before this one, itself included'),
  })
  .meta({ id: 'RequestDocument', description: 'What a request came to: its status, and the data of a reply' })

const whenReadable = z.string().nullable().describe('Null when it cannot be read')

/** The document of a request that ended: the data of a reply. */
export const replyDocumentSchema = requestDocumentSchema
  .omit({ queue_distance: true })
  .extend({
    state: outcomeSchema,
    workflow_name: whenReadable,
    version: whenReadable,
    completed_at: z.iso.datetime(),
  })
  .meta({ id: 'ReplyDocument', description: 'What a request came to' })

/** What a request came to, flat: the body of a status, and the data of a reply. Times are ISO 8601 in UTC. */
export type RequestDocument = z.output<typeof requestDocumentSchema>

export const workflowHref = (workflowId: string) => `/api/v1/workflows/${workflowId}`
/** Where the JSON Schemas of what the events carry are read. */
export const EVENT_SCHEMA_HREFS = {
  requested: '/schemas/registration-requested.v1.json',
  completed: '/schemas/registration-completed.v1.json',
} as const
export const requestHref = (requestId: string) => `/api/v1/workflow-requests/${requestId}`

/** The document of a request that has not ended, as far as anybody knows. */
export function pendingDocument(requestId: string, acceptedAt: Date): RequestDocument {
  return {
    request_id: requestId,
    state: 'pending',
    workflow_name: null,
    version: null,
    accepted_at: acceptedAt.toISOString(),
    completed_at: null,
  }
}

/** The document of a request that ended. Everything that can be derived is derived here. */
export function documentOf(settled: Settled, makeProblem: MakeProblem): RequestDocument {
  const problem = PROBLEM_OF[settled.outcome](settled, makeProblem)
  return {
    request_id: settled.requestId,
    state: settled.outcome,
    workflow_name: settled.workflowName,
    version: settled.version,
    ...(settled.outcome === 'created' && settled.entry && { workflow_id: settled.entry.workflowId }),
    ...(problem && { problem }),
    accepted_at: settled.acceptedAt.toISOString(),
    completed_at: settled.completedAt.toISOString(),
  }
}

/** The same without what may be long: `errors` are left out, and `instance` of the problem says where they are. */
export function documentWithoutDetails({ problem, ...document }: RequestDocument): RequestDocument {
  if (!problem) return document
  const { errors: _inTheStatus, ...rest } = problem
  return { ...document, problem: rest }
}

const PROBLEM_OF: Record<Outcome, (settled: Settled, makeProblem: MakeProblem) => Problem | undefined> = {
  created: () => undefined,
  conflict: (settled, makeProblem) =>
    makeProblem(
      'conflict',
      `Workflow '${settled.workflowName}' version '${settled.version}' already exists`,
      {
        instance: requestHref(settled.requestId),
        ...(settled.entry && {
          content: settled.identical ? 'identical' : 'different',
          existing: existingOf(settled.entry),
        }),
      },
    ),
  rejected: ({ requestId, rejection }, makeProblem) =>
    rejectionProblem(rejection ?? { reason: 'validation-error', errors: [] }, makeProblem, {
      instance: requestHref(requestId),
    }),
  failed: ({ requestId }, makeProblem) =>
    makeProblem('internal-error', 'The database refused this request for a reason that is not a duplicate', {
      instance: requestHref(requestId),
    }),
}

/** The problem of a request that is unacceptable, whether that is stored or not. */
export function rejectionProblem(
  { reason, errors }: Rejection,
  makeProblem: MakeProblem,
  extension: ProblemExtension = {},
): Problem {
  return makeProblem(reason, detailOf(errors), {
    ...extension,
    ...(reason === 'validation-error' && { errors }),
  })
}

/** The problem of asking for a request whose status row is gone, with the workflow that it made. */
export function goneProblem(
  { requestId, outcome, workflowName, version, entry }: Settled,
  makeProblem: MakeProblem,
): Problem {
  return makeProblem(
    'gone',
    `The status of this request is no longer kept: it created workflow '${workflowName}' version '${version}'`,
    {
      instance: requestHref(requestId),
      state: outcome,
      ...(entry && { existing: existingOf(entry) }),
    },
  )
}

function existingOf({ workflowId, contentHash, createdAt }: CatalogEntry): Existing {
  return {
    workflow_id: workflowId,
    content_hash: contentHash,
    created_at: createdAt.toISOString(),
    href: workflowHref(workflowId),
  }
}
