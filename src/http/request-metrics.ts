import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyInstance } from 'fastify'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The `operationId` of what this route does, where it is published. */
    operation?: string
  }
}

/** Told of each request once: what it asked for, how it was answered, and how long that took since its head was read. */
export type RequestAnswered = (operation: string, status: string, seconds?: number) => void

/** What is told in place of an operation, where no route is one. */
const NO_OPERATION = 'none'

/** What is told in place of a status, where nobody was there any more to get the whole answer. */
const ABORTED = 'aborted'

/** Tells of every request when its answer is out, or nobody waits for it any more. */
export function measureRequests(answered: RequestAnswered) {
  const operations = new WeakMap<IncomingMessage, string>()
  const refused = new WeakMap<ServerResponse, string>()

  function statusOf(response: ServerResponse): string {
    return response.writableFinished ? String(response.statusCode) : (refused.get(response) ?? ABORTED)
  }

  return {
    watch(app: FastifyInstance) {
      app.addHook('onRequest', ({ raw, routeOptions }, _reply, done) => {
        if (routeOptions.config.operation) operations.set(raw, routeOptions.config.operation)
        done()
      })
      app.server.on('request', (request, response) => {
        const began = performance.now()
        response.once('close', () => {
          const seconds = (performance.now() - began) / 1_000
          answered(operations.get(request) ?? NO_OPERATION, statusOf(response), seconds)
        })
      })
    },

    /** What could not be read to its end is answered. */
    unreadable(status: number, response: ServerResponse | undefined) {
      if (response) refused.set(response, String(status))
      else answered(NO_OPERATION, String(status))
    },
  }
}
