import * as z from 'zod'
import { EVENT_SCHEMA_HREFS } from '../../domain/document.ts'
import { DOORS } from '../../domain/door.ts'
import { operation } from './operation.ts'

export const getLiveness = operation({
  operationId: 'getLiveness',
  method: 'GET',
  url: '/health/live',
  scope: 'public',
  tag: 'service',
  summary: 'Whether the process turns',
  query: z.looseObject({}),
  answers: {
    200: {
      description: 'It does',
      schema: z.strictObject({ status: z.literal('live') }).meta({ id: 'Liveness' }),
      examples: { live: { value: { status: 'live' } } },
    },
  },
  problems: [],
})

const readiness = z
  .strictObject({
    status: z.literal('ready'),
    shut: z
      .array(z.strictObject({ door: z.enum(DOORS), reasons: z.array(z.string()) }))
      .optional()
      .describe('Each door that cannot work now, and why'),
  })
  .meta({ id: 'Readiness' })

export const getReadiness = operation({
  operationId: 'getReadiness',
  method: 'GET',
  url: '/health/ready',
  scope: 'public',
  tag: 'service',
  summary: 'Whether the process is able to do its job',
  description:
    'Doors alone are able as long as one of them is open: a door that is `shut` answers 503. A worker has to work, and every door beside it has to be open.',
  query: z.looseObject({}),
  answers: {
    200: {
      description: 'It is',
      schema: readiness,
      examples: {
        ready: { value: { status: 'ready' } },
        'with a door shut': {
          value: { status: 'ready', shut: [{ door: 'sync', reasons: ['PostgreSQL does not answer'] }] },
        },
      },
    },
  },
  problems: [],
})

export const getOpenApi = operation({
  operationId: 'getOpenApi',
  method: 'GET',
  url: '/openapi.json',
  scope: 'public',
  tag: 'service',
  summary: 'This description',
  query: z.looseObject({}),
  answers: {
    200: {
      description: 'OpenAPI 3.1',
      schema: z.looseObject({ openapi: z.string() }).meta({ id: 'OpenApi' }),
      examples: {
        openapi: { value: { openapi: '3.1.1', info: { title: 'workflow-registrar' }, paths: {} } },
      },
    },
  },
  problems: [],
})

export const getAsyncApi = operation({
  operationId: 'getAsyncApi',
  method: 'GET',
  url: '/asyncapi.json',
  scope: 'public',
  tag: 'service',
  summary: 'The description of what goes over Kafka',
  description: 'For people it is at `/docs/events`.',
  query: z.looseObject({}),
  answers: {
    200: {
      description: 'AsyncAPI 3.0',
      schema: z.looseObject({ asyncapi: z.string() }).meta({ id: 'AsyncApi' }),
      examples: {
        asyncapi: { value: { asyncapi: '3.0.0', info: { title: 'workflow-registrar', version: '1.0.0' } } },
      },
    },
  },
  problems: [],
})

const jsonSchema = z.looseObject({ $id: z.string() }).meta({ id: 'JsonSchema' })

const schemaAnswer = (href: string) =>
  ({
    description: 'JSON Schema 2020-12; its `$id` does not depend on where it is read',
    mediaType: 'application/schema+json',
    schema: jsonSchema,
    examples: {
      schema: {
        value: {
          $schema: 'https://json-schema.org/draft/2020-12/schema',
          $id: `https://registrar.example${href}`,
        },
      },
    },
  }) as const

export const getRequestedSchema = operation({
  operationId: 'getRequestedSchema',
  method: 'GET',
  url: EVENT_SCHEMA_HREFS.requested,
  scope: 'public',
  tag: 'service',
  summary: 'What a request on Kafka carries',
  query: z.looseObject({}),
  answers: { 200: schemaAnswer(EVENT_SCHEMA_HREFS.requested) },
  problems: [],
})

export const getCompletedSchema = operation({
  operationId: 'getCompletedSchema',
  method: 'GET',
  url: EVENT_SCHEMA_HREFS.completed,
  scope: 'public',
  tag: 'service',
  summary: 'What a reply on Kafka carries',
  query: z.looseObject({}),
  answers: { 200: schemaAnswer(EVENT_SCHEMA_HREFS.completed) },
  problems: [],
})
