import type { FastifyReply } from 'fastify'
import type { WorkflowRow } from '../db/catalog.ts'
import { documentOf, workflowHref } from '../domain/document.ts'
import type { Door } from '../domain/door.ts'
import type { MakeProblem } from '../domain/problem.ts'
import type { CatalogEntry, Registered, ValidRequest } from '../domain/request.ts'
import { requestFields } from '../outcome-log.ts'
import { about, replyProblem } from './problems.ts'

export interface OutcomeAnswerParts {
  workflowById: (workflowId: string) => Promise<WorkflowRow | undefined>
  makeProblem: MakeProblem
}

/** The row that a request made, equal to what is stored. */
export function rowMadeBy(
  { workflow, requestId, fingerprint, principal }: ValidRequest,
  { workflowId, createdAt }: CatalogEntry,
): WorkflowRow {
  const { owner = null, maintainer = null, container_image = null, container_digest = null } = workflow
  return {
    workflow_id: workflowId,
    ...workflow,
    ...{ owner, maintainer, container_image, container_digest },
    status_reason: null,
    created_at: createdAt,
    updated_at: createdAt,
    created_by_request: requestId,
    request_fingerprint: fingerprint,
    principal,
  }
}

/** Answers with how a request ended: 201 and the workflow that it made, or the problem. */
export async function answerOutcome(
  reply: FastifyReply,
  door: Door,
  registered: Registered,
  { workflowById, makeProblem }: OutcomeAnswerParts,
) {
  const { problem, workflow_id } = documentOf(registered, makeProblem)
  const fields = requestFields(door, registered)
  const workflow = workflow_id && (await about(fields, makeProblem, () => workflowById(workflow_id)))
  if (registered.replayed) reply.header('idempotent-replayed', 'true')
  if (problem) return replyProblem(reply, problem)
  return reply.code(201).header('location', workflowHref(workflow_id!)).send(workflow)
}
