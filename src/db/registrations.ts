import { sql } from 'drizzle-orm'
import { newId } from '../domain/ids.ts'
import type { Outcome } from '../domain/outcome.ts'
import type { FieldError, RejectionReason } from '../domain/problem.ts'
import type { LogProgress } from '../domain/progress.ts'
import type { Lost, RegistrationRequest, Settled, ValidRequest } from '../domain/request.ts'
import { createdBy, KEY_REUSED, nameOf } from '../domain/request.ts'
import type { NewWorkflow } from '../domain/workflow.ts'
import { type ArrayType, binaryArray } from './binary-array.ts'
import { epochMs } from './epoch-ms.ts'
import { type Db, executeNamed } from './open.ts'
import { moveProgress } from './progress.ts'

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

/** Everything that `register` asks of PostgreSQL. Each call is one statement, and so one transaction. */
export function registrations(db: Db) {
  return {
    /**
     * Stores the outcomes of up to 500 requests at once and moves the progress. Answers the ids it stored, each with
     * its outcome where it made a workflow: the others were there before. Fails whole where any row meets a constraint
     * other than the one on name and version.
     */
    async storeMany(
      requests: readonly RegistrationRequest[],
      progress: readonly LogProgress[],
    ): Promise<Map<string, Settled | undefined>> {
      const rows = requests.map((request) => ({ request, workflowId: newId() }))
      const stored = await db.execute<EndedRow>(storeManySql(rows, progress))
      const firsts = new Map(rows.toReversed().map((row) => [row.request.requestId, row]))
      return new Map(
        stored.rows.map(({ request_id, outcome, completed_at }) => {
          const { request, workflowId } = firsts.get(request_id)!
          if (outcome !== 'created' || !request.workflow) return [request_id, undefined]
          return [request_id, createdBy(request, { workflowId, completedAt: new Date(completed_at) })]
        }),
      )
    },

    /** Stores one workflow and that its request made it; PostgreSQL refuses what is taken, with 23505. */
    async storeCreated(request: ValidRequest, progress: readonly LogProgress[]): Promise<Settled> {
      const workflowId = newId()
      const statement = storeCreatedSql(request, workflowId, progress)
      const name = progress.length > 0 ? 'store created and progress' : 'store created'
      const { rows } = await executeNamed<EndedRow>(db, name, statement)
      return createdBy(request, { workflowId, completedAt: new Date(rows[0]!.completed_at) })
    },

    /** Stores that a request made no workflow. False when the request was there before. */
    async storeLost(
      request: RegistrationRequest,
      lost: Lost,
      progress: readonly LogProgress[],
    ): Promise<boolean> {
      const { rows } = await db.execute(storeLostSql(request, lost, progress))
      return rows.length > 0
    },

    /** Whether a connection, a fresh one where need be, answers. */
    async answers(): Promise<boolean> {
      try {
        await db.execute(sql`select 1`)
        return true
      } catch {
        return false
      }
    },

    /** What is stored for these ids, by id. An id that no row knows is absent. */
    async read(requestIds: readonly string[]): Promise<Map<string, Settled>> {
      const { rows } = await db.execute<StoredRow>(readSql(requestIds))
      return new Map(rows.map((row) => [row.request_id, settledOf(row)]))
    },

    /** What is stored of the requests that ended last, the newest first. */
    async list(page: EndedPage): Promise<Settled[]> {
      const { rows } = await db.execute<StoredRow>(listSql(page))
      return rows.map(settledOf)
    },
  }
}

/**
 * The rows go in sorted by their unique key, so that rivals wait for each other in one order and never in a circle.
 * The status rows go in without ON CONFLICT: a rival that stored the same id or key in the meantime must undo the
 * workflows too. Each step reads from the one before it, because PostgreSQL promises no other order.
 */
