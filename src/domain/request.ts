import type { Rejection } from './body.ts'
import type { Outcome } from './outcome.ts'
import type { NewWorkflow } from './workflow.ts'

interface AnyRequest {
  /** UUID in lower case. */
  requestId: string
  /** SHA-256 in hex of what was asked for. */
  fingerprint: string
  /** UUID that stands for the caller's idempotency key in its scope. */
  idempotencyKey: string | null
  /** Who asked; null where nobody is known. */
  principal: string | null
  acceptedAt: Date
}

/** A request to register `workflow`, with every name below ready to be stored. */
export type ValidRequest = AnyRequest & { workflow: NewWorkflow; rejection?: undefined }

/** A request that is already lost: only its outcome is left to be stored. */
export type InvalidRequest = AnyRequest & {
  workflow?: undefined
  rejection: Rejection
  workflowName: string | null
  version: string | null
}

export type RegistrationRequest = ValidRequest | InvalidRequest

/** The catalog's row that an outcome speaks of: the one it made, or the one in its way. */
export interface CatalogEntry {
  workflowId: string
  contentHash: string
  createdAt: Date
}

/** A request that ended, as the tables tell it. */
export interface Settled {
  requestId: string
  fingerprint: string
  /** Who asked first for it; null where nobody is known. */
  principal: string | null
  outcome: Outcome
  /** Why, when `rejected`. */
  rejection: Rejection | null
  /** The SQLSTATE or error code, when `failed`. */
  failure: string | null
  workflowName: string | null
  version: string | null
  /** When `created`: the row this request made. When `conflict`: the row that was there. */
  entry: CatalogEntry | null
  /** When `conflict`: whether that row was asked for with exactly the same body. */
  identical: boolean
  acceptedAt: Date
  completedAt: Date
  /** Its status row is gone: all that is left of it is the workflow that it made. */
  purged: boolean
}

/** What `register` answers: `replayed` when the outcome had been stored before. */
export type Registered = Settled & { replayed: boolean }

export function nameOf(request: RegistrationRequest): {
  workflowName: string | null
  version: string | null
} {
  return request.workflow
    ? { workflowName: request.workflow.workflow_name, version: request.workflow.version }
    : { workflowName: request.workflowName, version: request.version }
}

/** How a request ended that made a workflow, with the row's id and the time of both rows. */
export function createdBy(
  request: ValidRequest,
  { workflowId, completedAt }: { workflowId: string; completedAt: Date },
): Settled {
  const entry = { workflowId, contentHash: request.workflow.content_hash, createdAt: completedAt }
  return { ...endOf(request, completedAt), outcome: 'created', entry }
}

/** What stands in the catalog with the name and version of a request. */
export interface Holder {
  entry: CatalogEntry
  /** Whether it was asked for with exactly the same body. */
  identical: boolean
}

/** How a request ended that met it. */
export function conflictWith(holder: Holder, request: ValidRequest, completedAt: Date): Settled {
  return { ...endOf(request, completedAt), outcome: 'conflict', ...holder }
}

function endOf({ requestId, fingerprint, principal, acceptedAt, workflow }: ValidRequest, completedAt: Date) {
  return {
    requestId,
    fingerprint,
    principal,
    rejection: null,
    failure: null,
    workflowName: workflow.workflow_name,
    version: workflow.version,
    identical: false,
    acceptedAt,
    completedAt,
    purged: false,
  }
}

/** What is left to know of a request whose body is not needed any more. */
export type NamedRequest = Omit<AnyRequest, 'idempotencyKey'> & ReturnType<typeof nameOf>

/** How a request ends that makes no workflow. */
export type Lost =
  | { outcome: 'conflict'; rejection?: undefined; failure?: undefined }
  | { outcome: 'rejected'; rejection: Rejection; failure?: undefined }
  | { outcome: 'failed'; rejection?: undefined; failure: string }

/** Why a request with an idempotency key that another one holds is unacceptable. */
export const KEY_REUSED: Rejection = {
  reason: 'idempotency-key-reused',
  errors: [{ pointer: '', detail: 'is not the one that this idempotency key was first used with' }],
}

/** Why a request with an id that another one holds is unacceptable. */
export const ID_REUSED: Rejection = {
  reason: 'idempotency-key-reused',
  errors: [{ pointer: '', detail: 'is not the one that this request id was first used with' }],
}

/**
 * The answer to a request that took the id of `first`, whose outcome stays; this one is not stored. It is decided when
 * both are there, so that it is the same each time.
 */
export function idReused(request: NamedRequest, first: Settled): Registered {
  return {
    requestId: request.requestId,
    fingerprint: request.fingerprint,
    principal: request.principal,
    outcome: 'rejected',
    rejection: ID_REUSED,
    failure: null,
    workflowName: request.workflowName,
    version: request.version,
    entry: null,
    identical: false,
    acceptedAt: first.acceptedAt,
    completedAt: first.completedAt,
    purged: false,
    replayed: false,
  }
}
