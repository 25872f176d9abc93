import type { FastifyInstance } from 'fastify'
import { DOORS, type Door } from '../domain/door.ts'
import type { MakeProblem } from '../domain/problem.ts'
import { getLiveness, getReadiness } from './contract/service.ts'
import { replyProblem } from './problems.ts'
import { serve } from './serve.ts'

/** Answers why something cannot do its job, or nothing when it can. Never with an address or a secret. */
export type Check = () => Promise<string[]>

/** What a process has to do its job. */
export interface Readiness {
  /** The doors that it has, each with what it needs. */
  doors?: Readonly<Record<Door, Check>>
  /** What its worker needs, where it has one. */
  worker?: Check
}

/**
 * Live: the process turns. Ready: it is able to do its job. Doors alone can do it as long as one of them is open; where
 * there is a worker, it has to work, and every door has to be open.
 */
export function healthRoutes({ doors, worker, makeProblem }: Readiness & { makeProblem: MakeProblem }) {
  return async function health(app: FastifyInstance) {
    serve(app, getLiveness, makeProblem, async () => ({ status: 'live' }))
    serve(app, getReadiness, makeProblem, async ({ reply }) => {
      const [troubles, shut] = await Promise.all([worker?.() ?? [], doors ? shutDoors(doors) : []])
      const isReady = worker ? troubles.length === 0 && shut.length === 0 : shut.length < DOORS.length
      if (isReady) return { status: 'ready', ...(shut.length > 0 && { shut }) }
      const reasons = new Set([...troubles, ...shut.flatMap(({ reasons }) => reasons)])
      return replyProblem(reply, makeProblem('unavailable', [...reasons].join('; ')))
    })
  }
}

async function shutDoors(doors: Readonly<Record<Door, Check>>) {
  const checked = await Promise.all(DOORS.map(async (door) => ({ door, reasons: await doors[door]() })))
  return checked.filter(({ reasons }) => reasons.length > 0)
}
