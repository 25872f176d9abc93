import type { RequestState } from './outcome.ts'

/** One field that is wrong: where (RFC 6901, `''` is the whole body) and what, in words for the caller. */
export interface FieldError {
  pointer: string
  detail: string
}

/** Every kind of problem a caller can meet, on whichever surface. `retryable`: the same request may succeed later. */
export const PROBLEM_TYPES = {
  'validation-error': { status: 400, title: 'Validation Error', retryable: false },
  'not-found': { status: 404, title: 'Not Found', retryable: false },
  'method-not-allowed': { status: 405, title: 'Method Not Allowed', retryable: false },
  'request-timeout': { status: 408, title: 'Request Timeout', retryable: true },
  conflict: { status: 409, title: 'Workflow Already Exists', retryable: false },
  gone: { status: 410, title: 'Gone', retryable: false },
  'payload-too-large': { status: 413, title: 'Payload Too Large', retryable: false },
  'unsupported-media-type': { status: 415, title: 'Unsupported Media Type', retryable: false },
  'idempotency-key-reused': { status: 422, title: 'Idempotency Key Reused', retryable: false },
  'header-fields-too-large': { status: 431, title: 'Request Header Fields Too Large', retryable: false },
  'internal-error': { status: 500, title: 'Internal Server Error', retryable: false },
  unavailable: { status: 503, title: 'Service Unavailable', retryable: true },
} as const satisfies Record<string, { status: number; title: string; retryable: boolean }>

export type ProblemSlug = keyof typeof PROBLEM_TYPES

/** Why a request is unacceptable, as it is stored with a `rejected` outcome. */
export const REJECTION_REASONS = [
  'validation-error',
  'payload-too-large',
  'idempotency-key-reused',
] as const satisfies readonly ProblemSlug[]
export type RejectionReason = (typeof REJECTION_REASONS)[number]

/** The workflow that holds the name and version which a request asked for. */
export interface Existing {
  workflow_id: string
  content_hash: string
  created_at: string
  href: string
}

/** RFC 9457, the same object over HTTP, in a reply and in the status of a request. */
export interface Problem {
  type: string
  title: string
  status: number
  detail: string
  instance?: string
  retryable: boolean
  request_id?: string
  errors?: readonly FieldError[]
  state?: RequestState
  content?: 'identical' | 'different'
  existing?: Existing
}

export type ProblemExtension = Omit<Problem, 'type' | 'title' | 'status' | 'detail' | 'retryable'>

export type MakeProblem = (slug: ProblemSlug, detail: string, extension?: ProblemExtension) => Problem

/** Problems whose `type` lies below `baseUrl`, which has no slash at its end. */
export function problemsAt(baseUrl: string): MakeProblem {
  return (slug, detail, extension = {}) => {
    const { status, title, retryable } = PROBLEM_TYPES[slug]
    return { type: `${baseUrl}/problems/${slug}`, title, status, detail, retryable, ...extension }
  }
}
