import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { requestHref } from '../domain/document.ts'
import { Fault } from '../domain/fault.ts'
import type { MakeProblem, Problem, ProblemSlug } from '../domain/problem.ts'
import { PublishFailure } from '../kafka/publish.ts'
import type { requestFields } from '../outcome-log.ts'

export const PROBLEM_JSON = 'application/problem+json; charset=utf-8'

/** After how many seconds a caller should come back who was told that something is away. */
export const RETRY_AFTER_S = '1'

type RequestFields = ReturnType<typeof requestFields>

interface LineParts {
  cause?: unknown
  /** Which part of an HTTP request it is about. */
  item?: number
  fields?: RequestFields | undefined
}

/** An answer that is a problem, thrown by a route. */
export class HttpProblem extends Error {
  override readonly name = 'HttpProblem'
  readonly problem: Problem
  /** What its log line tells of the request that it is about. */
  readonly fields: RequestFields | undefined

  constructor(problem: Problem, cause?: unknown, fields?: RequestFields) {
    super(problem.title, { cause })
    this.problem = problem
    this.fields = fields
  }
}

/** Sends a problem and writes the one log line that it is worth. */
export function sendProblem(
  request: FastifyRequest,
  reply: FastifyReply,
  problem: Problem,
  parts: LineParts = {},
) {
  logProblem(request, problem, parts)
  return replyProblem(reply, problem)
}

/** Writes the one log line that a problem is worth. */
export function logProblem(
  request: FastifyRequest,
  problem: Problem,
  { cause, item, fields }: LineParts,
): void {
  const level = problem.status === 500 ? 'error' : problem.status === 503 ? 'warn' : 'info'
  request.log[level](
    {
      method: request.method,
      route: request.routeOptions.url,
      status: problem.status,
      problem: problem.type.slice(problem.type.lastIndexOf('/') + 1),
      ...fields,
      ...(item !== undefined && { item }),
      ...(cause !== undefined && { err: cause }),
    },
    problem.title,
  )
}

/** Sends a problem whose log line is written already. */
export function replyProblem(reply: FastifyReply, problem: Problem) {
  if (problem.status === 503) reply.header('retry-after', RETRY_AFTER_S)
  return reply.code(problem.status).type(PROBLEM_JSON).send(problem)
}

/** What becomes of anything that a route throws, or that Fastify refuses before a route is asked. */
export function errorHandler(makeProblem: MakeProblem) {
  return (error: FastifyError, request: FastifyRequest, reply: FastifyReply) => {
    if (error instanceof HttpProblem) {
      const { problem, cause, fields } = error
      return sendProblem(request, reply, problem, { cause, fields })
    }
    const fault = faultProblem(error, makeProblem)
    if (fault) return sendProblem(request, reply, fault, { cause: error })
    if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE')
      return sendProblem(request, reply, tooLarge(request, makeProblem))
    const refusal = REFUSALS[error.code] ?? (error.statusCode === 400 ? BAD_REQUEST : undefined)
    if (refusal) return sendProblem(request, reply, makeProblem(...refusal))
    return sendProblem(request, reply, makeProblem('internal-error', 'This should not have happened'), {
      cause: error,
    })
  }
}

/** That a body is more than its route takes. */
export function tooLarge({ routeOptions }: FastifyRequest, makeProblem: MakeProblem): Problem {
  return makeProblem('payload-too-large', `The body is larger than ${routeOptions.bodyLimit} bytes`)
}

/** Runs a step that may end in a fault, and sees to it that problem and log line tell which request it was about. */
export async function about<T>(
  fields: RequestFields,
  makeProblem: MakeProblem,
  step: () => Promise<T>,
): Promise<T> {
  try {
    return await step()
  } catch (error) {
    const fault = faultProblem(error, makeProblem)
    if (!fault) throw error
    throw new HttpProblem(problemAbout(fields.request_id, fault), error, fields)
  }
}

/** The same problem, told of a request whose outcome is not known. */
export function problemAbout(requestId: string, problem: Problem): Problem {
  return { ...problem, instance: requestHref(requestId), request_id: requestId }
}

/** What a fault of the infrastructure is to a caller; undefined when `error` is none. */
export function faultProblem(error: unknown, makeProblem: MakeProblem): Problem | undefined {
  if (error instanceof PublishFailure)
    return makeProblem('unavailable', 'Kafka did not acknowledge in time: it may still take the request')
  if (error instanceof Fault && error.class === 'outage')
    return makeProblem('unavailable', 'The database is away, or could not answer in time')
  if (error instanceof Fault)
    return makeProblem('internal-error', 'The database refused this for a reason that is not a duplicate')
  return undefined
}

const BAD_REQUEST: [ProblemSlug, string] = ['validation-error', 'The request is not valid HTTP']

const REFUSALS: Record<string, [ProblemSlug, string]> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: ['unsupported-media-type', 'The body must be application/json'],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: ['validation-error', 'The body is not as long as Content-Length says'],
  FST_ERR_BAD_URL: ['validation-error', 'The URL is not well-formed'],
  FST_ERR_MAX_PARAM_LENGTH: ['not-found', 'There is nothing at this URL'],
}
