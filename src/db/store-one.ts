import { sql } from 'drizzle-orm'
import type { LogProgress } from '../domain/progress.ts'
import { type Lost, nameOf, type RegistrationRequest, type ValidRequest } from '../domain/request.ts'
import { epochMs } from './epoch-ms.ts'
import { moveProgress } from './progress.ts'
import { BODY, names } from './request-columns.ts'

/** Its values stand alone, and not in a record: to plan that would take longer than to store it. */
export function storeCreatedSql(request: ValidRequest, workflowId: string, progress: readonly LogProgress[]) {
  const { workflow_name, version } = request.workflow
  const body = Object.values(BODY).map(({ of }) => sql`${of({ request, workflowId })}`)
  return sql`
    with made as (
      insert into workflow (workflow_name, version, created_by_request, request_fingerprint, principal, ${names(BODY)})
      values (${workflow_name}, ${version}, ${request.requestId}, decode(${request.fingerprint}, 'hex'),
        ${request.principal}, ${sql.join(body, sql`, `)})
      returning workflow_name, version, principal
    ), stored as (
      insert into registration_request (request_id, fingerprint, idempotency_key, outcome, workflow_name, version,
        principal, accepted_at)
      select ${request.requestId}::uuid, decode(${request.fingerprint}, 'hex'), ${request.idempotencyKey}::uuid,
        'created', workflow_name, version, principal, ${request.acceptedAt.toISOString()}::timestamptz
      from made
      returning completed_at
    ), progressed as (
      ${moveProgress(progress, sql`(select count(*) from stored) as done`)}
    )
    select ${sql.raw(epochMs('completed_at'))} as completed_at from stored`
}

/** A request whose workflow stands in the catalog is never stored as lost, whoever says so. */
export function storeLostSql(
  request: RegistrationRequest,
  { outcome, rejection, failure }: Lost,
  progress: readonly LogProgress[],
) {
  const { workflowName, version } = nameOf(request)
  return sql`
    with stored as (
      insert into registration_request (request_id, fingerprint, idempotency_key, outcome, reason, errors, failure,
        workflow_name, version, principal, accepted_at)
      select ${request.requestId}::uuid, decode(${request.fingerprint}, 'hex'),
        ${outcome === 'rejected' ? null : request.idempotencyKey}::uuid, ${outcome}::outcome,
        ${rejection?.reason ?? null}::rejection_reason, ${rejection ? JSON.stringify(rejection.errors) : null}::jsonb,
        ${failure ?? null}, ${workflowName}, ${version}, ${request.principal}, ${request.acceptedAt.toISOString()}::timestamptz
      where not exists (select from workflow where created_by_request = ${request.requestId}::uuid)
      on conflict (request_id) do nothing
      returning request_id
    ), progressed as (
      ${moveProgress(progress, sql`(select count(*) from stored) as done`)}
    )
    select request_id from stored`
}
