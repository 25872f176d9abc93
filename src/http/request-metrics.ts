import type { IncomingMessage } from 'node:http'
import type { FastifyInstance } from 'fastify'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The `operationId` of what this route does, where it is published. */
    operation?: string
  }
}

/** Told of each request once: what it asked for, how it was answered, and how long that took. */
export type RequestAnswered = (operation: string, status: string, seconds: number) => void

/** What is told in place of an operation, where no route is one. */
const NO_OPERATION = 'none'

/** What is told in place of a status, where nobody was there any more to get the whole answer. */
const ABORTED = 'aborted'

/** Tells of every request that could be read as HTTP, when its answer is out or nobody waits for it any more. */
export function measureRequests(app: FastifyInstance, answered: RequestAnswered): void {
  const operations = new WeakMap<IncomingMessage, string>()
  app.addHook('onRequest', ({ raw, routeOptions }, _reply, done) => {
    if (routeOptions.config.operation) operations.set(raw, routeOptions.config.operation)
    done()
  })
  app.server.on('request', (request, response) => {
    const began = performance.now()
    response.once('close', () => {
      const status = response.writableFinished ? String(response.statusCode) : ABORTED
      answered(operations.get(request) ?? NO_OPERATION, status, (performance.now() - began) / 1_000)
    })
  })
}
