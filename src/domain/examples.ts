import { createHash } from 'node:crypto'
import type { RequestDocument } from './document.ts'
import {
  PROBLEM_TYPES,
  type Problem,
  type ProblemExtension,
  type ProblemSlug,
  problemsAt,
} from './problem.ts'

// What the published descriptions show: one request to register one workflow, and how it may end.

export const REQUEST_ID = '0197f6a2-5b6c-7d3e-8f90-a1b2c3d4e5f6'
export const WORKFLOW_ID = '0197f6a2-5b70-7a11-9c02-0d1e2f3a4b5c'
export const ACCEPTED_AT = '2026-11-23T08:00:00.000Z'
export const COMPLETED_AT = '2026-11-23T08:00:00.021Z'
const instance = `/api/v1/workflow-requests/${REQUEST_ID}`

/** The least that registers a workflow. */
export const MINIMAL = {
  workflow_name: 'restart-pods',
  version: '1.0.0',
  name: 'Restart pods',
  description: 'Deletes the pods of a deployment one by one',
  content: 'apiVersion: tekton.dev/v1\nkind: Pipeline\nmetadata:\n  name: restart-pods\n',
  execution_engine: 'tekton',
}
export const COMPLETE = {
  ...MINIMAL,
  version: '1.1.0',
  labels: { severity: 'critical', environment: ['production', 'staging'] },
  custom_labels: { team: 'payments' },
  parameters: { NAMESPACE: { type: 'string', required: true } },
  owner: 'payments-sre',
  container_image: 'registry.example/restart-pods:1.1.0',
}

export const CONTENT_HASH = createHash('sha256').update(MINIMAL.content).digest('hex')

export const PENDING_DOCUMENT: RequestDocument = {
  request_id: REQUEST_ID,
  state: 'pending',
  workflow_name: null,
  version: null,
  accepted_at: ACCEPTED_AT,
  completed_at: null,
}
export const CREATED_DOCUMENT: RequestDocument = {
  request_id: REQUEST_ID,
  state: 'created',
  workflow_name: MINIMAL.workflow_name,
  version: MINIMAL.version,
  workflow_id: WORKFLOW_ID,
  accepted_at: ACCEPTED_AT,
  completed_at: COMPLETED_AT,
}

const EXAMPLES: Record<ProblemSlug, [detail: string, extension?: ProblemExtension]> = {
  'validation-error': [
    "/version must be a semantic version such as '1.0.0' (no 'v')",
    { errors: [{ pointer: '/version', detail: "must be a semantic version such as '1.0.0' (no 'v')" }] },
  ],
  'immutable-field-violation': [
    '/content cannot be changed: what was registered stays',
    { errors: [{ pointer: '/content', detail: 'cannot be changed: what was registered stays' }] },
  ],
  unauthorized: ['The token has expired'],
  forbidden: ['The token does not have the scope workflows:write'],
  'not-found': ['There is no workflow with this id'],
  'method-not-allowed': ['DELETE is not possible here'],
  'request-timeout': ['The request could not be read as HTTP'],
  conflict: [
    "Workflow 'restart-pods' version '1.0.0' already exists",
    {
      instance,
      content: 'identical',
      existing: {
        workflow_id: WORKFLOW_ID,
        content_hash: CONTENT_HASH,
        created_at: COMPLETED_AT,
        href: `/api/v1/workflows/${WORKFLOW_ID}`,
      },
    },
  ],
  gone: ['How this request ended is no longer kept', { instance }],
  'payload-too-large': ['The body is larger than 524288 bytes'],
  'unsupported-media-type': ['The body must be application/json'],
  'idempotency-key-reused': [
    'The body is not the one that this idempotency key was first used with',
    { instance },
  ],
  'header-fields-too-large': ['The request could not be read as HTTP'],
  'internal-error': [
    'The database refused this for a reason that is not a duplicate',
    { instance, request_id: REQUEST_ID },
  ],
  unavailable: ['The database is away, or could not answer in time', { instance, request_id: REQUEST_ID }],
}

/** A problem of each kind. */
export type ProblemExamples = Readonly<Record<ProblemSlug, Problem>>

/** One of each kind, with types below `baseUrl`. */
export function problemExamples(baseUrl: string): ProblemExamples {
  const makeProblem = problemsAt(baseUrl)
  return Object.fromEntries(
    (Object.keys(PROBLEM_TYPES) as ProblemSlug[]).map((slug) => [slug, makeProblem(slug, ...EXAMPLES[slug])]),
  ) as Record<ProblemSlug, Problem>
}

export const conflictDocument = ({ conflict }: ProblemExamples): RequestDocument => ({
  request_id: REQUEST_ID,
  state: 'conflict',
  workflow_name: MINIMAL.workflow_name,
  version: MINIMAL.version,
  problem: conflict,
  accepted_at: ACCEPTED_AT,
  completed_at: COMPLETED_AT,
})

/** As the problem about its version says: how a request with a wrong one ends. */
export const rejectedDocument = (problems: ProblemExamples): RequestDocument => ({
  request_id: REQUEST_ID,
  state: 'rejected',
  workflow_name: MINIMAL.workflow_name,
  version: 'v1.0.0',
  problem: { ...problems['validation-error'], instance },
  accepted_at: ACCEPTED_AT,
  completed_at: COMPLETED_AT,
})
