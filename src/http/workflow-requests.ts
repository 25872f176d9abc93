import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type AcceptedAt, formatAt, ownerTag, type Position, parseAt } from '../domain/accepted-at.ts'
import type { Caller } from '../domain/access.ts'
import {
  documentOf,
  goneProblem,
  pendingDocument,
  type RequestDocument,
  requestHref,
} from '../domain/document.ts'
import { isUuid } from '../domain/ids.ts'
import {
  idReused,
  type NamedRequest,
  nameOf,
  type Registered,
  type Settled,
  type ValidRequest,
} from '../domain/request.ts'
import type { TraceContext } from '../domain/trace-context.ts'
import type { Foresee } from '../dry-run.ts'
import { requestFields } from '../outcome-log.ts'
import type { OutcomeWaiters } from '../outcome-waiters.ts'
import { requestAttributes, type Span } from '../span.ts'
import type { ReadStatus, Status } from '../status.ts'
import { acceptWorkflow, getWorkflowRequest } from './contract/workflow-requests.ts'
import { bytesOf, readCreateRequest } from './create-request.ts'
import { dryRun } from './dry-run-answer.ts'
import { replyTagged } from './etag.ts'
import { answerOutcome, type OutcomeAnswerParts } from './outcome-answer.ts'
import { readWait } from './prefer.ts'
import { about, HttpProblem, RETRY_AFTER_S } from './problems.ts'
import { traceOf } from './request-spans.ts'
import { serve } from './serve.ts'

export interface WorkflowRequestRoutesParts extends OutcomeAnswerParts {
  foresee: Foresee
  /** Resolves when the broker has it, with where: `tag` stands for the log. */
  publish: (
    request: ValidRequest,
    body: Buffer,
    trace: TraceContext | undefined,
    span: Span | undefined,
  ) => Promise<Position & { tag: string }>
  readStatus: ReadStatus
  /** Released when the server closes. */
  waiters: OutcomeWaiters
}

