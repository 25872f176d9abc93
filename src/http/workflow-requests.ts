import type { FastifyInstance } from 'fastify'
import { formatAt, type Position, parseAt } from '../domain/accepted-at.ts'
import { documentOf, goneProblem, type RequestDocument, requestHref } from '../domain/document.ts'
import { isUuid } from '../domain/ids.ts'
import type { MakeProblem } from '../domain/problem.ts'
import type { ValidRequest } from '../domain/request.ts'
import type { ReadStatus } from '../status.ts'
import { readCreateRequest } from './create-request.ts'
import { about, HttpProblem, RETRY_AFTER_S } from './problems.ts'

export interface WorkflowRequestRoutesParts {
  /** Resolves when the broker has it. */
  publish: (request: ValidRequest, body: Buffer) => Promise<Position>
  readStatus: ReadStatus
  /** Stands for the log that `publish` writes to. */
  logTag: string
  makeProblem: MakeProblem
}

/** The asynchronous door, and how its requests ended. */
export function workflowRequestRoutes({
  publish,
  readStatus,
  logTag,
  makeProblem,
}: WorkflowRequestRoutesParts) {
  return async function workflowRequests(app: FastifyInstance) {
    app.post('/api/v1/workflow-requests', async (request, reply) => {
      const create = readCreateRequest(request, makeProblem)
      const { requestId, acceptedAt } = create
      const position = await about(requestId, makeProblem, () => publish(create, request.body as Buffer))
      const at = formatAt({ tag: logTag, ...position, acceptedAt })
      return reply
        .code(202)
        .header('location', `${requestHref(requestId)}?at=${at}`)
        .header('retry-after', RETRY_AFTER_S)
        .send(pendingDocument(requestId, acceptedAt))
    })

    app.get<{ Params: { requestId: string }; Querystring: { at?: string | string[] } }>(
      '/api/v1/workflow-requests/:requestId',
      async (request, reply) => {
        const requestId = request.params.requestId.toLowerCase()
        const token = request.query.at
        const at = token === undefined ? undefined : parseAt(String(token))
        if (token !== undefined && !at)
          throw new HttpProblem(
            makeProblem('validation-error', 'The parameter at is not one that this service gave out'),
          )
        const status = isUuid(requestId) ? await readStatus(requestId, at) : ({ kind: 'unknown' } as const)
        switch (status.kind) {
          case 'settled':
            if (status.settled.purged) throw new HttpProblem(goneProblem(status.settled, makeProblem))
            return documentOf(status.settled, makeProblem)
          case 'pending':
            return reply
              .header('cache-control', 'no-store')
              .header('retry-after', RETRY_AFTER_S)
              .send({
                ...pendingDocument(requestId, status.acceptedAt),
                queue_distance: status.queueDistance,
              })
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
                'Requests are waiting, and this id may be one of them: ask again later',
              ),
            )
          case 'unknown':
            throw new HttpProblem(makeProblem('not-found', 'There is no request with this id'))
        }
      },
    )
  }
}

function pendingDocument(requestId: string, acceptedAt: Date): RequestDocument {
  return {
    request_id: requestId,
    state: 'pending',
    workflow_name: null,
    version: null,
    accepted_at: acceptedAt.toISOString(),
    completed_at: null,
  }
}
