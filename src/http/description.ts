import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyError, FastifyInstance } from 'fastify'
import type { JsonSchema } from '../domain/json-schema.ts'
import type { MakeProblem } from '../domain/problem.ts'
import { openApiDocument } from './contract/openapi.ts'
import { getAsyncApi, getCompletedSchema, getOpenApi, getRequestedSchema } from './contract/service.ts'
import { type EventDocument, eventPage } from './event-page.ts'
import { EVENT_PAGE_STYLE } from './event-page-style.ts'
import { HttpProblem } from './problems.ts'
import { serve } from './serve.ts'

export interface DescriptionParts {
  problemBaseUrl: string
  /** What goes over Kafka, and what each event carries. */
  events: { document: EventDocument; schemas: { requested: JsonSchema; completed: JsonSchema } }
  makeProblem: MakeProblem
}

/** The descriptions of what goes over HTTP and Kafka: as documents for programs, and as pages for people. */
export function descriptionRoutes({ problemBaseUrl, events, makeProblem }: DescriptionParts) {
  const openApi = JSON.stringify(openApiDocument(problemBaseUrl))
  const documents = [
    { operation: getOpenApi, type: 'application/json; charset=utf-8', text: openApi },
    {
      operation: getAsyncApi,
      type: 'application/json; charset=utf-8',
      text: JSON.stringify(events.document),
    },
    { operation: getRequestedSchema, type: SCHEMA_TYPE, text: JSON.stringify(events.schemas.requested) },
    { operation: getCompletedSchema, type: SCHEMA_TYPE, text: JSON.stringify(events.schemas.completed) },
  ]
  return async function description(app: FastifyInstance) {
    for (const { operation, type, text } of documents)
      serve(app, operation, makeProblem, async ({ reply }) => reply.type(type).send(text))
    await app.register(eventPages(events.document))
    await app.register(page(JSON.parse(openApi), makeProblem))
  }
}

const SCHEMA_TYPE = 'application/schema+json; charset=utf-8'

/** The page about events and its style sheet. It runs no script, and may load nothing else. */
function eventPages(document: EventDocument) {
  const page = eventPage(document)
  return async function docs(app: FastifyInstance) {
    app.get('/docs/events', async (_request, reply) =>
      reply.header('content-security-policy', EVENT_PAGE_POLICY).type('text/html; charset=utf-8').send(page),
    )
    app.get('/docs/events.css', async (_request, reply) =>
      reply.type('text/css; charset=utf-8').send(EVENT_PAGE_STYLE),
    )
  }
}

const EVENT_PAGE_POLICY =
  "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/** The page about HTTP. All that it needs comes from here, and its policy lets it ask nobody else. */
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
