import { sql } from 'drizzle-orm'
import type { Outcome } from '../domain/outcome.ts'
import type { FieldError, RejectionReason } from '../domain/problem.ts'
import type { Settled } from '../domain/request.ts'
import { epochMs } from './epoch-ms.ts'

/** Where a request stands among those that ended. Two that ended in the same millisecond stand by their ids. */
export interface EndedPosition {
  completedAt: Date
  requestId: string
}

/** Which of the requests that ended to list. */
export interface EndedPage {
  outcome: Outcome | undefined
  /** Those that ended then or later. */
  since: Date | undefined
  /** Those that stand before this one. */
  before: EndedPosition | undefined
  limit: number
}

export interface StoredRow extends Record<string, unknown> {
  request_id: string
  outcome: Outcome | null
  fingerprint: string
  principal: string | null
  reason: RejectionReason | null
  errors: FieldError[] | null
  failure: string | null
  workflow_name: string | null
  version: string | null
  accepted_at: number
  completed_at: number
  workflow_id: string | null
  content_hash: string
  created_at: number
  identical: boolean | null
}

/** A request whose status row is gone is still known by the workflow that it made. */
export function readSql(requestIds: readonly string[]) {
  return sql`
    select id as request_id, ${storedColumns}
    from unnest(${sql.param(requestIds)}::uuid[]) as id
    left join registration_request r on r.request_id = id
    left join workflow mine on mine.created_by_request = id
    left join workflow holder on ${isHolder}
    where r.request_id is not null or mine.workflow_id is not null`
}

export function listSql({ outcome, since, before, limit }: EndedPage) {
  const instant = (date: Date) => sql`to_timestamp(${date.getTime()}::float8 / 1000)`
  const conditions = [
    outcome && sql`outcome = ${outcome}::outcome`,
    since && sql`completed_at >= ${instant(since)}`,
    before && sql`(completed_at, request_id) < (${instant(before.completedAt)}, ${before.requestId}::uuid)`,
  ].filter((condition) => condition !== undefined)
  return sql`
    select r.request_id, ${storedColumns}
    from (
      select * from registration_request where ${sql.join([sql`true`, ...conditions], sql` and `)}
      order by completed_at desc, request_id desc limit ${limit}
    ) r
    left join workflow mine on mine.created_by_request = r.request_id
    left join workflow holder on ${isHolder}
    order by r.completed_at desc, r.request_id desc`
}

/** Of a status row `r`, the workflow that its request made, and the one that was in its way. Times come as ms since 1970. */
const storedColumns = sql.raw(`
  r.outcome, encode(coalesce(r.fingerprint, mine.request_fingerprint), 'hex') as fingerprint,
  coalesce(r.principal, mine.principal) as principal, r.reason, r.errors, r.failure,
  coalesce(r.workflow_name, mine.workflow_name) as workflow_name,
  coalesce(r.version, mine.version) as version, ${epochMs('coalesce(r.accepted_at, mine.created_at)')} as accepted_at,
  ${epochMs('coalesce(r.completed_at, mine.created_at)')} as completed_at,
  coalesce(mine.workflow_id, holder.workflow_id) as workflow_id,
  coalesce(mine.content_hash, holder.content_hash) as content_hash,
  ${epochMs('coalesce(mine.created_at, holder.created_at)')} as created_at,
  holder.request_fingerprint = r.fingerprint as identical`)

const isHolder = sql.raw(
  `holder.workflow_name = case when r.outcome = 'conflict' then r.workflow_name end and holder.version = r.version`,
)

export function settledOf(row: StoredRow): Settled {
  return {
    requestId: row.request_id,
    fingerprint: row.fingerprint,
    principal: row.principal,
    outcome: row.outcome ?? 'created',
    rejection: row.reason && { reason: row.reason, errors: row.errors ?? [] },
    failure: row.failure,
    workflowName: row.workflow_name,
    version: row.version,
    entry: row.workflow_id
      ? { workflowId: row.workflow_id, contentHash: row.content_hash, createdAt: new Date(row.created_at) }
      : null,
    identical: row.identical ?? false,
    acceptedAt: new Date(row.accepted_at),
    completedAt: new Date(row.completed_at),
    purged: row.outcome === null,
  }
}