/** The asynchronous door, and how its requests ended. */
export function workflowRequestRoutes(parts: WorkflowRequestRoutesParts) {
  const { foresee, publish, readStatus, waiters, makeProblem } = parts

  return async function workflowRequests(app: FastifyInstance) {
    app.addHook('preClose', async () => waiters.release())

    serve(app, acceptWorkflow, makeProblem, async ({ request, query, reply }) => {
      if (query.dry_run) return dryRun(readCreateRequest(request, makeProblem), { foresee, makeProblem })
      const { accepted, at } = await accept(request)
      const { requestId, acceptedAt } = accepted
      const waitS = readWait(request.headers.prefer)
      if (waitS !== undefined) {
        request.forgetBody() // the broker has it
        preferenceApplied(reply, waitS)
        await waiters.wait(requestId, at, waitS * 1000, endOf(reply))
        if (await isAnswered(accepted, at, request, reply)) return reply
      }
      return reply
        .code(202)
        .header('location', `${requestHref(requestId)}?at=${formatAt(at)}`)
        .header('retry-after', RETRY_AFTER_S)
        .send(pendingDocument(requestId, acceptedAt))
    })

    serve(app, getWorkflowRequest, makeProblem, async ({ params, query: { at: token }, request, reply }) => {
      const requestId = params.request_id.toLowerCase()
      const at = token === undefined ? undefined : parseAt(token)
      if (token !== undefined && !at)
        throw new HttpProblem(
          makeProblem('validation-error', 'The parameter at is not one that this service gave out'),
        )
      const waitS = readWait(request.headers.prefer)
      const status = await statusAfter(waitS, requestId, at, request.caller, reply)
      const document = statusDocument(requestId, status)
      if (waitS !== undefined) preferenceApplied(reply, waitS)
      if (document.state === 'pending')
        reply.header('cache-control', 'no-store').header('retry-after', RETRY_AFTER_S)
      return replyTagged(request, reply, document)
    })
  }

  /** Reads and publishes; of what was read only the name is kept, for the rest may be large and the wait long. */
  async function accept(request: FastifyRequest): Promise<{ accepted: NamedRequest; at: AcceptedAt }> {
    const create = readCreateRequest(request, makeProblem)
    const { requestId, fingerprint, principal, acceptedAt } = create
    const named = { requestId, ...nameOf(create) }
    request.span?.set(requestAttributes('async', named))
    const position = await about(requestFields('async', named), makeProblem, () =>
      publish(create, bytesOf(request), traceOf(request), request.span),
    )
    return {
      accepted: { ...named, fingerprint, principal, acceptedAt },
      at: { ...position, acceptedAt, owner: ownerTag(principal) },
    }
  }

  /** The status; where there is no outcome yet, the one that it has when the wait is over. */
  async function statusAfter(
    waitS: number | undefined,
    requestId: string,
    at: AcceptedAt | undefined,
    caller: Caller,
    reply: FastifyReply,
  ): Promise<Status> {
    if (!isUuid(requestId)) return { kind: 'unknown' }
    const status = await readStatus(requestId, at, caller)
    if (waitS === undefined || (status.kind !== 'pending' && status.kind !== 'unclear')) return status
    const position = status.kind === 'pending' ? at : undefined
    await waiters.wait(requestId, position, waitS * 1000, endOf(reply), caller)
    return readStatus(requestId, at, caller)
  }

  /** What a status says; throws the problem where there is nothing to say. */
  function statusDocument(requestId: string, status: Status): RequestDocument {
    switch (status.kind) {
      case 'settled':
        if (status.settled.purged) throw new HttpProblem(goneProblem(status.settled, makeProblem))
        return documentOf(status.settled, makeProblem)
      case 'pending':
        return {
          ...pendingDocument(requestId, status.acceptedAt),
          queue_distance: status.queueDistance,
        }
      case 'gone':
        throw new HttpProblem(
          makeProblem(
            'gone',
            status.isLogLost
              ? 'The log that took this request is no more: its outcome is not known'
              : 'How this request ended is no longer kept',
            { instance: requestHref(requestId) },
          ),
        )
      case 'unclear':
        throw new HttpProblem(
          makeProblem(
            'unavailable',
            'Requests may be waiting, and this id may be one of them: ask again later',
          ),
        )
      case 'unknown':
        throw new HttpProblem(makeProblem('not-found', 'There is no request with this id'))
    }
  }

  /** Answers as the synchronous door does, if that can be done: whatever cannot be read now, the broker has the request. */
  async function isAnswered(
    accepted: NamedRequest,
    at: AcceptedAt,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<boolean> {
    try {
      const status = await readStatus(accepted.requestId, at, request.caller)
      if (status.kind !== 'settled' || status.settled.purged) return false
      const registered = registeredAs(accepted, status.settled)
      request.span?.set(requestAttributes('async', registered))
      await answerOutcome(reply, 'async', registered, parts)
      return true
    } catch (error) {
      const fields = requestFields('async', accepted)
      request.log.warn({ ...fields, err: error }, 'cannot read yet how a request ended')
      return false
    }
  }
}

/** An outcome as the answer to this request, which may be another one than it was stored for. */
function registeredAs(request: NamedRequest, settled: Settled): Registered {
  if (settled.fingerprint !== request.fingerprint) return idReused(request, settled)
  return { ...settled, replayed: settled.acceptedAt.getTime() !== request.acceptedAt.getTime() }
}

function preferenceApplied(reply: FastifyReply, waitS: number) {
  reply.header('preference-applied', `wait=${waitS}`)
}

/** Aborted when the answer is out, or nobody is there any more to get it. `request.signal` is deaf once a body is read. */
function endOf(reply: FastifyReply): AbortSignal {
  const ended = new AbortController()
  if (reply.raw.destroyed) ended.abort()
  else reply.raw.once('close', () => ended.abort())
  return ended.signal
}
