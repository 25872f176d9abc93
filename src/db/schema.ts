import { sql } from 'drizzle-orm'
import {
  bigint,
  check,
  customType,
  index,
  integer,
  jsonb,
  pgEnum,
  pgTable,
  primaryKey,
  text,
  timestamp,
  unique,
  uuid,
} from 'drizzle-orm/pg-core'
import { NO_GAP, UNIQUE_KEYS } from '../domain/classify.ts'
import { OUTCOMES } from '../domain/outcome.ts'
import type { FieldError } from '../domain/problem.ts'
import { REJECTION_REASONS } from '../domain/problem.ts'
import { EXECUTION_ENGINES, WORKFLOW_STATUSES } from '../domain/workflow.ts'

export const outcome = pgEnum('outcome', OUTCOMES)
export const rejectionReason = pgEnum('rejection_reason', REJECTION_REASONS)
export const executionEngine = pgEnum('execution_engine', EXECUTION_ENGINES)
export const workflowStatus = pgEnum('workflow_status', WORKFLOW_STATUSES)

/** A SHA-256: 32 bytes in the table, lower-case hex in the code. */
const sha256 = customType<{ data: string; driverData: Buffer }>({
  dataType: () => 'bytea',
  toDriver: (hex) => Buffer.from(hex, 'hex'),
  fromDriver: (bytes) => bytes.toString('hex'),
})

const instant = (name: string) => timestamp(name, { withTimezone: true, precision: 3 })

/** The catalog. Only `status`, `status_reason` and `updated_at` ever change. */
export const workflow = pgTable(
  'workflow',
  {
    workflow_id: uuid('workflow_id').primaryKey(),
    workflow_name: text('workflow_name').notNull(),
    version: text('version').notNull(),
    name: text('name').notNull(),
    description: text('description').notNull(),
    content: text('content').notNull(),
    content_hash: text('content_hash').notNull(),
    execution_engine: executionEngine('execution_engine').notNull(),
    labels: jsonb('labels').notNull(),
    custom_labels: jsonb('custom_labels').notNull(),
    detected_labels: jsonb('detected_labels').notNull(),
    parameters: jsonb('parameters').notNull(),
    owner: text('owner'),
    maintainer: text('maintainer'),
    container_image: text('container_image'),
    container_digest: text('container_digest'),
    status: workflowStatus('status').notNull(),
    status_reason: text('status_reason'),
    created_at: instant('created_at').notNull().default(sql`now()`),
    updated_at: instant('updated_at').notNull().default(sql`now()`),
    created_by_request: uuid('created_by_request').notNull(),
    request_fingerprint: sha256('request_fingerprint').notNull(),
    principal: text('principal'),
  },
  (table) => [
    unique(UNIQUE_KEYS.nameAndVersion).on(table.workflow_name, table.version),
    unique(UNIQUE_KEYS.createdBy).on(table.created_by_request),
    // What is active is found soon along the key, and has no entry here.
    index('ix_workflow_not_active')
      .on(table.status, table.workflow_id)
      .where(sql`${table.status} <> 'active'`),
  ],
)

/** How each request ended. A row is written once, with its outcome; a request without a row is pending. */
export const registrationRequest = pgTable(
  'registration_request',
  {
    request_id: uuid('request_id').notNull(),
    fingerprint: sha256('fingerprint').notNull(),
    idempotency_key: uuid('idempotency_key'),
    outcome: outcome('outcome').notNull(),
    reason: rejectionReason('reason'),
    errors: jsonb('errors').$type<FieldError[]>(),
    failure: text('failure'),
    workflow_name: text('workflow_name'),
    version: text('version'),
    accepted_at: instant('accepted_at').notNull(),
    completed_at: instant('completed_at').notNull().default(sql`now()`),
    principal: text('principal'),
  },
  (table) => [
    primaryKey({ name: UNIQUE_KEYS.requestId, columns: [table.request_id] }),
    unique(UNIQUE_KEYS.idempotencyKey).on(table.idempotency_key),
    index('ix_registration_request_completed_at').on(table.completed_at, table.request_id),
    // For lists of what may be rare; a list of anything else walks along the index above.
    index('ix_registration_request_not_created')
      .on(table.outcome, table.completed_at, table.request_id)
      .where(sql`${table.outcome} <> 'created'`),
  ],
)

/**
 * How far each log is settled: every record below `next_offset` has its outcome in the table above, or is said to be
 * lost. A negative offset, which nothing stores, stands for a jump over records that nobody settled. Offsets from before `reset_at` belong to a log that is no more.
 */
export const consumerProgress = pgTable(
  'consumer_progress',
  {
    cluster_id: text('cluster_id').notNull(),
    topic: text('topic').notNull(),
    partition: integer('partition').notNull(),
    next_offset: bigint('next_offset', { mode: 'bigint' }).notNull(),
    reset_at: instant('reset_at'),
  },
  (table) => [
    primaryKey({ name: 'pk_consumer_progress', columns: [table.cluster_id, table.topic, table.partition] }),
    check(NO_GAP, sql`${table.next_offset} >= 0`),
  ],
)
