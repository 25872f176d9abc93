import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { aWorkflow } from './workflows.ts'

const CALLERS = 8
/** Between an answer and the next request of a caller. */
const PACE_MS = 20
/** More than there can be in vain while one of them answers. */
const MOST_TRIES = 50

/** The two HTTP doors, each with the answer to a new workflow. */
export const DOORS = { workflows: 201, 'workflow-requests': 202 } as const
export type Door = keyof typeof DOORS
export const DOOR_NAMES = Object.keys(DOORS) as Door[]

/** A request that has its good answer. */
export interface Ended {
  door: Door
  name: string
  requestId: string | undefined
}

/**
 * Callers that send one request after the other, through what balances them over the ingresses. What gets no connection,
 * or no answer on it, is given up, and another request is sent to the next one: so whatever the service has that did not
 * end here was taken on and never answered.
 */
export function startLoad(ingresses: readonly { url: string }[]) {
  const ended: Ended[] = []
  const faults: unknown[] = []
  let stopped = false
  let turn = 0

  async function send(door: Door): Promise<void> {
    for (let tries = 0; tries < MOST_TRIES; tries += 1) {
      const workflow = aWorkflow()
      const headers = { 'content-type': 'application/json', 'idempotency-key': `"${randomUUID()}"` }
      const request = { method: 'POST', headers, body: JSON.stringify(workflow) }
      const { url } = ingresses[turn++ % ingresses.length]!
      const response = await fetch(`${url}/api/v1/${door}`, request).catch(() => undefined)
      if (!response) continue
      const text = await response.text()
      if (response.status !== DOORS[door]) throw new Error(`${response.status} at ${door}: ${text}`)
      ended.push({ door, name: String(workflow.workflow_name), requestId: JSON.parse(text).request_id })
      return
    }
    throw new Error(`nobody answers at ${door}`)
  }

  async function call(first: number) {
    for (let count = first; !stopped; count += 1) {
      await send(DOOR_NAMES[count % DOOR_NAMES.length]!).catch((error) => faults.push(error))
      await delay(PACE_MS)
    }
  }

  const calling = Promise.all(Array.from({ length: CALLERS }, (_, index) => call(index)))
  return {
    ended,
    /** What was not answered as it should be, or not to the end. */
    faults,
    /** Asks whether both doors have answered since now. */
    wentOn() {
      const before = ended.length
      return () => DOOR_NAMES.every((wanted) => ended.slice(before).some(({ door }) => door === wanted))
    },
    async stop() {
      stopped = true
      await calling
    },
  }
}
