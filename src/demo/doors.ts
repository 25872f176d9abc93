import { setTimeout as delay } from 'node:timers/promises'
import { type CreateWorkflow, createRegistrarClient, type RegistrarClient } from '../client/index.ts'
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
  body: CreateWorkflow
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
export function syncDoor(registrar: RegistrarClient): Door {
  return {
    name: 'POST /api/v1/workflows',
    async register({ id, body }, signal) {
      const params = { header: { 'Idempotency-Key': id } }
      const post = () => registrar.POST('/api/v1/workflows', { params, body, signal })
      const { error } = await insist(post, signal)
      return error ? refused(error) : { outcome: 'created' }
    },
  }
}

/** Answers with a place to ask for the outcome. */
export function queueDoor(registrar: RegistrarClient): Door {
  return {
    name: 'POST /api/v1/workflow-requests',
    async register({ id, body }, signal) {
      const params = { header: { 'Idempotency-Key': id } }
      const post = () => registrar.POST('/api/v1/workflow-requests', { params, body, signal })
      const { error, response } = await insist(post, signal)
      if (error) return refused(error)
      const { state, problem } = await registrar.waitForOutcome(response.headers.get('location')!, { signal })
      return { outcome: state, problem }
    },
  }
}

/** Takes plain JSON records, and tells the outcome on the reply topic. */
export function topicDoor(topic: string, publisher: Publisher, replies: Replies): Door {
  return {
    name: `topic ${topic}`,
    async register({ id, workflowName, body }, signal) {
      const reply = replies.to(id, signal)
      const sent = publisher.send(topic, {
        key: workflowName,
        value: JSON.stringify(body),
        headers: { 'request-id': id },
      })
      const [{ state, problem }] = await Promise.all([reply, sent])
      return { outcome: state as Outcome, problem } // a reply is never pending
    },
  }
}

/** A client whose requests are left to end by themselves: for an aborted one fetch opens a connection, and keeps it. */
export function demoClient(baseUrl: string): RegistrarClient {
  return createRegistrarClient({
    baseUrl,
    fetch: (request) => untilAborted(fetch(new Request(request, { signal: null })), request.signal),
  })
}

function refused(problem: Problem): Ending {
  return { outcome: OUTCOME_OF_STATUS[problem.status] ?? 'rejected', problem }
}

const OUTCOME_OF_STATUS: Readonly<Record<number, Outcome>> = { 409: 'conflict', 500: 'failed' }

/** Asks again while nothing answers, or while the answer is to try later. */
async function insist<Answer extends { error?: Problem }>(
  ask: () => Promise<Answer>,
  signal: AbortSignal,
): Promise<Answer> {
  for (;;) {
    const answer = await ask().catch(() => undefined)
    if (answer && !answer.error?.retryable) return answer
    await delay(500, undefined, { signal })
  }
}
