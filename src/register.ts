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

/** The ids whose outcome was stored now, with it where a workflow was made: how the others ended has to be read. */
export type Stored = Map<string, Settled | undefined>

/** What `register` needs of the database. Each call is one transaction; what it throws, `failureOf` can read. */
export interface Store {
  storeMany(requests: readonly RegistrationRequest[], progress: readonly LogProgress[]): Promise<Stored>
  storeCreated(request: ValidRequest, progress: readonly LogProgress[]): Promise<Settled>
  storeLost(request: RegistrationRequest, lost: Lost, progress: readonly LogProgress[]): Promise<boolean>
  read(requestIds: readonly string[]): Promise<Map<string, Settled>>
  /** Whether the database answers at all. */
  answers(): Promise<boolean>
  failureOf(thrown: unknown): Failure | undefined
}

/**
 * Stores the outcome of every request, and answers what is stored, in the same order. Safe to run again.
 *
 * At most 500 requests and 4 MiB at once. `progress` is stored with the outcomes of all of them, or not at all. A
 * request of which nothing can be said is answered with the `Fault` that kept it: it has no outcome yet, or one that the
 * next try will find. Where that is so of all, the fault is thrown.
 */
export type Register = (
  requests: readonly RegistrationRequest[],
  progress?: readonly LogProgress[],
) => Promise<(Registered | Fault)[]>

/** What `register` answered of a request. Throws what kept it from an answer. */
export function unlessFault(answer: Registered | Fault): Registered {
  if (answer instanceof Fault) throw answer
  return answer
}

/** What was stored, and what kept the rest from it. */
interface StoredSoFar {
  stored: Stored
  fault?: Fault
}

/** What `register` tells of its work. */
export interface RegisterMetrics {
  /** How many requests are registered together. */
  batch(requests: number): void
  /** A step that failed is tried again, or its requests one by one. */
  retried(failureClass: FailureClass): void
}

const UNTOLD: RegisterMetrics = { batch() {}, retried() {} }

export function registerWith(store: Store, metrics: RegisterMetrics = UNTOLD): Register {
  return async function register(requests, progress = []) {
    if (requests.length === 0) return []
    metrics.batch(requests.length)
    const ids = requests.map((request) => request.requestId)
    const { stored, fault } = await storeAll(requests, progress)
    let known = await outcomesOf(ids, stored)
    if (!fault && ids.some((id) => !known.has(id))) {
      // Its row was there when it was stored, and purged before it was read.
      for (const [id, settled] of (await storeAll(requests, progress)).stored) stored.set(id, settled)
      known = await outcomesOf(ids, stored)
    }
    const answers = requests.map((request) => {
      const settled = known.get(request.requestId)
      if (!settled) return fault ?? new Fault('outage', { code: 'OUTCOME_MISSING' })
      if (settled.fingerprint !== request.fingerprint)
        return idReused({ ...request, ...nameOf(request) }, settled)
      return { ...settled, replayed: !stored.delete(request.requestId) }
    })
    // Each had an outcome already, and yet the progress is not stored.
    if (fault && progress.length > 0 && !answers.some((answer) => answer instanceof Fault)) throw fault
    return answers
  }

  /** What is stored for these ids, by id. Reads what was not told when it was stored. */
  async function outcomesOf(ids: readonly string[], stored: Stored): Promise<ReadonlyMap<string, Settled>> {
    const untold = ids.filter((id) => !stored.get(id))
    const read = untold.length > 0 ? await decided(() => store.read(untold)) : []
    const known = new Map(read)
    for (const [id, settled] of stored) if (settled) known.set(id, settled)
    return known
  }

  async function storeAll(
    requests: readonly RegistrationRequest[],
    progress: readonly LogProgress[],
  ): Promise<StoredSoFar> {
    if (requests.length > 1) {
      const together = await attempt(() => store.storeMany(requests, progress))
      if (!together.refusal) return { stored: together.done }
      metrics.retried(together.refusal.class)
    }
    const stored: Stored = new Map()
    try {
      await storeEach(requests, progress, stored)
    } catch (error) {
      if (stored.size === 0 || !(error instanceof Fault)) throw error
      return { stored, fault: error }
    }
    return { stored }
  }

  /**
   * One after the other, in order, each into `stored` that was not there before. A request that cannot be stored for no
   * reason of its own is put aside: once others have passed, the fault is in the request, and it is `failed`. If none
   * passes, the fault is elsewhere.
   */
  async function storeEach(
    requests: readonly RegistrationRequest[],
    progress: readonly LogProgress[],
    stored: Stored,
  ): Promise<void> {
    const aside: { request: RegistrationRequest; failure: Failure }[] = []
    for (const [index, request] of requests.entries()) {
      const isLast = index === requests.length - 1 && aside.length === 0
      const { refusal, done } = await storeOne(request, isLast ? progress : [])
      if (refusal) aside.push({ request, failure: refusal.failure })
      else if (done) stored.set(request.requestId, done === true ? undefined : done)
    }
    if (aside.length === requests.length) throw new Fault('systemic', aside[0]!.failure)
    for (const [index, { request, failure }] of aside.entries()) {
      const isLast = index === aside.length - 1
      const lost: Lost = { outcome: 'failed', failure: failure.code }
      const { refusal, done: isNew } = await storeLost(request, lost, isLast ? progress : [])
      if (refusal) throw faultOf(refusal)
      if (isNew) stored.set(request.requestId, undefined)
    }
  }

  /**
   * A request alone: PostgreSQL's own refusal tells how it ended. Done: its outcome where it made a workflow, else
   * whether its outcome was not stored before.
   */
  async function storeOne(
    request: RegistrationRequest,
    progress: readonly LogProgress[],
  ): Promise<Attempt<Settled | boolean, 'interrupted'>> {
    if (request.rejection)
      return storeLost(request, { outcome: 'rejected', rejection: request.rejection }, progress)
    const { refusal, done } = await attempt(() => store.storeCreated(request, progress))
    if (!refusal) return { done }
    if (isInterrupted(refusal)) return { refusal }
    return storeLost(request, lostBy(refusal), progress)
  }

  /** A request that makes no workflow; with a key that another one holds, it is rejected whatever else it was. */
  async function storeLost(
    request: RegistrationRequest,
    lost: Lost,
    progress: readonly LogProgress[],
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
        metrics.retried(failureClass)
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
