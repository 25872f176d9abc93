import { hash } from 'node:crypto'
import type { NewWorkflow } from './workflow.ts'
import { createWorkflowSchema } from './workflow.ts'

/**
 * What tells two requests apart: the SHA-256 (hex) of everything that the caller asked for. Fields that were
 * ignored, are equal to their default, or follow from others do not count; neither does the order of names.
 */
export function fingerprintOf(workflow: NewWorkflow): string {
  return sha256(canonicalObject(workflow, ASKED, (field, value) => value !== DEFAULTS.get(field)))
}

/** For a body that is not valid, its bytes stand for themselves. */
export function fingerprintOfBytes(bytes: Uint8Array): string {
  return sha256(bytes)
}

/** The fields that count: all but `content_hash`, which follows from the content. */
const ASKED = Object.keys(createWorkflowSchema.shape)
  .filter((field) => field !== 'content_hash')
  .sort()

const DEFAULTS = new Map(
  Object.entries(createWorkflowSchema.shape).flatMap(([field, schema]) =>
    'defaultValue' in schema.def ? [[field, canonical(schema.def.defaultValue)] as const] : [],
  ),
)

/** JSON with sorted names and no white space. It recurses: its input has passed the limit on depth. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  return typeof value === 'object' && value !== null
    ? canonicalObject(value as Record<string, unknown>, Object.keys(value).sort())
    : JSON.stringify(value)
}

/** Those of its fields that count. */
function canonicalObject(
  value: Readonly<Record<string, unknown>>,
  names: readonly string[],
  counts: (field: string, text: string) => boolean = () => true,
): string {
  let text = ''
  for (const name of names) {
    const child = value[name]
    if (child === undefined) continue
    const said = canonical(child)
    if (counts(name, said)) text += `${text && ','}${JSON.stringify(name)}:${said}`
  }
  return `{${text}}`
}

function sha256(data: string | Uint8Array): string {
  return hash('sha256', data)
}
