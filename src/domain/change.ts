import { readJson } from './body.ts'
import { fieldErrors } from './field-errors.ts'
import { limitErrors, pointerTo } from './limits.ts'
import type { FieldError } from './problem.ts'
import { createWorkflowSchema, isIgnored, type WorkflowChange, workflowChangeSchema } from './workflow.ts'

export type ReadChange =
  | { change: WorkflowChange; errors?: undefined }
  | {
      change?: undefined
      reason: 'validation-error' | 'immutable-field-violation'
      /** The first 100: what cannot be changed as the body has it, then what is wrong by itself. */
      errors: readonly FieldError[]
    }

/** The change of a workflow that the bytes of a body ask for, or why they ask for none. Never throws. */
export function readChange(bytes: Uint8Array): ReadChange {
  const { value, rejection } = readJson(bytes)
  if (rejection) return invalid(rejection.errors)
  const limits = limitErrors(value)
  if (limits.length > 0) return invalid(limits)
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return invalid([{ pointer: '', detail: 'must be a JSON object' }])

  const fields = Object.entries(value)
  if (fields.length === 0) return invalid([{ pointer: '', detail: 'must have status or status_reason' }])
  const immutable = fields.filter(([field]) => isImmutable(field))
  const rest = fields.filter(([field]) => !isImmutable(field))
  const violations = immutable.map(([field]) => ({
    pointer: pointerTo('', field),
    detail: 'cannot be changed: what was registered stays',
  }))
  const parsed = workflowChangeSchema.safeParse(Object.fromEntries(rest), { reportInput: true })
  const errors = [...violations, ...fieldErrors(parsed.error)].slice(0, 100)
  if (violations.length > 0) return { reason: 'immutable-field-violation', errors }
  return parsed.success ? { change: parsed.data } : invalid(errors)
}

/** Whether it is a field of a workflow, stored or ignored, that is none of those which may change. */
function isImmutable(field: string): boolean {
  if (Object.hasOwn(workflowChangeSchema.shape, field)) return false
  return Object.hasOwn(createWorkflowSchema.shape, field) || isIgnored(field)
}

function invalid(errors: readonly FieldError[]): ReadChange {
  return { reason: 'validation-error', errors: errors.slice(0, 100) }
}
