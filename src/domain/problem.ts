import * as z from 'zod'
import { requestStateSchema } from './outcome.ts'

export const fieldErrorSchema = z
  .strictObject({
    pointer: z
      .string()
      .regex(/^(\/|$)/)
      .describe(
        'Where in the body (RFC 6901); empty: the body itself, or a header or parameter that `detail` names',
      ),
    detail: z.string().describe('What is wrong with it'),
  })
  .meta({ id: 'FieldError', description: 'One thing that is wrong with a request' })

/** One field that is wrong: where (RFC 6901, `''` is the whole body) and what, in words for the caller. */
export type FieldError = z.output<typeof fieldErrorSchema>

/** All that is wrong with a request, in one text of bounded length. */
export function detailOf(errors: readonly FieldError[]): string {
  const details = errors.map(({ pointer, detail }) => `${pointer || 'The body'} ${detail}`)
  return details.join('; ').slice(0, 1000).toWellFormed()
}

/** Every kind of problem a caller can meet, on whichever surface. `retryable`: the same request may succeed later. */
export const PROBLEM_TYPES = {
  'validation-error': { status: 400, title: 'Validation Error', retryable: false },
  'immutable-field-violation': { status: 400, title: 'Immutable Field Violation', retryable: false },
  unauthorized: { status: 401, title: 'Unauthorized', retryable: false },
  forbidden: { status: 403, title: 'Forbidden', retryable: false },
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

export const existingSchema = z
  .strictObject({
    workflow_id: z.uuid(),
    content_hash: z.string().regex(/^[0-9a-f]{64}$/),
    created_at: z.iso.datetime(),
    href: z.string().describe('Where to read it'),
  })
  .meta({ id: 'ExistingWorkflow', description: 'The workflow that holds the name and version asked for' })

/** The workflow that holds the name and version which a request asked for. */
export type Existing = z.output<typeof existingSchema>

export const problemSchema = z
  .strictObject({
    type: z.url().describe('Ends in the kind of the problem, such as `/problems/conflict`'),
    title: z.enum(Object.values(PROBLEM_TYPES).map(({ title }) => title)),
    status: z.int().min(400).max(599).describe('The status of the answer'),
    detail: z.string().describe('What happened, in words'),
    instance: z.string().optional().describe('The status of the request that this is about'),
    retryable: z.boolean().describe('Whether the same request may succeed later'),
    request_id: z.uuid().optional().describe('The request whose outcome is not known yet'),
    errors: z.array(fieldErrorSchema).min(1).max(100).readonly().optional().describe('The first 100'),
    state: requestStateSchema.optional().describe('How a request ended whose status is no longer kept'),
    content: z
      .enum(['identical', 'different'])
      .optional()
      .describe('Whether the existing workflow was asked for with the same body, in all that counts'),
    existing: existingSchema.optional(),
  })
  .meta({ id: 'Problem', description: 'RFC 9457, the same object over HTTP, in a reply and in a status' })

/** RFC 9457, the same object over HTTP, in a reply and in the status of a request. */
export type Problem = z.output<typeof problemSchema>

export type ProblemExtension = Omit<Problem, 'type' | 'title' | 'status' | 'detail' | 'retryable'>

export type MakeProblem = (slug: ProblemSlug, detail: string, extension?: ProblemExtension) => Problem

/** Problems whose `type` lies below `baseUrl`, which has no slash at its end. */
export function problemsAt(baseUrl: string): MakeProblem {
  return (slug, detail, extension = {}) => {
    const { status, title, retryable } = PROBLEM_TYPES[slug]
    return { type: `${baseUrl}/problems/${slug}`, title, status, detail, retryable, ...extension }
  }
}
