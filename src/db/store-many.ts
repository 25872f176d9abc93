import { sql } from 'drizzle-orm'
import type { Outcome } from '../domain/outcome.ts'
import type { LogProgress } from '../domain/progress.ts'
import {
  conflictWith,
  createdBy,
  type Holder,
  KEY_REUSED,
  type Settled,
  type ValidRequest,
} from '../domain/request.ts'
import type { NewWorkflow } from '../domain/workflow.ts'
import { epochMs } from './epoch-ms.ts'
import { moveProgress } from './progress.ts'
import { arrays, type BatchRow, BODY, HEAD, names } from './request-columns.ts'

/**
 * The rows go in sorted by their unique key, so that rivals wait for each other in one order and never in a circle.
 * The status rows go in without ON CONFLICT: a rival that stored the same id or key in the meantime must undo the
 * workflows too. Each step reads from the one before it, because PostgreSQL promises no other order. What looks into a
 * table does so for one row at a time, by index: the plan that is kept must not read the whole of it.
 */
export function storeManySql(rows: readonly BatchRow[], progress: readonly LogProgress[]) {
  return sql`
    with input as materialized (
      select * from unnest(${arrays(HEAD, rows)}) with ordinality as input(${names(HEAD)}, ord)
    ), fresh as materialized (
      select distinct on (request_id) * from input
      where (select true from registration_request r where r.request_id = input.request_id) is null
        and (select true from workflow w where w.created_by_request = input.request_id) is null
      order by request_id, ord
    ), judged as materialized (
      select fresh.*, fresh.idempotency_key is not null and (
          row_number() over (partition by fresh.idempotency_key order by ord) > 1
          or (select true from registration_request r where r.idempotency_key = fresh.idempotency_key) is not null
        ) as key_reused
      from fresh
    ), first as materialized (
      select distinct on (workflow_name, version) * from judged
      where reason is null and not key_reused
      order by workflow_name, version, ord
    ), made as (
      insert into workflow (workflow_id, workflow_name, version, name, description, content, content_hash,
        execution_engine, labels, custom_labels, detected_labels, parameters, owner, maintainer, container_image,
        container_digest, status, created_by_request, request_fingerprint, principal)
      select b.workflow_id, first.workflow_name, first.version, b.name, b.description, b.content, b.content_hash,
        b.execution_engine::execution_engine, b.labels, b.custom_labels, b.detected_labels, b.parameters, b.owner,
        b.maintainer, b.container_image, b.container_digest, b.status::workflow_status, first.request_id,
        first.fingerprint, first.principal
      from first join unnest(${arrays(BODY, rows)}) with ordinality as b(${names(BODY)}, ord) using (ord)
      order by first.workflow_name collate "C", first.version collate "C"
      on conflict (workflow_name, version) do nothing
      returning created_by_request
    ), stored as (
      insert into registration_request (request_id, fingerprint, idempotency_key, outcome, reason, errors,
        workflow_name, version, principal, accepted_at)
      select request_id, fingerprint, case when not key_reused then idempotency_key end,
        case when key_reused or reason is not null then 'rejected'
          when request_id in (select created_by_request from made) then 'created' else 'conflict' end::outcome,
        case when key_reused then 'idempotency-key-reused' else reason end::rejection_reason,
        case when key_reused then ${JSON.stringify(KEY_REUSED.errors)}::jsonb else errors end,
        workflow_name, version, principal, accepted_at::timestamptz
      from judged
      order by request_id
      returning request_id, outcome, workflow_name, version, fingerprint, completed_at
    ), progressed as (
      ${moveProgress(progress, sql`(select count(*) from stored) as done`)}
    )
    select stored.request_id, stored.outcome, ${sql.raw(epochMs('stored.completed_at'))} as completed_at, holder.*
    from stored left join lateral (
      select workflow_id, content_hash, ${sql.raw(epochMs('created_at'))} as created_at,
        request_fingerprint = stored.fingerprint as identical
      from workflow w
      where stored.outcome = 'conflict' and w.workflow_name = stored.workflow_name and w.version = stored.version
      limit 1
    ) holder on true`
}

/** A request whose outcome was stored; with the workflow that was in its way, where the statement saw it. */
export interface EndedRow extends Record<string, unknown> {
  request_id: string
  outcome: Outcome
  completed_at: number
  workflow_id: string | null
  /** Null without it, like those that follow. */
  content_hash: string
  created_at: number
  identical: boolean
}

/** How the requests of a batch ended that made a workflow or met one, by id; undefined where that is not told. */
export function endedOf(
  batch: readonly BatchRow[],
  ended: readonly EndedRow[],
): Map<string, Settled | undefined> {
  const requests = new Map(batch.toReversed().map((row) => [row.request.requestId, row]))
  const made = new Map<string, Settled>()
  const told = new Map<string, Settled | undefined>()
  for (const row of ended) {
    const { request, workflowId } = requests.get(row.request_id)!
    if (row.outcome !== 'created' || !request.workflow) continue
    const created = createdBy(request, { workflowId, completedAt: new Date(row.completed_at) })
    made.set(keyOf(request.workflow), created)
    told.set(row.request_id, created)
  }
  for (const row of ended) {
    if (row.outcome === 'created') continue
    const { request } = requests.get(row.request_id)!
    const isConflict = row.outcome === 'conflict' && request.workflow
    const holder = isConflict ? holderOf(row, request, made) : undefined
    told.set(
      row.request_id,
      isConflict && holder ? conflictWith(holder, request, new Date(row.completed_at)) : undefined,
    )
  }
  return told
}

function holderOf(
  row: EndedRow,
  request: ValidRequest,
  made: ReadonlyMap<string, Settled>,
): Holder | undefined {
  if (row.workflow_id !== null)
    return {
      entry: {
        workflowId: row.workflow_id,
        contentHash: row.content_hash,
        createdAt: new Date(row.created_at),
      },
      identical: row.identical,
    }
  const first = made.get(keyOf(request.workflow))
  return first?.entry
    ? { entry: first.entry, identical: first.fingerprint === request.fingerprint }
    : undefined
}

const keyOf = ({ workflow_name, version }: NewWorkflow) => `${version} ${workflow_name}`
