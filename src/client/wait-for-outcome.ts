import type { Client, ClientOptions } from 'openapi-fetch'
import { type components, type paths, requestStateValues } from './types.ts'

type Problem = components['schemas']['Problem']
type RequestDocument = components['schemas']['RequestDocument']

/** The document of a request that has ended. */
export type EndedRequest = RequestDocument & { state: Exclude<RequestDocument['state'], 'pending'> }

export interface WaitOptions {
  /** Ends the waiting, which then throws its reason. */
  signal?: AbortSignal
}

/**
 * Waits until the request that a 202 accepted has ended, however long that takes: while the service is away it asks
 * again. `location` is the `Location` of the 202. Throws a `ProblemError` when the outcome can never be known, and
 * another error when the answer is not the service's own, or when there is no asking, as without a token.
 */
export type WaitForOutcome = (location: string, options?: WaitOptions) => Promise<EndedRequest>

/** An answer that is a problem. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError'
  readonly problem: Problem

  constructor(problem: Problem) {
    super(`${problem.title}: ${problem.detail}`)
    this.problem = problem
  }
}

/** How long the service is asked to hold its answer back. */
const WAIT_S = 20

/** An answer that took so long was held back, not cut short. */
const NEARLY_WAIT_MS = WAIT_S * 900

/** How long to pause where the service does not say. */
const PAUSE_S = 1

export function waitForOutcomeWith(
  client: Client<paths>,
  send: NonNullable<ClientOptions['fetch']> = (request) => fetch(request),
): WaitForOutcome {
  return async function waitForOutcome(location, { signal = new AbortController().signal } = {}) {
    const { request_id, query } = parseLocation(location)
    for (;;) {
      signal.throwIfAborted()
      const askedAt = performance.now()
      let isSent = false
      const answer = await client
        .GET('/api/v1/workflow-requests/{request_id}', {
          params: { path: { request_id }, query, header: { Prefer: `wait=${WAIT_S}` } },
          signal,
          fetch(request) {
            isSent = true
            return send(request)
          },
        })
        .catch((error: unknown) => {
          signal.throwIfAborted()
          if (!isSent) throw error
          return unlessDisconnected(error)
        })
      signal.throwIfAborted()
      if (answer?.response.ok) {
        assertDocument(answer.data, answer.response.status)
        if (hasEnded(answer.data)) return answer.data
      } else if (answer) assertRetryable(answer.error, answer.response.status)
      const hasWaited = answer?.response.ok && performance.now() - askedAt >= NEARLY_WAIT_MS
      if (!hasWaited) await pause(Number(answer?.response.headers.get('retry-after')) || PAUSE_S, signal)
    }
  }
}

function parseLocation(location: string): { request_id: string; query: { at?: string } } {
  const { pathname, searchParams } = new URL(location, 'http://relative')
  const [, id] = /\/workflow-requests\/([^/]+)$/.exec(pathname) ?? []
  if (id === undefined) throw new TypeError('This is not the Location of a request that was accepted')
  const at = searchParams.get('at')
  return { request_id: decodeURIComponent(id), query: at === null ? {} : { at } }
}

/** `fetch` has a `TypeError` for every failure of the connection. Anything else is thrown on. */
function unlessDisconnected(error: unknown): undefined {
  if (!(error instanceof TypeError)) throw error
}

function assertDocument(data: unknown, status: number): asserts data is RequestDocument {
  if (!isDocument(data)) throw foreignAnswer(status)
}

function isDocument(data: unknown): data is RequestDocument {
  if (typeof data !== 'object' || data === null || !('state' in data)) return false
  const { state } = data
  return requestStateValues.some((value) => value === state)
}

function hasEnded(document: RequestDocument): document is EndedRequest {
  return document.state !== 'pending'
}

/** Throws unless the same question may be answered later. What stands between may refuse in words of its own. */
function assertRetryable(error: unknown, status: number): void {
  if (isProblem(error)) {
    if (!error.retryable) throw new ProblemError(error)
  } else if (status < 500 && status !== 408 && status !== 429) throw foreignAnswer(status)
}

function foreignAnswer(status: number): Error {
  return new Error(`The answer was ${status}, and not one of the service's own`)
}

function isProblem(error: unknown): error is Problem {
  return typeof error === 'object' && error !== null && 'retryable' in error
}

function pause(seconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer)
      reject(signal.reason)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop)
      resolve()
    }, seconds * 1000)
    signal.addEventListener('abort', stop, { once: true })
  })
}
