import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { ANYBODY, type Caller, type Scope } from '../domain/access.ts'
import type { MakeProblem } from '../domain/problem.ts'
import { KeysUnavailable } from './keys.ts'
import { HttpProblem, replyProblem } from './problems.ts'
import { type ReadToken, TokenRefused } from './tokens.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What a caller needs for this route. Below /api/ each has to say so; elsewhere, without it, nothing. */
    scope?: Scope | 'public'
  }
  interface FastifyRequest {
    readonly caller: Caller
  }
}

/** Who asks for what is public: nothing else is open to them. */
const STRANGER: Caller = { principal: null, scopes: new Set() }

/**
 * Has each request bring a token with the scope of its operation, before its body is looked at. Without `readToken`
 * every caller may do everything.
 */
export function requireAccess(
  app: FastifyInstance,
  readToken: ReadToken | undefined,
  makeProblem: MakeProblem,
): void {
  app.addHook('onRoute', ({ url, config }) => {
    if (url.startsWith('/api/') && !config?.scope) throw new Error(`The route ${url} does not say its scope`)
  })
  if (!readToken) return void app.decorateRequest('caller', { getter: () => ANYBODY })

  const keysAway = makeProblem(
    'unavailable',
    'The keys that tokens are signed with cannot be had at the moment',
  )
  const callers = new WeakMap<FastifyRequest, Caller>()
  app.decorateRequest('caller', {
    getter(this: FastifyRequest) {
      return callers.get(this) ?? STRANGER
    },
  })
  app.addHook('onRequest', async (request, reply) => {
    const { scope = 'public' } = request.routeOptions.config
    if (scope === 'public') return
    const caller = await callerOf(readToken, request, reply)
    if (!caller) return replyProblem(reply, keysAway)
    if (!caller.scopes.has(scope)) {
      const detail = `The token does not have the scope ${scope}`
      challenge(reply, { error: 'insufficient_scope', error_description: detail, scope })
      throw new HttpProblem(makeProblem('forbidden', detail))
    }
    callers.set(request, caller)
  })

  async function callerOf(readToken: ReadToken, request: FastifyRequest, reply: FastifyReply) {
    const unauthorized = (detail: string, parameters = {}) => {
      challenge(reply, parameters)
      return new HttpProblem(makeProblem('unauthorized', detail))
    }
    const { authorization = [] } = request.raw.headersDistinct
    if (!authorization.some((header) => BEARER.test(header)))
      throw unauthorized('The header Authorization must have a token: Bearer, and a JWT')
    try {
      return await readToken(tokenIn(authorization))
    } catch (error) {
      if (error instanceof TokenRefused)
        throw unauthorized(error.message, { error: 'invalid_token', error_description: error.message })
      if (!(error instanceof KeysUnavailable)) throw error
      // Any stranger may bring this about, as often as they like. That the keys are away is told once, by who fetches them.
      request.log.info({ status: keysAway.status, code: error.code }, error.message)
      return undefined
    }
  }
}

const BEARER = /^Bearer(?: |$)/i

/** Of several headers nobody can tell which one counts. */
function tokenIn([header = '', ...others]: readonly string[]): string {
  if (others.length > 0) throw new TokenRefused('The header authorization is there more than once')
  return header.replace(/^Bearer */i, '')
}

/** How to get in (RFC 6750). */
function challenge(reply: FastifyReply, parameters: Readonly<Record<string, string>>): void {
  const all = Object.entries({ realm: 'workflow-registrar', ...parameters })
  reply.header('www-authenticate', `Bearer ${all.map(([name, value]) => `${name}="${value}"`).join(', ')}`)
}
