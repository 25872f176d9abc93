import { describe, expect, test } from 'vitest'
import { documentOf } from '../../src/domain/document.ts'
import { OUTCOMES, type Outcome, REQUEST_STATES } from '../../src/domain/outcome.ts'
import { PROBLEM_TYPES, problemsAt, REJECTION_REASONS } from '../../src/domain/problem.ts'
import { ID_REUSED, KEY_REUSED, type Settled } from '../../src/domain/request.ts'

const makeProblem = problemsAt('https://example.org')
const REQUEST_ID = '0197f6a2-5b6c-7d3e-8f90-a1b2c3d4e5f6'
const WORKFLOW_ID = '0197f6a2-0000-7000-8000-000000000001'
const HASH = 'b'.repeat(64)

const SETTLED: Settled = {
  requestId: REQUEST_ID,
  fingerprint: 'a'.repeat(64),
  principal: null,
  outcome: 'created',
  rejection: null,
  failure: null,
  workflowName: 'restart-pods',
  version: '1.0.0',
  entry: null,
  identical: false,
  purged: false,
  acceptedAt: new Date('2026-01-02T03:04:05.006Z'),
  completedAt: new Date('2026-01-02T03:04:05.106Z'),
}
const entry = { workflowId: WORKFLOW_ID, contentHash: HASH, createdAt: new Date('2026-01-01T00:00:00Z') }
const told = {
  request_id: REQUEST_ID,
  workflow_name: 'restart-pods',
  version: '1.0.0',
  accepted_at: '2026-01-02T03:04:05.006Z',
  completed_at: '2026-01-02T03:04:05.106Z',
}
const instance = `/api/v1/workflow-requests/${REQUEST_ID}`
const conflict = {
  type: 'https://example.org/problems/conflict',
  title: 'Workflow Already Exists',
  status: 409,
  detail: "Workflow 'restart-pods' version '1.0.0' already exists",
  retryable: false,
  instance,
}
const existing = {
  workflow_id: WORKFLOW_ID,
  content_hash: HASH,
  created_at: '2026-01-01T00:00:00.000Z',
  href: `/api/v1/workflows/${WORKFLOW_ID}`,
}
const errors = [
  { pointer: '/version', detail: 'is required' },
  { pointer: '', detail: 'is odd' },
]

/** For each outcome, what is known and the whole document of it. */
const DOCUMENTS: Record<Outcome, [string, Partial<Settled>, object][]> = {
  created: [['with its workflow', { entry }, { ...told, state: 'created', workflow_id: WORKFLOW_ID }]],
  conflict: [
    [
      'with another workflow',
      { entry },
      { ...told, state: 'conflict', problem: { ...conflict, content: 'different', existing } },
    ],
    [
      'with the same workflow',
      { entry, identical: true },
      { ...told, state: 'conflict', problem: { ...conflict, content: 'identical', existing } },
    ],
  ],
  rejected: [
    [
      'for what is wrong in it',
      { rejection: { reason: 'validation-error', errors }, workflowName: null, version: null },
      {
        ...{ ...told, workflow_name: null, version: null, state: 'rejected' },
        problem: {
          type: 'https://example.org/problems/validation-error',
          title: 'Validation Error',
          status: 400,
          detail: '/version is required; The body is odd',
          retryable: false,
          instance,
          errors,
        },
      },
    ],
    [
      'for its size',
      { rejection: { reason: 'payload-too-large', errors: [{ pointer: '', detail: 'is too large' }] } },
      {
        ...{ ...told, state: 'rejected' },
        problem: {
          type: 'https://example.org/problems/payload-too-large',
          title: 'Payload Too Large',
          status: 413,
          detail: 'The body is too large',
          retryable: false,
          instance,
        },
      },
    ],
    ...[KEY_REUSED, ID_REUSED].map((rejection): [string, Partial<Settled>, object] => [
      `because it ${rejection.errors[0]!.detail}`,
      { rejection },
      {
        ...{ ...told, state: 'rejected' },
        problem: {
          type: 'https://example.org/problems/idempotency-key-reused',
          title: 'Idempotency Key Reused',
          status: 422,
          detail: `The body ${rejection.errors[0]!.detail}`,
          retryable: false,
          instance,
        },
      },
    ]),
  ],
  failed: [
    [
      'for a reason of the database',
      { failure: '23514' },
      {
        ...{ ...told, state: 'failed' },
        problem: {
          type: 'https://example.org/problems/internal-error',
          title: 'Internal Server Error',
          status: 500,
          detail: 'The database refused this request for a reason that is not a duplicate',
          retryable: false,
          instance,
        },
      },
    ],
  ],
}

describe.each(OUTCOMES)('a request that is %s', (outcome) => {
  test.each(DOCUMENTS[outcome])('%s is told exactly so', (_name, fields, document) => {
    expect(documentOf({ ...SETTLED, ...fields, outcome }, makeProblem)).toEqual(document)
  })

  test('is told as JSON that every parser takes, however long and odd the reasons are', () => {
    for (const padding of ['', 'x']) {
      const long = Array.from({ length: 100 }, () => ({
        pointer: `/${padding}${'🚀'.repeat(99)}`,
        detail: 'x',
      }))
      const rejection = { reason: 'validation-error' as const, errors: long }
      const { problem } = documentOf({ ...SETTLED, rejection, outcome }, makeProblem)
      expect(problem?.detail.isWellFormed() ?? true).toBe(true)
      expect(problem?.detail.length ?? 0).toBeLessThanOrEqual(1_000)
    }
  })
})

test('pending is the only state that is no outcome', () => {
  expect(REQUEST_STATES.filter((state) => !OUTCOMES.some((outcome) => outcome === state))).toEqual([
    'pending',
  ])
})

test('every reason of a rejection is a problem that no retry will mend', () => {
  for (const reason of REJECTION_REASONS) expect(PROBLEM_TYPES[reason].retryable).toBe(false)
})

test('the status of each kind of problem is the one of the contract', () => {
  const STATUSES = {
    'validation-error': 400,
    'immutable-field-violation': 400,
    unauthorized: 401,
    forbidden: 403,
    'not-found': 404,
    'method-not-allowed': 405,
    'request-timeout': 408,
    conflict: 409,
    gone: 410,
    'payload-too-large': 413,
    'unsupported-media-type': 415,
    'idempotency-key-reused': 422,
    'too-many-requests': 429,
    'header-fields-too-large': 431,
    'internal-error': 500,
    unavailable: 503,
  }
  const ours = Object.entries(PROBLEM_TYPES).map(([slug, { status }]) => [slug, status])
  expect(STATUSES).toMatchObject(Object.fromEntries(ours))
})
