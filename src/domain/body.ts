import { fingerprintOf, fingerprintOfBytes } from './fingerprint.ts'
import { LIMITS, limitErrors } from './limits.ts'
import type { FieldError, RejectionReason } from './problem.ts'
import { utf8Text } from './utf8.ts'
import type { NewWorkflow } from './workflow.ts'
import { readWorkflow } from './workflow.ts'

/** Why a body is unacceptable, in words for the caller. */
export interface Rejection {
  reason: RejectionReason
  errors: readonly FieldError[]
}

/** A create request that breaks the schema or a limit, with its name and version where they can be read. */
interface Refused {
  rejection: Rejection
  workflowName: string | null
  version: string | null
}

type Valid = { kind: 'valid'; workflow: NewWorkflow; fingerprint: string }

/** What the bytes of a create request ask for. `invalid` is JSON at least, `unreadable` is not. */
export type Body = Valid | ({ kind: 'invalid' | 'unreadable'; fingerprint: string } & Refused)

/** What one item of a bulk request asks for; `bytes` is the size of its compact JSON. */
export type Item = (Valid & { bytes: number }) | ({ kind: 'invalid' } & Refused)

/** Reads a create request, the same at every door. Never throws. The caller keeps its hands off `bytes`. */
export function readBody(bytes: Uint8Array): Body {
  const fingerprint = () => fingerprintOfBytes(bytes)
  if (bytes.byteLength > LIMITS.bytes)
    return { kind: 'invalid', ...refused(TOO_LARGE), fingerprint: fingerprint() }
  const { value, rejection } = readJson(bytes)
  if (rejection) return { kind: 'unreadable', ...refused(rejection), fingerprint: fingerprint() }
  const read = readValue(value)
  return read.kind === 'valid' ? read : { ...read, fingerprint: fingerprint() }
}

/** Reads a create request that is one item of many, parsed already. Never throws. */
export function readItem(value: unknown): Item {
  const read = readValue(value)
  if (read.kind === 'invalid') return read
  const bytes = bytesOf(value).byteLength // valid: no longer too deep for this
  return bytes > LIMITS.bytes ? { kind: 'invalid', ...refused(TOO_LARGE) } : { ...read, bytes }
}

/**
 * Reads a create request that came in an envelope, parsed already. Never throws. `bytes` are the envelope's: they stand
 * for a request that breaks a limit, and may not even be written as JSON again.
 */
export function readData(value: unknown, bytes: Uint8Array): Body {
  const fingerprint = () =>
    limitErrors(value).length > 0 ? fingerprintOfBytes(bytes) : fingerprintOfBytes(bytesOf(value))
  const read = readItem(value)
  return read.kind === 'valid' ? read : { ...read, fingerprint: fingerprint() }
}

const bytesOf = (value: unknown) => new TextEncoder().encode(JSON.stringify(value))

type Json = { value: unknown; rejection?: undefined } | { value?: undefined; rejection: Rejection }

/**
 * The JSON in a body, with or without a byte order mark, or what keeps it from being any. What it holds may be deeper
 * than any recursion can go.
 */
export function readJson(bytes: Uint8Array): Json {
  if (bytes.byteLength === 0) return { rejection: invalid([{ pointer: '', detail: 'is empty' }]) }
  try {
    return { value: JSON.parse(utf8Text(bytes)?.replace(/^\ufeff/, '') ?? '') }
  } catch {
    return { rejection: invalid([{ pointer: '', detail: 'is not JSON in UTF-8' }]) }
  }
}

const TOO_LARGE: Rejection = {
  reason: 'payload-too-large',
  errors: [{ pointer: '', detail: `is larger than ${LIMITS.bytes} bytes` }],
}

function readValue(value: unknown): Valid | ({ kind: 'invalid' } & Refused) {
  const limits = limitErrors(value)
  if (limits.length > 0) return { kind: 'invalid', ...refused(invalid(limits)) }
  const { workflow, errors } = readWorkflow(value)
  if (errors) return { kind: 'invalid', ...refused(invalid(errors), value) }
  return { kind: 'valid', workflow, fingerprint: fingerprintOf(workflow) }
}

function invalid(errors: readonly FieldError[]): Rejection {
  return { reason: 'validation-error', errors }
}

function refused(rejection: Rejection, value?: unknown): Refused {
  const { workflow_name, version } = (value ?? {}) as Record<string, unknown>
  return { rejection, workflowName: shortText(workflow_name), version: shortText(version) }
}

function shortText(value: unknown): string | null {
  return typeof value === 'string' && value.length > 0 && value.length <= 255 ? value : null
}
