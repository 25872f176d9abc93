import { setTimeout as delay } from 'node:timers/promises'
import { classify, type Failure, type FailureClass } from './domain/classify.ts'
import { Fault } from './domain/fault.ts'
import type { LogProgress } from './domain/progress.ts'
import {
  ID_REUSED,
  KEY_REUSED,
  type Lost,
  nameOf,
  type Registered,
  type RegistrationRequest,
  type Settled,
  type ValidRequest,
} from './domain/request.ts'

/** What `register` needs of the database. Each call is one transaction; what it throws, `failureOf` can read. */
export interface Store {
  storeMany(requests: readonly RegistrationRequest[], progress: LogProgress | null): Promise<string[]>
  storeCreated(request: ValidRequest, progress: LogProgress | null): Promise<void>
  storeLost(request: RegistrationRequest, lost: Lost, progress: LogProgress | null): Promise<boolean>
  read(requestIds: readonly string[]): Promise<Map<string, Settled>>
  failureOf(thrown: unknown): Failure | undefined
}

/**
 * Stores the outcome of every request, and answers what is stored, in the same order. Safe to run again.
 *
 * At most 500 requests and 4 MiB at once. `progress` is stored with the outcomes. Throws a `Fault` when nothing can
 * be said: then the requests have no outcome yet, or one that the next try will find.
 */
export type Register = (
  requests: readonly RegistrationRequest[],
  progress?: LogProgress | null,
) => Promise<Registered[]>

export function registerWith(store: Store): Register {
  return async function register(requests, progress = null) {
    if (requests.length === 0) return []
    const stored = await storeAll(requests, progress)
    const known = await decided(() => store.read(requests.map((request) => request.requestId)))
    return requests.map((request) => {
      const settled = known.get(request.requestId)
      if (!settled) throw new Fault('systemic', { code: 'OUTCOME_MISSING' })
      if (settled.fingerprint !== request.fingerprint) return idReused(request)
      return { ...settled, replayed: !stored.delete(request.requestId) }
    })
  }

  /** Answers the ids whose outcome was not stored before. */
  async function storeAll(requests: readonly RegistrationRequest[], progress: LogProgress | null) {
    if (requests.length > 1) {
      const together = await attempt(() => store.storeMany(requests, progress))
      if (!together.refusal) return new Set(together.done)
    }
    const stored = new Set<string>()
    for (const [index, request] of requests.entries())
      if (await storeOne(request, index === requests.length - 1 ? progress : null))
        stored.add(request.requestId)
    return stored
  }

  /** A request alone: PostgreSQL's own refusal tells how it ended. True when its outcome was not stored before. */
  async function storeOne(request: RegistrationRequest, progress: LogProgress | null): Promise<boolean> {
    if (request.rejection)
      return storeLost(request, { outcome: 'rejected', rejection: request.rejection }, progress)
    const { refusal } = await attempt(() => store.storeCreated(request, progress))
    if (!refusal) return true
    if (isBusy(refusal.class)) throw new Fault('outage', refusal.failure)
    return storeLost(request, LOST_BY[refusal.class], progress)
  }

  /** Stores how a request was lost; a request that was stored before stays as it is. */
  async function storeLost(
    request: RegistrationRequest,
    lost: Lost,
    progress: LogProgress | null,
  ): Promise<boolean> {
    const { refusal, done } = await attempt(() => store.storeLost(request, lost, progress))
    if (!refusal) return done
    if (refusal.class === 'key-reused') return storeLost(request, LOST_BY['key-reused'], progress)
    throw new Fault(isBusy(refusal.class) ? 'outage' : 'systemic', refusal.failure)
  }

  async function decided<T>(step: () => Promise<T>): Promise<T> {
    const { refusal, done } = await attempt(step)
    if (!refusal) return done
    throw new Fault(isBusy(refusal.class) ? 'outage' : 'systemic', refusal.failure)
  }

  /** Runs a step, again under contention, and tells a refusal of these requests from a fault of the infrastructure. */
  async function attempt<T>(step: () => Promise<T>): Promise<Attempt<T>> {
    for (let tries = 1; ; tries += 1) {
      try {
        return { done: await step() }
      } catch (error) {
        const failure = store.failureOf(error) ?? { code: 'UNEXPECTED' }
        const failureClass = classify(failure)
        if (failureClass === 'outage' || failureClass === 'systemic')
          throw new Fault(failureClass, failure, error)
        if (failureClass !== 'contention' || tries === CONTENTION_TRIES)
          return { refusal: { class: failureClass, failure } }
        await delay(Math.random() * 20 * 2 ** tries)
      }
    }
  }
}

const CONTENTION_TRIES = 5

/** What refuses one or more of the requests at hand, and leaves the others possible. */
type RefusalClass = Exclude<FailureClass, 'outage' | 'systemic'>

/** Others are in the way. A request that is alone waits until they are gone, as in an outage. */
type BusyClass = 'contention' | 'held-lock'
const isBusy = (refusal: RefusalClass): refusal is BusyClass =>
  refusal === 'contention' || refusal === 'held-lock'

type Attempt<T> =
  | { done: T; refusal?: undefined }
  | { done?: undefined; refusal: { class: RefusalClass; failure: Failure } }

/** How a valid request ends that PostgreSQL refused. Storing it repeats nothing: `replay` finds its outcome there. */
const LOST_BY: Record<Exclude<RefusalClass, BusyClass>, Lost> = {
  conflict: { outcome: 'conflict' },
  replay: { outcome: 'conflict' },
  'key-reused': { outcome: 'rejected', rejection: KEY_REUSED },
  'this-message': { outcome: 'failed' },
}

/** The answer to a request that took another one's id. The first outcome stays; this one is not stored. */
function idReused(request: RegistrationRequest): Registered {
  return {
    requestId: request.requestId,
    fingerprint: request.fingerprint,
    outcome: 'rejected',
    rejection: ID_REUSED,
    ...nameOf(request),
    entry: null,
    identical: false,
    acceptedAt: request.acceptedAt,
    completedAt: new Date(),
    replayed: false,
  }
}
