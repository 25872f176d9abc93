import type { FastifyInstance } from 'fastify'
import type { MakeProblem } from '../domain/problem.ts'
import { HttpProblem } from './problems.ts'

/** Of these Node keeps the first and drops the others, so that two readers could see two requests. */
const ONCE = ['host', 'content-type']

const HOST = /^(\[[\da-f:.]+\]|[\w.~!$&'()*+,;=%-]*)(:\d*)?$/i

/** Refuses a request for what its head says, before anything else is done with it. */
export function refuseByHead(app: FastifyInstance, makeProblem: MakeProblem): void {
  const refuse = (detail: string) => new HttpProblem(makeProblem('validation-error', detail))

  app.addHook('onRequest', async ({ raw, is404, params }) => {
    if (raw.httpVersionMajor !== 1) throw refuse('Only HTTP/1.0 and HTTP/1.1 are spoken here')
    const twice = ONCE.find((name) => timesIn(raw.rawHeaders, name) > 1)
    if (twice) throw refuse(`The header ${twice} is there more than once`)
    const { host } = raw.headers
    if (host === undefined && raw.httpVersionMinor > 0) throw refuse('The header host is missing')
    if (host !== undefined && !HOST.test(host)) throw refuse('The header host cannot be read')

    const isSegmentMissing = Object.entries(params as object).some(
      ([name, value]) => name !== '*' && value === '',
    )
    if (is404 || isSegmentMissing)
      throw new HttpProblem(makeProblem('not-found', 'There is nothing at this URL'))
  })
}

/** How often a header is there, in names and values as they came. */
function timesIn(rawHeaders: readonly string[], name: string): number {
  let times = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const given = rawHeaders[at]!
    if (given.length === name.length && given.toLowerCase() === name) times += 1
  }
  return times
}
