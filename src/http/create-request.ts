import type { FastifyRequest } from 'fastify'
import { parseItem } from 'structured-headers'
import { readBody } from '../domain/body.ts'
import { documentOf } from '../domain/document.ts'
import { keyedRequestId, newId, storedKey } from '../domain/ids.ts'
import type { MakeProblem } from '../domain/problem.ts'
import type { ValidRequest } from '../domain/request.ts'
import { HttpProblem } from './problems.ts'

/** Callers are not told apart: all idempotency keys live in one scope. */
const SCOPE = ''

/** The valid request in a POST, the same at both doors. Throws the problem when there is none; nothing was stored. */
export function readCreateRequest(request: FastifyRequest, makeProblem: MakeProblem): ValidRequest {
  const key = readIdempotencyKey(request.headers['idempotency-key'], makeProblem)
  const body = readBody(request.body instanceof Buffer ? request.body : Buffer.alloc(0))
  const { fingerprint } = body
  const common = {
    requestId: key === undefined ? newId() : keyedRequestId(SCOPE, key, fingerprint),
    fingerprint,
    idempotencyKey: key === undefined ? null : storedKey(SCOPE, key),
    acceptedAt: new Date(),
  }
  if (body.kind === 'valid') return { ...common, workflow: body.workflow }

  const { rejection, workflowName, version } = body
  const rejected = { ...common, outcome: 'rejected', rejection, workflowName, version } as const
  const unstored = {
    purged: false,
    failure: null,
    entry: null,
    identical: false,
    completedAt: common.acceptedAt,
  }
  const { instance: _notStored, ...problem } = documentOf({ ...rejected, ...unstored }, makeProblem).problem!
  throw new HttpProblem(problem)
}

/** A structured-field string, or a bare token; at most 255 characters either way. */
function readIdempotencyKey(
  header: string | string[] | undefined,
  makeProblem: MakeProblem,
): string | undefined {
  if (header === undefined) return undefined
  const text = String(header)
  let key: unknown = /^[\x21-\x7e]{1,255}$/.test(text) ? text : undefined
  if (text.startsWith('"')) {
    try {
      ;[key] = parseItem(text)
    } catch {
      key = undefined
    }
  }
  if (typeof key === 'string' && key.length > 0 && key.length <= 255) return key
  throw new HttpProblem(
    makeProblem(
      'validation-error',
      'Idempotency-Key must be a quoted text or a token of 1 to 255 characters',
      {
        errors: [{ pointer: '', detail: 'the header Idempotency-Key cannot be read' }],
      },
    ),
  )
}
