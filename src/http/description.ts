import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyError, FastifyInstance } from 'fastify'
import type { MakeProblem } from '../domain/problem.ts'
import { openApiDocument } from './contract/openapi.ts'
import { getOpenApi } from './contract/service.ts'
import { HttpProblem } from './problems.ts'
import { serve } from './serve.ts'

/** The description of the HTTP operations: as a document for programs, and as a page for people. */
export function descriptionRoutes({
  problemBaseUrl,
  makeProblem,
}: {
  problemBaseUrl: string
  makeProblem: MakeProblem
}) {
  const text = JSON.stringify(openApiDocument(problemBaseUrl))
  return async function description(app: FastifyInstance) {
    serve(app, getOpenApi, makeProblem, async ({ reply }) =>
      reply.type('application/json; charset=utf-8').send(text),
    )
    await app.register(page(JSON.parse(text), makeProblem))
  }
}

/** All that the page needs comes from here, and its policy lets it ask nobody else. */
function page(document: object, makeProblem: MakeProblem) {
  return async function docs(app: FastifyInstance) {
    app.addHook('onRequest', async ({ raw: { headers } }) => {
      // Its files go out whole: what asks for a part of one would be refused in words of the library.
      for (const name of ['range', 'if-range', 'if-match', 'if-unmodified-since']) delete headers[name]
    })
    app.setErrorHandler((error: FastifyError) => {
      if (!(error instanceof HttpProblem) && error.statusCode !== undefined && error.statusCode < 500)
        throw new HttpProblem(makeProblem('not-found', 'There is nothing at this URL'))
      throw error
    })
    await app.register(swagger, { mode: 'static', specification: { document: document as never } })
    await app.register(swaggerUi, {
      routePrefix: '/docs',
      staticCSP: CONTENT_SECURITY_POLICY,
      theme: { title: 'workflow-registrar' },
      uiConfig: { layout: 'BaseLayout' }, // without a bar to explore other services
    })
  }
}

const CONTENT_SECURITY_POLICY = {
  'default-src': "'none'",
  'script-src': "'self'",
  'style-src': "'self'",
  'img-src': ["'self'", 'data:'],
  'connect-src': "'self'",
  'base-uri': "'none'",
  'form-action': "'none'",
  'frame-ancestors': "'none'",
}