function storeManySql(rows: readonly BatchRow[], progress: readonly LogProgress[]) {
  return sql`
    with input as materialized (
      select * from unnest(${arrays(HEAD, rows)}) with ordinality as input(${names(HEAD)}, ord)
    ), fresh as materialized (
      select distinct on (request_id) * from input
      where not exists (select from registration_request r where r.request_id = input.request_id)
        and not exists (select from workflow w where w.created_by_request = input.request_id)
      order by request_id, ord
    ), judged as materialized (
      select fresh.*, fresh.idempotency_key is not null and (
          row_number() over (partition by fresh.idempotency_key order by ord) > 1
          or exists (select from registration_request r where r.idempotency_key = fresh.idempotency_key)
        ) as key_reused
      from fresh
    ), first as materialized (
      select distinct on (workflow_name, version) * from judged
      where reason is null and not key_reused
      order by workflow_name, version, ord
    ), made as (
      insert into workflow (workflow_id, workflow_name, version, name, description, content, content_hash,
        execution_engine, labels, custom_labels, detected_labels, parameters, owner, maintainer, container_image,
        container_digest, status, created_by_request, request_fingerprint)
      select b.workflow_id, first.workflow_name, first.version, b.name, b.description, b.content, b.content_hash,
        b.execution_engine::execution_engine, b.labels, b.custom_labels, b.detected_labels, b.parameters, b.owner,
        b.maintainer, b.container_image, b.container_digest, b.status::workflow_status, first.request_id,
        first.fingerprint
      from first join unnest(${arrays(BODY, rows)}) with ordinality as b(${names(BODY)}, ord) using (ord)
      order by first.workflow_name collate "C", first.version collate "C"
      on conflict (workflow_name, version) do nothing
      returning created_by_request
    ), stored as (
      insert into registration_request (request_id, fingerprint, idempotency_key, outcome, reason, errors,
        workflow_name, version, accepted_at)
      select request_id, fingerprint, case when not key_reused then idempotency_key end,
        case when key_reused or reason is not null then 'rejected'
          when request_id in (select created_by_request from made) then 'created' else 'conflict' end::outcome,
        case when key_reused then 'idempotency-key-reused' else reason end::rejection_reason,
        case when key_reused then ${JSON.stringify(KEY_REUSED.errors)}::jsonb else errors end,
        workflow_name, version, accepted_at::timestamptz
      from judged
      order by request_id
      returning request_id, outcome, completed_at
    ), progressed as (
      ${moveProgress(progress, sql`(select count(*) from stored) as done`)}
    )
    select ${endedColumns} from stored`
}

interface EndedRow extends Record<string, unknown> {
  request_id: string
  outcome: Outcome
  completed_at: number
}

const endedColumns = sql.raw(`request_id, outcome, ${epochMs('completed_at')} as completed_at`)

/** A request of a batch, with the id of the workflow that it may make. */
interface BatchRow {
  request: RegistrationRequest
  workflowId: string
}

/** A column of a batch, and what each row has there. */
interface Column {
  type: ArrayType
  of: (row: BatchRow) => string | null
}

/** Of every request. */
const HEAD: Readonly<Record<string, Column>> = {
  request_id: { type: 'uuid', of: ({ request }) => request.requestId },
  fingerprint: { type: 'bytea', of: ({ request }) => request.fingerprint },
  idempotency_key: {
    type: 'uuid',
    of: ({ request }) => (request.workflow ? request.idempotencyKey : null),
  },
  accepted_at: { type: 'text', of: ({ request }) => request.acceptedAt.toISOString() },
  reason: { type: 'text', of: ({ request }) => request.rejection?.reason ?? null },
  errors: {
    type: 'jsonb',
    of: ({ request }) => (request.rejection ? JSON.stringify(request.rejection.errors) : null),
  },
  workflow_name: { type: 'text', of: ({ request }) => nameOf(request).workflowName },
  version: { type: 'text', of: ({ request }) => nameOf(request).version },
}

type Field = Exclude<keyof NewWorkflow, 'workflow_name' | 'version'>

const textOf = (field: Field): Column => ({
  type: 'text',
  of: ({ request: { workflow } }) => (workflow?.[field] as string | undefined) ?? null,
})
const jsonOf = (field: Field): Column => ({
  type: 'jsonb',
  of: ({ request: { workflow } }) => (workflow ? JSON.stringify(workflow[field]) : null),
})

/** What is wide, and read only of what goes into the catalog. */
const BODY: Readonly<Record<Field | 'workflow_id', Column>> = {
  workflow_id: { type: 'uuid', of: ({ workflowId }) => workflowId },
  name: textOf('name'),
  description: textOf('description'),
  content: textOf('content'),
  content_hash: textOf('content_hash'),
  execution_engine: textOf('execution_engine'),
  labels: jsonOf('labels'),
  custom_labels: jsonOf('custom_labels'),
  detected_labels: jsonOf('detected_labels'),
  parameters: jsonOf('parameters'),
  owner: textOf('owner'),
  maintainer: textOf('maintainer'),
  container_image: textOf('container_image'),
  container_digest: textOf('container_digest'),
  status: textOf('status'),
}

