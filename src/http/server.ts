import { type Server, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyPluginAsync,
  type HTTPMethods,
  LogController,
} from 'fastify'
import { LIMITS } from '../domain/limits.ts'
import type { MakeProblem, ProblemSlug } from '../domain/problem.ts'
import type { Logger } from '../logger.ts'
import { errorHandler, HttpProblem, PROBLEM_JSON } from './problems.ts'

/** The HTTP side, with these routes on it; it does not listen yet. Every answer that is not a 2xx is a problem. */
export async function buildServer(parts: {
  routes: readonly FastifyPluginAsync[]
  makeProblem: MakeProblem
  log: Logger
}) {
  const { routes, makeProblem, log } = parts
  const app = Fastify({
    loggerInstance: log as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }), // a line where it is due, from problems.ts
    bodyLimit: LIMITS.bytes,
    requestTimeout: 15_000, // for the whole of a request: a body that trickles in ends here
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: 255, ignoreTrailingSlash: false },
    frameworkErrors: errorHandler(makeProblem), // a URL that no route gets to see
    clientErrorHandler(error, socket) {
      const slug = CLIENT_ERRORS[(error as NodeJS.ErrnoException).code ?? ''] ?? 'validation-error'
      const problem = makeProblem(slug, 'The request could not be read as HTTP')
      const body = JSON.stringify(problem)
      if (!socket.writable) socket.destroy()
      else
        socket.end(
          `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\nconnection: close\r\n` +
            `content-type: ${PROBLEM_JSON}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
          () => socket.destroy(), // the other side may never close its half
        )
    },
  })
  app.removeAllContentTypeParsers()
  // The body stays as it came: it is read once, by the same code at every door.
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer' },
    async (_request: unknown, body: Buffer) => body,
  )
  app.setErrorHandler(errorHandler(makeProblem))
  app.setNotFoundHandler(() => {
    throw new HttpProblem(makeProblem('not-found', 'There is nothing at this URL'))
  })

  let closing = false
  const silent = connectionsWithoutRequest(app.server)
  app.addHook('preClose', async () => {
    closing = true
    for (const socket of silent) socket.destroy()
  })
  app.addHook('onSend', async (_request, reply) => {
    if (closing) reply.header('connection', 'close') // or a kept-alive connection would hold up the end
  })

  const allowed = new Map<string, Set<string>>()
  app.addHook('onRoute', ({ url, method }) => {
    const methods = allowed.get(url) ?? new Set()
    for (const name of [method].flat()) methods.add(name)
    allowed.set(url, methods)
  })
  for (const route of routes) await app.register(route)
  refuseOtherMethods(app, new Map([...allowed].map(([url, methods]) => [url, [...methods]])), makeProblem)
  return app
}

/** Connections that have not asked for anything: Node counts them as busy, and would wait for them at the end. */
function connectionsWithoutRequest(server: Server): ReadonlySet<Socket> {
  const silent = new Set<Socket>()
  server.on('connection', (socket) => {
    silent.add(socket)
    socket.once('close', () => silent.delete(socket))
  })
  server.on('request', ({ socket }) => silent.delete(socket))
  return silent
}

function refuseOtherMethods(app: FastifyInstance, allowed: Map<string, string[]>, makeProblem: MakeProblem) {
  for (const [url, methods] of allowed)
    app.route({
      url,
      method: METHODS.filter((method) => !methods.includes(method)),
      // Before the body is looked at: whatever it is, it is not wanted.
      onRequest: async (request, reply) => {
        reply.header('allow', methods.join(', '))
        throw new HttpProblem(makeProblem('method-not-allowed', `${request.method} is not possible here`))
      },
      handler: () => {},
    })
}

const METHODS: HTTPMethods[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']

const CLIENT_ERRORS: Record<string, ProblemSlug> = {
  HPE_HEADER_OVERFLOW: 'header-fields-too-large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request-timeout',
}
