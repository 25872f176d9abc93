import { METHODS as HTTP_METHODS } from 'node:http'
import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyPluginAsync,
  type HTTPMethods,
  LogController,
} from 'fastify'
import { LIMITS } from '../domain/limits.ts'
import type { MakeProblem } from '../domain/problem.ts'
import type { Logger } from '../logger.ts'
import type { Tracing } from '../tracing.ts'
import { requireAccess } from './access.ts'
import { connectionsOf } from './connections.ts'
import { limitBodiesInHand, OVERLOAD_LIMITS, type OverloadLimits, refuseOverload } from './overload.ts'
import { errorHandler, HttpProblem } from './problems.ts'
import { continueWhenRead, takeBodies } from './request-body.ts'
import { refuseByHead } from './request-head.ts'
import { measureRequests, type RequestAnswered } from './request-metrics.ts'
import { traceRequests } from './request-spans.ts'
import type { ReadToken } from './tokens.ts'
import { unreadableRequests } from './unreadable.ts'

/** How long a request may take to come in. */
const REQUEST_TIMEOUT_MS = 15_000

/** The HTTP side, with these routes on it; it does not listen yet. Every 4xx and 5xx is a problem. */
export async function buildServer(parts: {
  routes: readonly FastifyPluginAsync[]
  makeProblem: MakeProblem
  log: Logger
  overload?: OverloadLimits
  onAnswered?: RequestAnswered
  tracing?: Tracing | undefined
  /** Reads the tokens that callers must bring; undefined: none is asked for. */
  readToken?: ReadToken | undefined
  /** Aborted when what is in hand at the end has had its time. */
  givenUp?: AbortSignal
}) {
  const {
    routes,
    makeProblem,
    log,
    overload = OVERLOAD_LIMITS,
    onAnswered,
    tracing,
    readToken,
    givenUp,
  } = parts
  const measured = onAnswered && measureRequests(onAnswered)
  const unreadable = unreadableRequests(makeProblem, measured?.unreadable)
  const app = Fastify({
    loggerInstance: log as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }), // a line where it is due, from problems.ts
    bodyLimit: LIMITS.bytes,
    requestTimeout: REQUEST_TIMEOUT_MS, // for the whole of a request: a body that trickles in ends here
    http: {
      headersTimeout: REQUEST_TIMEOUT_MS, // Node takes the greater of the two for bodies
      connectionsCheckingInterval: 1_000,
      requireHostHeader: false, // to be refused in words
    },
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    routerOptions: {
      maxParamLength: 3 * 4 * 255, // a name as long as may be, percent-encoded
      ignoreTrailingSlash: false,
    },
    frameworkErrors: errorHandler(makeProblem), // a URL that no route gets to see
    clientErrorHandler: unreadable.answer,
  })
  app.setErrorHandler(errorHandler(makeProblem))
  app.setNotFoundHandler(() => {
    throw new HttpProblem(makeProblem('not-found', 'There is nothing at this URL')) // for routes that say so themselves
  })
  unreadable.watch(app.server)
  measured?.watch(app)
  refuseByHead(app, makeProblem)
  await refuseOverload(app, makeProblem, overload)
  requireAccess(app, readToken, makeProblem)
  if (tracing) traceRequests(app, tracing)
  takeBodies(app, makeProblem)
  limitBodiesInHand(app, makeProblem, overload)
  continueWhenRead(app)

  let closing = false
  const connections = connectionsOf(app.server, unreadable.late)
  givenUp?.addEventListener('abort', connections.giveUp)
  app.addHook('preClose', async () => {
    closing = true
    connections.close()
  })
  app.addHook('onSend', async (_request, reply) => {
    if (closing) reply.header('connection', 'close') // or a kept-alive connection would hold up the end
  })

  for (const method of METHODS) if (!app.supportedMethods.includes(method)) app.addHttpMethod(method)
  const urls = new Set<string>()
  app.addHook('onRoute', ({ url }) => void urls.add(url))
  for (const route of routes) await app.register(route)
  refuseOtherMethods(app, urls, makeProblem)
  return app
}

function refuseOtherMethods(app: FastifyInstance, urls: ReadonlySet<string>, makeProblem: MakeProblem) {
  for (const url of [...urls]) {
    const methods = METHODS.filter((method) => app.hasRoute({ url, method }))
    app.route({
      url,
      method: METHODS.filter((method) => !methods.includes(method)),
      config: { scope: 'public' },
      // Before the body is looked at: whatever it is, it is not wanted.
      onRequest: async (request, reply) => {
        reply.header('allow', methods.join(', '))
        throw new HttpProblem(makeProblem('method-not-allowed', `${request.method} is not possible here`))
      },
      handler: () => {},
    })
  }
}

/** Whatever Node reads as a method; CONNECT is no request to a resource. */
const METHODS: HTTPMethods[] = HTTP_METHODS.filter((method) => method !== 'CONNECT')
