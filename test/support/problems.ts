import { expect } from 'vitest'
import type { Answer } from './http.ts'

/** The problems as they are published, each with its status. */
export const STATUS_OF = {
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
  'header-fields-too-large': 431,
  'internal-error': 500,
  unavailable: 503,
} as const

/** Sees to it that an answer is this problem in every respect that all problems share, and answers its body. */
export function expectProblem(
  answer: Pick<Answer, 'status' | 'headers' | 'body'>,
  slug: keyof typeof STATUS_OF,
) {
  const { status, body, headers } = answer
  expect({ status, body }).toMatchObject({
    status: STATUS_OF[slug],
    body: {
      status: STATUS_OF[slug],
      type: expect.stringMatching(new RegExp(`^https?://.+/problems/${slug}$`)),
    },
  })
  expect(headers.get('content-type')).toMatch(/^application\/problem\+json(;|$)/)
  expectProblemShape(body)
  return body
}

const OPTIONAL = ['instance', 'request_id', 'errors', 'content', 'existing', 'state']

/** Whether a problem has the members it must have, none that nobody knows, and only texts that any parser takes. */
export function expectProblemShape(problem: Record<string, unknown>) {
  const { type, title, status, detail, retryable, ...rest } = problem
  const slug = String(type).slice(String(type).lastIndexOf('/') + 1)
  expect(STATUS_OF).toHaveProperty(slug, status)
  expect(title).toMatch(/^[A-Z]/)
  expect(detail).toMatch(/\S/)
  expect(retryable).toBe(status === 408 || status === 503)
  expect(Object.keys(rest).filter((member) => !OPTIONAL.includes(member))).toEqual([])
  expect(textsIn(problem).filter((text) => !text.isWellFormed() || text.includes('\0'))).toEqual([])
  if (slug === 'immutable-field-violation') expect(rest.errors).toBeDefined()
  if (['validation-error', 'immutable-field-violation'].includes(slug) && rest.errors !== undefined) {
    expect(rest.errors).not.toEqual([])
    for (const error of rest.errors as Record<string, unknown>[]) {
      expect(Object.keys(error).sort()).toEqual(['detail', 'pointer'])
      expect(error.pointer).toMatch(/^(\/|$)/)
      expect(error.detail).toMatch(/\S/)
    }
  } else expect(rest.errors).toBeUndefined()
}

function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, child]) => [name, ...textsIn(child)])
}
