import type { FastifyRequest } from 'fastify'
import { parseItem } from 'structured-headers'
import type { Caller } from '../domain/access.ts'
import { readBody } from '../domain/body.ts'
import { rejectionProblem } from '../domain/document.ts'
import { keyedRequestId, keyScope, newId, storedKey } from '../domain/ids.ts'
import type { MakeProblem } from '../domain/problem.ts'
import type { ValidRequest } from '../domain/request.ts'
import { HttpProblem } from './problems.ts'

/** The valid request in a POST, the same at both doors. Throws the problem when there is none; nothing was stored. */
export function readCreateRequest(request: FastifyRequest, makeProblem: MakeProblem): ValidRequest {
  const key = readIdempotencyKey(request, makeProblem)
  const body = readBody(bytesOf(request))
  if (body.kind === 'valid') return createRequest(body, request.caller, key)
  throw new HttpProblem(rejectionProblem(body.rejection, makeProblem))
}

/**
 * The request to register what a body asks for, under the caller's key where there is one; `place` tells apart what
 * comes together under one key.
 */
export function createRequest(
  { workflow, fingerprint }: Pick<ValidRequest, 'workflow' | 'fingerprint'>,
  { principal }: Pick<Caller, 'principal'>,
  key: string | undefined,
  place?: string,
): ValidRequest {
  const scope = keyScope(principal, place)
  return {
    requestId: key === undefined ? newId() : keyedRequestId(scope, key, fingerprint),
    fingerprint,
    idempotencyKey: key === undefined ? null : storedKey(scope, key),
    principal,
    acceptedAt: new Date(),
    workflow,
  }
}

/** The body as it came; no bytes when there was none. */
export function bytesOf({ body }: FastifyRequest): Buffer {
  return body instanceof Buffer ? body : Buffer.alloc(0)
}

/** A structured-field string, or a bare token; 1 to 255 characters either way. Undefined when there is no such header. */
export function readIdempotencyKey(
  { headers }: FastifyRequest,
  makeProblem: MakeProblem,
): string | undefined {
  const header = headers['idempotency-key']
  if (header === undefined) return undefined
  const text = String(header)
  const key = text.startsWith('"') ? quotedIn(text) : /^[\x21-\x7e]+$/.exec(text)?.[0]
  if (key && key.length <= 255) return key
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

function quotedIn(text: string): string | undefined {
  try {
    const [value, parameters] = parseItem(text)
    return typeof value === 'string' && parameters.size === 0 ? value : undefined
  } catch {
    return undefined
  }
}
