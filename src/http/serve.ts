import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ZodObject, z } from 'zod'
import { fieldErrors } from '../domain/field-errors.ts'
import { limitErrors } from '../domain/limits.ts'
import type { MakeProblem } from '../domain/problem.ts'
import type { Operation } from './contract/operation.ts'
import { HttpProblem } from './problems.ts'

type Parsed<Schema> = Schema extends ZodObject ? z.output<Schema> : Record<string, never>

/** A request whose parameters are read. */
export interface Call<O extends Operation> {
  params: Parsed<O['params']>
  query: Parsed<O['query']>
  request: FastifyRequest
  reply: FastifyReply
}

/** Puts an operation on the server: whoever calls it has kept to its parameters. */
export function serve<const O extends Operation>(
  app: FastifyInstance,
  operation: O,
  makeProblem: MakeProblem,
  handle: (call: Call<O>) => Promise<unknown>,
): void {
  const { operationId, method, url, scope, params, query, body } = operation
  app.route({
    method,
    url,
    config: { operation: operationId, scope },
    ...(body?.maxBytes !== undefined && { bodyLimit: body.maxBytes }),
    handler: (request, reply) =>
      handle({
        params: read(params, request.params, makeProblem),
        query: read(query, request.query, makeProblem),
        request,
        reply,
      } as Call<O>),
  })
}

function read(schema: ZodObject | undefined, given: unknown, makeProblem: MakeProblem): unknown {
  if (!schema) return {}
  const value = nested(given as Record<string, unknown>)
  const wrong = limitErrors(value)
  const parsed = schema.safeParse(value, { reportInput: true })
  if (parsed.success && wrong.length === 0) return parsed.data
  const errors = [...wrong, ...fieldErrors(parsed.error)].slice(0, 100)
  const details = errors.map(({ pointer, detail }) => {
    const name = pointer.slice(1).replaceAll('~1', '/').replaceAll('~0', '~')
    return `the parameter ${name.slice(0, 100).toWellFormed()} ${detail.replace('a known field', 'known here')}`
  })
  throw new HttpProblem(
    makeProblem('validation-error', details.join('; ').slice(0, 1000).toWellFormed(), {
      errors: details.map((detail) => ({ pointer: '', detail })),
    }),
  )
}

/** Parameters like `labels[team]=a` as `{ labels: { team: 'a' } }`, and no deeper than that. */
function nested(given: Record<string, unknown>): Record<string, unknown> {
  const read = new Map<string, unknown>()
  const groups = new Map<string, [name: string, value: unknown][]>()
  for (const [name, value] of Object.entries(given)) {
    const [, outer, inner] = /^(\w+)\[((?:(?!\]\[).)*)\]$/s.exec(name) ?? []
    if (outer === undefined || inner === undefined || Object.hasOwn(given, outer)) read.set(name, value)
    else {
      const group = groups.get(outer) ?? []
      groups.set(outer, group)
      group.push([inner, value])
    }
  }
  for (const [outer, group] of groups) read.set(outer, Object.fromEntries(group))
  return Object.fromEntries(read)
}
