import type { FastifyInstance } from 'fastify'
import type { MakeProblem } from '../domain/problem.ts'
import { getLiveness, getReadiness } from './contract/service.ts'
import { replyProblem } from './problems.ts'
import { serve } from './serve.ts'

/** Answers why something cannot do its job, or nothing when it can. Never with an address or a secret. */
export type Check = () => Promise<string[]>

/** Live: the process turns. Ready: everything it needs answers. */
export function healthRoutes({
  checks,
  makeProblem,
}: {
  checks: readonly Check[]
  makeProblem: MakeProblem
}) {
  return async function health(app: FastifyInstance) {
    serve(app, getLiveness, makeProblem, async () => ({ status: 'live' }))
    serve(app, getReadiness, makeProblem, async ({ reply }) => {
      const reasons = new Set((await Promise.all(checks.map((check) => check()))).flat())
      if (reasons.size === 0) return { status: 'ready' }
      return replyProblem(reply, makeProblem('unavailable', [...reasons].join('; ')))
    })
  }
}
