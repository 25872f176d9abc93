import { createHash } from 'node:crypto'
import type { NewWorkflow } from './workflow.ts'
import { createWorkflowSchema } from './workflow.ts'

/**
 * What tells two requests apart: the SHA-256 (hex) of everything that the caller asked for. Fields that were
 * ignored, are equal to their default, or follow from others do not count; neither does the order of names.
 */
export function fingerprintOf(workflow: NewWorkflow): string {
  const { content_hash: _followsFromContent, ...asked } = workflow
  const said = Object.entries(asked).filter(([field, value]) => canonical(value) !== DEFAULTS.get(field))
  return sha256(canonical(Object.fromEntries(said)))
}

/** For a body that is not valid, its bytes stand for themselves. */
export function fingerprintOfBytes(bytes: Uint8Array): string {
  return sha256(bytes)
}

const DEFAULTS = new Map(
  Object.entries(createWorkflowSchema.shape).flatMap(([field, schema]) =>
    'defaultValue' in schema.def ? [[field, canonical(schema.def.defaultValue)] as const] : [],
  ),
)

/** JSON with sorted names and no white space. It recurses: its input has passed the limit on depth. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const fields = Object.entries(value).filter(([, child]) => child !== undefined)
  const sorted = fields.sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${sorted.map(([name, child]) => `${JSON.stringify(name)}:${canonical(child)}`).join(',')}}`
}

function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex')
}
