import { sql } from 'drizzle-orm'
import type { RegistrationRequest } from '../domain/request.ts'
import { nameOf } from '../domain/request.ts'
import type { NewWorkflow } from '../domain/workflow.ts'
import { type ArrayType, binaryArray } from './binary-array.ts'

/** A request of a batch, with the id of the workflow that it may make. */
export interface BatchRow {
  request: RegistrationRequest
  workflowId: string
}

/** A column of a batch, and what each row has there. */
interface Column {
  type: ArrayType
  of: (row: BatchRow) => string | null
}

/** Of every request. */
export const HEAD: Readonly<Record<string, Column>> = {
  request_id: { type: 'uuid', of: ({ request }) => request.requestId },
  fingerprint: { type: 'bytea', of: ({ request }) => request.fingerprint },
  idempotency_key: {
    type: 'uuid',
    of: ({ request }) => (request.workflow ? request.idempotencyKey : null),
  },
  principal: { type: 'text', of: ({ request }) => request.principal },
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
export const BODY: Readonly<Record<Field | 'workflow_id', Column>> = {
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

export const names = (columns: Readonly<Record<string, Column>>) => sql.raw(Object.keys(columns).join(', '))

export function arrays(columns: Readonly<Record<string, Column>>, rows: readonly BatchRow[]) {
  return sql.join(
    Object.values(columns).map(({ type, of }) => sql`${binaryArray(type, rows.map(of))}::${sql.raw(type)}[]`),
    sql`, `,
  )
}
