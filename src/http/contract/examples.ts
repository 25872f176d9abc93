import { createHash } from 'node:crypto'
import type { RequestDocument } from '../../domain/document.ts'
import {
  PROBLEM_TYPES,
  type Problem,
  type ProblemExtension,
  type ProblemSlug,
  problemsAt,
} from '../../domain/problem.ts'
import type { Body, ProblemExamples } from './operation.ts'

const REQUEST_ID = '0197f6a2-5b6c-7d3e-8f90-a1b2c3d4e5f6'
const WORKFLOW_ID = '0197f6a2-5b70-7a11-9c02-0d1e2f3a4b5c'
const ACCEPTED_AT = '2026-11-23T08:00:00.000Z'
const COMPLETED_AT = '2026-11-23T08:00:00.021Z'
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
const complete = {
  ...MINIMAL,
  version: '1.1.0',
  labels: { severity: 'critical', environment: ['production', 'staging'] },
  custom_labels: { team: 'payments' },
  parameters: { NAMESPACE: { type: 'string', required: true } },
  owner: 'payments-sre',
  container_image: 'registry.example/restart-pods:1.1.0',
}

export const CREATE_BODY: Body = {
  schema: { component: 'CreateWorkflow' },
  mediaTypes: ['application/json'],
  examples: { minimal: { value: MINIMAL }, complete: { value: complete } },
}
export const BATCH_BODY: Body = {
  schema: { component: 'CreateWorkflows' },
  mediaTypes: ['application/json'],
  maxBytes: 8 * 1024 * 1024,
  examples: { two: { value: { workflows: [MINIMAL, complete] } } },
}

const { content, ...unread } = MINIMAL
export const SUMMARY = {
  workflow_id: WORKFLOW_ID,
  ...unread,
  content_hash: createHash('sha256').update(content).digest('hex'),
  labels: {},
  custom_labels: {},
  detected_labels: {},
  parameters: {},
  owner: null,
  maintainer: null,
  container_image: null,
  container_digest: null,
  status: 'active',
  status_reason: null,
  created_at: COMPLETED_AT,
  updated_at: COMPLETED_AT,
  created_by_request: REQUEST_ID,
  request_fingerprint: '8b0f6f6b3a1f1f0e5a0d8a4a8f5f3a1b2c3d4e5f60718293a4b5c6d7e8f90a1b',
}
export const WORKFLOW = { ...SUMMARY, content }

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
        content_hash: SUMMARY.content_hash,
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

export const batchResult = (problems: ProblemExamples) => ({
  results: [
    { index: 0, request_id: REQUEST_ID, status: 409, state: 'conflict', problem: problems.conflict },
    { index: 1, request_id: null, status: 400, state: 'rejected', problem: problems['validation-error'] },
  ],
})
export const BATCH_DRY_RUN = {
  dry_run: true,
  results: [{ index: 0, request_id: null, status: 201, state: 'created' }],
}
