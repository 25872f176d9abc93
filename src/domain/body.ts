import { fingerprintOf, fingerprintOfBytes } from './fingerprint.ts'
import { LIMITS, limitErrors } from './limits.ts'
import type { FieldError, RejectionReason } from './problem.ts'
import type { NewWorkflow } from './workflow.ts'
import { readWorkflow } from './workflow.ts'

/** Why a body is unacceptable, in words for the caller. */
export interface Rejection {
  reason: RejectionReason
  errors: readonly FieldError[]
}

/**
 * What the bytes of a create request ask for.
 *
 * `invalid` is JSON that breaks the schema or a limit, with the name and version where they can be read.
 * `unreadable` is not JSON at all.
 */
export type Body =
  | { kind: 'valid'; workflow: NewWorkflow; fingerprint: string }
  | {
      kind: 'invalid' | 'unreadable'
      rejection: Rejection
      workflowName: string | null
      version: string | null
      fingerprint: string
    }

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** Reads a create request, the same at every door. Never throws. The caller keeps its hands off `bytes`. */
export function readBody(bytes: Uint8Array): Body {
  if (bytes.byteLength > LIMITS.bytes)
    return refused('invalid', bytes, {
      reason: 'payload-too-large',
      errors: [{ pointer: '', detail: `is larger than ${LIMITS.bytes} bytes` }],
    })
  if (bytes.byteLength === 0) return refused('unreadable', bytes, invalid('is empty'))
  let value: unknown
  try {
    value = JSON.parse(utf8.decode(bytes))
  } catch {
    return refused('unreadable', bytes, invalid('is not JSON in UTF-8'))
  }
  const limits = limitErrors(value)
  if (limits.length > 0) return refused('invalid', bytes, { reason: 'validation-error', errors: limits })

  const { workflow, errors } = readWorkflow(value)
  if (errors) return refused('invalid', bytes, { reason: 'validation-error', errors }, value)
  return { kind: 'valid', workflow, fingerprint: fingerprintOf(workflow) }
}

function invalid(detail: string): Rejection {
  return { reason: 'validation-error', errors: [{ pointer: '', detail }] }
}

function refused(
  kind: 'invalid' | 'unreadable',
  bytes: Uint8Array,
  rejection: Rejection,
  value?: unknown,
): Body {
  const { workflow_name, version } = (value ?? {}) as Record<string, unknown>
  return {
    kind,
    rejection,
    workflowName: shortText(workflow_name),
    version: shortText(version),
    fingerprint: fingerprintOfBytes(bytes),
  }
}

function shortText(value: unknown): string | null {
  return typeof value === 'string' && value.length > 0 && value.length <= 255 ? value : null
}
