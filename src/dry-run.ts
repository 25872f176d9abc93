import type { Outlook } from './db/outlook.ts'
import {
  idReused,
  KEY_REUSED,
  nameOf,
  type Registered,
  type Settled,
  type ValidRequest,
} from './domain/request.ts'

/** What a dry run reads of the database. */
export interface ForeseeParts {
  look: (requests: readonly ValidRequest[]) => Promise<Outlook[]>
  read: (requestIds: readonly string[]) => Promise<Map<string, Settled>>
}

/**
 * How these requests would end if they were registered now, together and in this order; nothing is written. Each has
 * an idempotency key of its own, or none. `replayed`: it is stored already. That a request would be `failed`, nobody
 * can foresee.
 */
export type Foresee = (requests: readonly ValidRequest[]) => Promise<Registered[]>

export function foreseeWith({ look, read }: ForeseeParts): Foresee {
  return async function foresee(requests) {
    const outlooks = await look(requests)
    // Read after the look: what takes a key or a name in between, and is this very request, is found by its id.
    const stored = await read(requests.map(({ requestId }) => requestId))
    const taken = new Set<string>()
    return requests.map((request, index) => {
      const settled = stored.get(request.requestId)
      if (settled && settled.fingerprint !== request.fingerprint)
        return idReused({ ...request, ...nameOf(request) }, settled)
      if (settled) return { ...settled, replayed: true }
      const { isKeyTaken, holder, identical } = outlooks[index]!
      if (isKeyTaken) return ended(request, { outcome: 'rejected', rejection: KEY_REUSED })
      const name = JSON.stringify([request.workflow.workflow_name, request.workflow.version])
      if (holder || taken.has(name)) return ended(request, { outcome: 'conflict', entry: holder, identical })
      taken.add(name)
      return ended(request, { outcome: 'created' })
    })
  }
}

function ended(
  { requestId, fingerprint, principal, acceptedAt, workflow }: ValidRequest,
  how: Pick<Registered, 'outcome'> & Partial<Registered>,
): Registered {
  return {
    requestId,
    fingerprint,
    principal,
    rejection: null,
    failure: null,
    workflowName: workflow.workflow_name,
    version: workflow.version,
    entry: null,
    identical: false,
    acceptedAt,
    completedAt: acceptedAt,
    purged: false,
    replayed: false,
    ...how,
  }
}
