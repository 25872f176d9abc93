import { setTimeout as delay } from 'node:timers/promises'
import { classify, type Failure, type FailureClass } from './domain/classify.ts'
import { Fault } from './domain/fault.ts'
import type { LogProgress } from './domain/progress.ts'
import {
  idReused,
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
  /** Whether the database answers at all. */
  answers(): Promise<boolean>
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
    const ids = requests.map((request) => request.requestId)
    let stored = await storeAll(requests, progress)
    let known = await decided(() => store.read(ids))
    if (ids.some((id) => !known.has(id))) {
      // Its row was there when it was stored, and purged before it was read.
      stored = stored.union(await storeAll(requests, progress))
      known = await decided(() => store.read(ids))
    }
    return requests.map((request) => {
      const settled = known.get(request.requestId)
      if (!settled) throw new Fault('outage', { code: 'OUTCOME_MISSING' })
      if (settled.fingerprint !== request.fingerprint)
        return idReused({ ...request, ...nameOf(request) }, settled)
      return { ...settled, replayed: !stored.delete(request.requestId) }
    })
  }

  /** Answers the ids whose outcome was not stored before. */
  async function storeAll(requests: readonly RegistrationRequest[], progress: LogProgress | null) {
    if (requests.length > 1) {
      const together = await attempt(() => store.storeMany(requests, progress))
      if (!together.refusal) return new Set(together.done)
    }
    return storeEach(requests, progress)
  }

  /**
   * One after the other, in order. A request that cannot be stored for no reason of its own is put aside: once others
   * have passed, the fault is in the request, and it is `failed`. If none passes, the fault is elsewhere.
   */
  async function storeEach(requests: readonly RegistrationRequest[], progress: LogProgress | null) {
    const stored = new Set<string>()
    const aside: { request: RegistrationRequest; failure: Failure }[] = []
    for (const [index, request] of requests.entries()) {
      const isLast = index === requests.length - 1 && aside.length === 0
      const { refusal, done: isNew } = await storeOne(request, isLast ? progress : null)
      if (refusal) aside.push({ request, failure: refusal.failure })
      else if (isNew) stored.add(request.requestId)
    }
    if (aside.length === requests.length) throw new Fault('systemic', aside[0]!.failure)
    for (const [index, { request, failure }] of aside.entries()) {
      const isLast = index === aside.length - 1
      const lost: Lost = { outcome: 'failed', failure: failure.code }
      const { refusal, done: isNew } = await storeLost(request, lost, isLast ? progress : null)
      if (refusal) throw faultOf(refusal)
      if (isNew) stored.add(request.requestId)
    }
    return stored
  }

  /** A request alone: PostgreSQL's own refusal tells how it ended. Done: whether its outcome was not stored before. */
  async function storeOne(
    request: RegistrationRequest,
    progress: LogProgress | null,
  ): Promise<Attempt<boolean, 'interrupted'>> {
    if (request.rejection)
      return storeLost(request, { outcome: 'rejected', rejection: request.rejection }, progress)
    const { refusal } = await attempt(() => store.storeCreated(request, progress))
    if (!refusal) return { done: true }
    if (isInterrupted(refusal)) return { refusal }
    return storeLost(request, lostBy(refusal), progress)
  }

  /** A request that makes no workflow; with a key that another one holds, it is rejected whatever else it was. */
  async function storeLost(
    request: RegistrationRequest,
    lost: Lost,
    progress: LogProgress | null,
  ): Promise<Attempt<boolean, 'interrupted'>> {
    const { refusal, done } = await attempt(() => store.storeLost(request, lost, progress))
    if (!refusal) return { done }
    if (isInterrupted(refusal)) return { refusal }
    if (refusal.class !== 'key-reused' || lost.outcome === 'rejected') throw faultOf(refusal)
    return storeLost(request, lostBy(refusal), progress)
  }

  async function decided<T>(step: () => Promise<T>): Promise<T> {
    const { refusal, done } = await attempt(step)
    if (!refusal) return done
    throw faultOf(refusal)
  }

  /** Runs a step, again where that may help, and tells a refusal of these requests from a fault of the infrastructure. */
  async function attempt<T>(step: () => Promise<T>): Promise<Attempt<T>> {
    for (let tries = 1; ; tries += 1) {
      try {
        return { done: await step() }
      } catch (error) {
        const failure = store.failureOf(error) ?? { code: 'UNEXPECTED' }
        const failureClass = classify(failure)
        if (failureClass === 'outage' || failureClass === 'systemic')
          throw new Fault(failureClass, failure, error)
        if (failureClass === 'interrupted' && !(await store.answers()))
          throw new Fault('outage', failure, error)
        if (tries >= (TRIES[failureClass] ?? 1)) return { refusal: { class: failureClass, failure } }
        await delay(Math.random() * 20 * 2 ** tries)
      }
    }
  }
}

/** What refuses one or more of the requests at hand, and may leave the others possible. */
type RefusalClass = Exclude<FailureClass, 'outage' | 'systemic'>

/** How often a step runs before its failure counts. */
const TRIES: Partial<Record<RefusalClass, number>> = { contention: 5, interrupted: 3 }

interface Refusal<C extends RefusalClass = RefusalClass> {
  class: C
  failure: Failure
}

type Attempt<T, C extends RefusalClass = RefusalClass> =
  | { done: T; refusal?: undefined }
  | { done?: undefined; refusal: Refusal<C> }

function isInterrupted(refusal: Refusal): refusal is Refusal<'interrupted'> {
  return refusal.class === 'interrupted'
}

/** Where others are in the way of a request that is alone, it waits until they are gone, as in an outage. */
function faultOf(refusal: Refusal): Fault {
  const passes = refusal.class === 'contention' || refusal.class === 'held-lock'
  return new Fault(passes ? 'outage' : 'systemic', refusal.failure)
}

/** How a request ends that was refused. Storing it changes nothing that is there: `replay` finds its outcome. */
function lostBy(refusal: Refusal): Lost {
  switch (refusal.class) {
    case 'conflict':
    case 'replay':
      return { outcome: 'conflict' }
    case 'key-reused':
      return { outcome: 'rejected', rejection: KEY_REUSED }
    case 'this-message':
      return { outcome: 'failed', failure: refusal.failure.code }
    case 'contention':
    case 'held-lock':
    case 'interrupted':
      throw faultOf(refusal)
  }
}
