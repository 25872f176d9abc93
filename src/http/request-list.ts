import type { FastifyInstance } from 'fastify'
import { documentOf } from '../domain/document.ts'
import { isUuid } from '../domain/ids.ts'
import { PAGE_BYTES } from '../domain/limits.ts'
import type { Outcome } from '../domain/outcome.ts'
import type { MakeProblem } from '../domain/problem.ts'
import type { Settled } from '../domain/request.ts'
import { listWorkflowRequests } from './contract/workflow-requests.ts'
import { pageOf, placeIn } from './page.ts'
import { serve } from './serve.ts'

export interface RequestListRoutesParts {
  /** The requests that ended, the newest first. */
  list: (page: {
    outcome: Outcome | undefined
    since: Date | undefined
    before: { completedAt: Date; requestId: string } | undefined
    limit: number
  }) => Promise<Settled[]>
  makeProblem: MakeProblem
}

/** How requests ended, for operators. */
export function requestListRoutes({ list, makeProblem }: RequestListRoutesParts) {
  return async function requestList(app: FastifyInstance) {
    serve(app, listWorkflowRequests, makeProblem, async ({ query, request, reply }) => {
      const { state, since, limit, cursor } = query
      const [ms, requestId] = placeIn(cursor, [isTime, isUuid], makeProblem) ?? []
      const rows = await list({
        outcome: state,
        since: since === undefined ? undefined : new Date(since),
        before: ms && requestId ? { completedAt: new Date(Number(ms)), requestId } : undefined,
        limit: limit + 1,
      })
      const ended = fitting(rows.slice(0, limit))
      const { items, next } = pageOf(
        { request, reply },
        {
          ...{ items: ended, isLast: ended.length === rows.length, href: listWorkflowRequests.url },
          keysOf: placeOf,
        },
      )
      return { items: items.map((settled) => documentOf(settled, makeProblem)), next }
    })
  }
}

/** Two that ended in the same millisecond are told apart by their ids. */
function placeOf({ completedAt, requestId }: Settled): string[] {
  return [String(completedAt.getTime()), requestId]
}

function isTime(key: string): boolean {
  return /^\d{1,14}$/.test(key)
}

/** As many from the first on as are not too much for one answer; one at least. Long is only what was wrong with them. */
function fitting(rows: readonly Settled[]): readonly Settled[] {
  let bytes = 0
  const end = rows.findIndex(({ rejection }, index) => {
    bytes += rejection ? JSON.stringify(rejection.errors).length : 0
    return index > 0 && bytes > PAGE_BYTES
  })
  return end === -1 ? rows : rows.slice(0, end)
}
