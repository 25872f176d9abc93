import * as z from 'zod'

/** Headers of answers, by their names as they are published. */
export const HEADERS = {
  Location: z.string().meta({
    description: 'Where to read what was made, or how the request ended',
    examples: ['/api/v1/workflow-requests/0197f6a2-5b6c-7d3e-8f90-a1b2c3d4e5f6?at=cXVpdGUtb3BhcXVlLjAuMC4w'],
  }),
  'Retry-After': z
    .string()
    .regex(/^\d+$/)
    .meta({ description: 'Seconds to wait before asking again', examples: ['1'] }),
  'Preference-Applied': z
    .string()
    .meta({ description: 'The wait that was granted (RFC 7240)', examples: ['wait=10'] }),
  'Idempotent-Replayed': z
    .literal('true')
    .meta({ description: 'This request had ended before: the answer tells again how', examples: ['true'] }),
  ETag: z.string().meta({ description: 'Stands for this body', examples: ['"1a2b3c4d"'] }),
  'Cache-Control': z.string().meta({ description: 'While pending: `no-store`', examples: ['no-store'] }),
  Link: z.string().meta({
    description: 'The next page, when there is one (RFC 8288)',
    examples: ['</api/v1/workflows?cursor=b3BhcXVl>; rel="next"'],
  }),
  'WWW-Authenticate': z.string().meta({
    description: 'What is wrong with the token, or which scope it lacks (RFC 6750)',
    examples: [
      'Bearer realm="workflow-registrar", error="insufficient_scope", error_description="The token does not have the scope workflows:write", scope="workflows:write"',
    ],
  }),
  Allow: z.string().meta({ description: 'The methods that are possible here', examples: ['GET, HEAD'] }),
} as const

export type HeaderName = keyof typeof HEADERS

const idempotencyKey = z
  .string()
  .regex(/^([!#-~][!-~]{0,254}|"([ !#-[\]-~]|\\["\\]){1,255}")$/)
  .optional()
  .meta({
    description:
      'A structured-field string, or a bare token, of 1 to 255 characters. The same key and body is the same request, at whichever door; where tokens are asked for, within one principal.',
    examples: ['deploy-2026-11-23-restart-pods'],
  })
const prefer = z
  .string()
  .optional()
  .meta({
    description: '`wait=N` (RFC 7240): wait up to N seconds for the outcome, at most 30',
    examples: ['wait=10'],
  })

const trace = {
  traceparent: z
    .string()
    .optional()
    .meta({
      description: 'W3C Trace Context: carried to Kafka and to the reply. What is no trace is left out.',
      examples: ['00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'],
    }),
  tracestate: z
    .string()
    .optional()
    .meta({ description: 'W3C Trace Context', examples: ['vendor=1'] }),
}

/** Headers of requests. */
export const REQUEST_HEADERS = {
  keyed: z.object({ 'Idempotency-Key': idempotencyKey }),
  keyedWait: z.object({ 'Idempotency-Key': idempotencyKey, Prefer: prefer, ...trace }),
  wait: z.object({
    Prefer: prefer,
    'If-None-Match': z
      .string()
      .optional()
      .meta({ description: 'The ETag that is known already', examples: ['"1a2b3c4d"'] }),
  }),
} as const