const names = (columns: Readonly<Record<string, Column>>) => sql.raw(Object.keys(columns).join(', '))

function arrays(columns: Readonly<Record<string, Column>>, rows: readonly BatchRow[]) {
  return sql.join(
    Object.values(columns).map(({ type, of }) => sql`${binaryArray(type, rows.map(of))}::${sql.raw(type)}[]`),
    sql`, `,
  )
}

/** Its values stand alone, and not in a record: to plan that would take longer than to store it. */
function storeCreatedSql(request: ValidRequest, workflowId: string, progress: readonly LogProgress[]) {
  const { workflow_name, version } = request.workflow
  const body = Object.values(BODY).map(({ of }) => sql`${of({ request, workflowId })}`)
  return sql`
    with made as (
      insert into workflow (workflow_name, version, created_by_request, request_fingerprint, ${names(BODY)})
      values (${workflow_name}, ${version}, ${request.requestId}, decode(${request.fingerprint}, 'hex'),
        ${sql.join(body, sql`, `)})
      returning workflow_name, version
    ), stored as (
      insert into registration_request (request_id, fingerprint, idempotency_key, outcome, workflow_name, version,
        accepted_at)
      select ${request.requestId}::uuid, decode(${request.fingerprint}, 'hex'), ${request.idempotencyKey}::uuid,
        'created', workflow_name, version, ${request.acceptedAt.toISOString()}::timestamptz
      from made
      returning request_id, outcome, completed_at
    ), progressed as (
      ${moveProgress(progress, sql`(select count(*) from stored) as done`)}
    )
    select ${endedColumns} from stored`
}

/** A request whose workflow stands in the catalog is never stored as lost, whoever says so. */
function storeLostSql(
  request: RegistrationRequest,
  { outcome, rejection, failure }: Lost,
  progress: readonly LogProgress[],
) {
  const { workflowName, version } = nameOf(request)
  return sql`
    with stored as (
      insert into registration_request (request_id, fingerprint, idempotency_key, outcome, reason, errors, failure,
        workflow_name, version, accepted_at)
      select ${request.requestId}::uuid, decode(${request.fingerprint}, 'hex'),
        ${outcome === 'rejected' ? null : request.idempotencyKey}::uuid, ${outcome}::outcome,
        ${rejection?.reason ?? null}::rejection_reason, ${rejection ? JSON.stringify(rejection.errors) : null}::jsonb,
        ${failure ?? null}, ${workflowName}, ${version}, ${request.acceptedAt.toISOString()}::timestamptz
      where not exists (select from workflow where created_by_request = ${request.requestId}::uuid)
      on conflict (request_id) do nothing
      returning request_id
    ), progressed as (
      ${moveProgress(progress, sql`(select count(*) from stored) as done`)}
    )
    select request_id from stored`
}

interface StoredRow extends Record<string, unknown> {
  request_id: string
  outcome: Outcome | null
  fingerprint: string
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
function readSql(requestIds: readonly string[]) {
  return sql`
    select id as request_id, ${storedColumns}
    from unnest(${sql.param(requestIds)}::uuid[]) as id
    left join registration_request r on r.request_id = id
    left join workflow mine on mine.created_by_request = id
    left join workflow holder on ${isHolder}
    where r.request_id is not null or mine.workflow_id is not null`
}

function listSql({ outcome, since, before, limit }: EndedPage) {
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
  r.outcome, encode(coalesce(r.fingerprint, mine.request_fingerprint), 'hex') as fingerprint, r.reason, r.errors,
  r.failure, coalesce(r.workflow_name, mine.workflow_name) as workflow_name,
  coalesce(r.version, mine.version) as version, ${epochMs('coalesce(r.accepted_at, mine.created_at)')} as accepted_at,
  ${epochMs('coalesce(r.completed_at, mine.created_at)')} as completed_at,
  coalesce(mine.workflow_id, holder.workflow_id) as workflow_id,
  coalesce(mine.content_hash, holder.content_hash) as content_hash,
  ${epochMs('coalesce(mine.created_at, holder.created_at)')} as created_at,
  holder.request_fingerprint = r.fingerprint as identical`)

const isHolder = sql.raw(
  `holder.workflow_name = case when r.outcome = 'conflict' then r.workflow_name end and holder.version = r.version`,
)

function settledOf(row: StoredRow): Settled {
  return {
    requestId: row.request_id,
    fingerprint: row.fingerprint,
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
