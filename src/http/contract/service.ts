import { z } from 'zod'
import { operation } from './operation.ts'

export const getLiveness = operation({
  operationId: 'getLiveness',
  method: 'GET',
  url: '/health/live',
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

export const getReadiness = operation({
  operationId: 'getReadiness',
  method: 'GET',
  url: '/health/ready',
  tag: 'service',
  summary: 'Whether everything that the process needs answers',
  query: z.looseObject({}),
  answers: {
    200: {
      description: 'It does',
      schema: z.strictObject({ status: z.literal('ready') }).meta({ id: 'Readiness' }),
      examples: { ready: { value: { status: 'ready' } } },
    },
  },
  problems: [],
})

export const getOpenApi = operation({
  operationId: 'getOpenApi',
  method: 'GET',
  url: '/openapi.json',
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
