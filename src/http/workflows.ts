import type { FastifyInstance } from 'fastify'
import type { WorkflowRow } from '../db/catalog.ts'
import type { MakeProblem } from '../domain/problem.ts'
import { nameOf, type Registered, type ValidRequest } from '../domain/request.ts'
import type { Foresee } from '../dry-run.ts'
import { requestFields, type TellOutcome } from '../outcome-log.ts'
import { registering, requestAttributes, traced } from '../span.ts'
import { createWorkflow } from './contract/workflows.ts'
import { bytesOf, readCreateRequest } from './create-request.ts'
import { dryRun } from './dry-run-answer.ts'
import { answerOutcome, rowMadeBy } from './outcome-answer.ts'
import { about } from './problems.ts'
import { serve } from './serve.ts'

export interface WorkflowRoutesParts {
  /** `bytes`: how large its body was. */
  register: (request: ValidRequest, bytes: number) => Promise<Registered>
  tellOutcome: TellOutcome
  foresee: Foresee
  workflowById: (workflowId: string) => Promise<WorkflowRow | undefined>
  makeProblem: MakeProblem
}

/** The synchronous door. */
export function workflowRoutes({
  register,
  tellOutcome,
  foresee,
  workflowById,
  makeProblem,
}: WorkflowRoutesParts) {
  return async function workflows(app: FastifyInstance) {
    serve(app, createWorkflow, makeProblem, async ({ request, query, reply }) => {
      const create = readCreateRequest(request, makeProblem)
      if (query.dry_run) return dryRun(create, { foresee, makeProblem })
      const named = { requestId: create.requestId, ...nameOf(create) }
      request.span?.set(requestAttributes('sync', named))
      const registered = await about(requestFields('sync', named), makeProblem, () =>
        traced(request.span?.begin(registering(1)), () => register(create, bytesOf(request).length)),
      )
      request.span?.set(requestAttributes('sync', registered))
      tellOutcome(request.log, registered)
      const { outcome, entry, replayed } = registered
      const isNew = outcome === 'created' && !replayed // one of before may have another status by now
      return answerOutcome(reply, 'sync', registered, {
        workflowById: isNew && entry ? async () => rowMadeBy(create, entry) : workflowById,
        makeProblem,
      })
    })
  }
}
