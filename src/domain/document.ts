import type { Outcome, RequestState } from './outcome.ts'
import type { Existing, MakeProblem, Problem } from './problem.ts'
import type { CatalogEntry, Settled } from './request.ts'

/** What a request came to, flat: the body of a status, and the data of a reply. Times are ISO 8601 in UTC. */
export interface RequestDocument {
  request_id: string
  state: RequestState
  workflow_name: string | null
  version: string | null
  workflow_id?: string
  problem?: Problem
  accepted_at: string
  completed_at: string | null
  /** While pending: how many records are before this one, itself included. */
  queue_distance?: number
}

export const workflowHref = (workflowId: string) => `/api/v1/workflows/${workflowId}`
export const requestHref = (requestId: string) => `/api/v1/workflow-requests/${requestId}`

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
  rejected: ({ requestId, rejection }, makeProblem) => {
    const { reason, errors } = rejection ?? { reason: 'validation-error' as const, errors: [] }
    const detail = errors.map(({ pointer, detail }) => `${pointer || 'The body'} ${detail}`).join('; ')
    return makeProblem(reason, detail.slice(0, 1000).toWellFormed(), {
      instance: requestHref(requestId),
      ...(reason === 'validation-error' && { errors }),
    })
  },
  failed: ({ requestId }, makeProblem) =>
    makeProblem('internal-error', 'The database refused this request for a reason that is not a duplicate', {
      instance: requestHref(requestId),
    }),
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
