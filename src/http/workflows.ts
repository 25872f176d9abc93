import type { FastifyInstance } from 'fastify'
import type { WorkflowRow } from '../db/catalog.ts'
import { documentOf, workflowHref } from '../domain/document.ts'
import { isUuid } from '../domain/ids.ts'
import type { MakeProblem } from '../domain/problem.ts'
import type { Registered, ValidRequest } from '../domain/request.ts'
import { logOutcome } from '../outcome-log.ts'
import { readCreateRequest } from './create-request.ts'
import { about, HttpProblem, replyProblem } from './problems.ts'

export interface WorkflowRoutesParts {
  /** `bytes`: how large its body was. */
  register: (request: ValidRequest, bytes: number) => Promise<Registered>
  workflowById: (workflowId: string) => Promise<WorkflowRow | undefined>
  makeProblem: MakeProblem
}

/** The synchronous door, and reads of the catalog. */
export function workflowRoutes({ register, workflowById, makeProblem }: WorkflowRoutesParts) {
  return async function workflows(app: FastifyInstance) {
    app.post('/api/v1/workflows', async (request, reply) => {
      const create = readCreateRequest(request, makeProblem)
      const settled = await about(create.requestId, makeProblem, () =>
        register(create, (request.body as Buffer).length),
      )
      if (settled.replayed) reply.header('idempotent-replayed', 'true')
      logOutcome(request.log, 'sync', settled)
      const { problem, workflow_id } = documentOf(settled, makeProblem)
      if (problem) return replyProblem(reply, problem)
      const workflow = await about(create.requestId, makeProblem, () => workflowById(workflow_id!))
      return reply.code(201).header('location', workflowHref(workflow_id!)).send(workflow)
    })

    app.get<{ Params: { workflowId: string } }>('/api/v1/workflows/:workflowId', async (request) => {
      const { workflowId } = request.params
      const workflow = isUuid(workflowId) ? await workflowById(workflowId) : undefined
      if (workflow) return workflow
      throw new HttpProblem(makeProblem('not-found', 'There is no workflow with this id'))
    })
  }
}
