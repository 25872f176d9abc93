import type { FastifyInstance } from 'fastify'
import type { MakeProblem } from '../domain/problem.ts'
import { replyProblem } from './problems.ts'

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
    app.get('/health/live', async () => ({ status: 'live' }))
    app.get('/health/ready', async (_request, reply) => {
      const reasons = (await Promise.all(checks.map((check) => check()))).flat()
      if (reasons.length === 0) return { status: 'ready' }
      return replyProblem(reply, makeProblem('unavailable', reasons.join('; ')))
    })
  }
}
