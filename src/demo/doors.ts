import { setTimeout as delay } from 'node:timers/promises'
import type { RequestDocument } from '../domain/document.ts'
import type { Outcome } from '../domain/outcome.ts'
import type { Problem } from '../domain/problem.ts'
import type { Publisher } from '../kafka/publish.ts'
import type { Replies } from './replies.ts'
import { untilAborted } from './until-aborted.ts'

export interface DemoRequest {
  /** Makes it safe to send again: the idempotency key at HTTP, the request id on the topic. */
  id: string
  workflowName: string
  /** Its name and version. */
  workflow: string
  body: string
}

/** How a request ended, as its caller was told. */
export interface Ending {
  outcome: Outcome
  problem?: Problem | undefined
}

export interface Door {
  name: string
  /** Sends a request and waits for its outcome, until the signal says otherwise. */
  register(request: DemoRequest, signal: AbortSignal): Promise<Ending>
}

/** Answers with the outcome. */
export function syncDoor(url: string): Door {
  return {
    name: 'POST /api/v1/workflows',
    async register(request, signal) {
      const { status, body } = await post(`${url}/api/v1/workflows`, request, signal)
      return status === 201 ? { outcome: 'created' } : refused(body)
    },
  }
}

/** Answers with a place to ask for the outcome. */
export function queueDoor(url: string): Door {
  return {
    name: 'POST /api/v1/workflow-requests',
    async register(request, signal) {
      const { status, body, location } = await post(`${url}/api/v1/workflow-requests`, request, signal)
      if (status !== 202) return refused(body)
      for (let pauseMs = 10; ; pauseMs = Math.min(pauseMs * 1.5, 100)) {
        await delay(pauseMs, undefined, { signal })
        const answer = await ask(new URL(location!, url).href, {}, signal)
        if (answer.status !== 200) throw new Error(`its Location answered ${answer.status}`)
        const { state, problem } = answer.body as RequestDocument
        if (state !== 'pending') return { outcome: state, problem }
      }
    },
  }
}

/** Takes plain JSON records, and tells the outcome on the reply topic. */
export function topicDoor(topic: string, publisher: Publisher, replies: Replies): Door {
  return {
    name: `topic ${topic}`,
    async register({ id, workflowName, body }, signal) {
      const reply = replies.to(id, signal)
      const sent = publisher.send(topic, { key: workflowName, value: body, headers: { 'request-id': id } })
      const [{ state, problem }] = await Promise.all([reply, sent])
      return { outcome: state as Outcome, problem } // a reply is never pending
    },
  }
}

function refused(body: unknown): Ending {
  const problem = body as Problem
  return { outcome: OUTCOME_OF_STATUS[problem.status] ?? 'rejected', problem }
}

const OUTCOME_OF_STATUS: Readonly<Record<number, Outcome>> = { 409: 'conflict', 500: 'failed' }

interface Answer {
  status: number
  location: string | null
  body: unknown
}

function post(url: string, { id, body }: DemoRequest, signal: AbortSignal): Promise<Answer> {
  const headers = { 'content-type': 'application/json', 'idempotency-key': id }
  return ask(url, { method: 'POST', headers, body }, signal)
}

/** Asks again while nothing answers, or while the answer is to try later. */
async function ask(url: string, init: RequestInit, signal: AbortSignal): Promise<Answer> {
  for (;;) {
    // Left to end by itself: for one that is aborted fetch opens a connection anew, and leaves it open unused.
    const answer = await untilAborted(answerTo(fetch(url, init)), signal).catch(() => undefined)
    if (answer && !(answer.body as Partial<Problem>).retryable) return answer
    await delay(500, undefined, { signal })
  }
}

async function answerTo(sent: Promise<Response>): Promise<Answer> {
  const response = await sent
  return {
    status: response.status,
    location: response.headers.get('location'),
    body: await response.json(),
  }
}
