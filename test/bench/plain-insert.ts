import { randomUUID } from 'node:crypto'
import { sha256 } from './generate.ts'

/** A workflow as one row, with all its columns and no request: the least that any service does for a create. */
export const INSERT_WORKFLOW = `
  insert into workflow (workflow_id, workflow_name, version, name, description, content, content_hash,
    execution_engine, labels, custom_labels, detected_labels, parameters, status, created_by_request,
    request_fingerprint)
  values ($1, $2, $3, $4, $5, $6, $7, $8, $9, '{}', '{}', '{}', 'active', $10, $11)`

/** The values for it, from a body as it came. */
export function workflowValues(body: Record<string, unknown>): unknown[] {
  const content = String(body.content)
  return [
    randomUUID(),
    body.workflow_name,
    body.version,
    body.name,
    body.description,
    content,
    sha256(content),
    body.execution_engine,
    JSON.stringify(body.labels),
    randomUUID(),
    Buffer.from(sha256(JSON.stringify(body)), 'hex'),
  ]
}
