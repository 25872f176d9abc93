import * as z from 'zod'
import {
  createDocument,
  type ZodOpenApiOperationObject,
  type ZodOpenApiPathsObject,
  type ZodOpenApiResponseObject,
} from 'zod-openapi'
import { type ProblemExamples, problemExamples } from '../../domain/examples.ts'
import { PROBLEM_TYPES, type ProblemSlug, problemSchema } from '../../domain/problem.ts'
import { bodySchemas } from './create-body.ts'
import { HEADERS, type HeaderName } from './headers.ts'
import type { Answer, AnswerHeader, Body, Example, Operation } from './operation.ts'
import * as service from './service.ts'
import * as workflowRequests from './workflow-requests.ts'
import * as workflows from './workflows.ts'

/** Everything that the service answers over HTTP. */
export const OPERATIONS: readonly Operation[] = [workflows, workflowRequests, service]
  .flatMap((group) => Object.values<Operation>(group))
  .sort((a, b) => (`${a.url} ${a.method}` < `${b.url} ${b.method}` ? -1 : 1))

/** What can happen to a request whatever it asks for. */
const COMMON: readonly ProblemSlug[] = [
  'validation-error',
  'request-timeout',
  'header-fields-too-large',
  'internal-error',
  'unavailable',
]
/** And to one with a body. */
const OF_BODIES: readonly ProblemSlug[] = ['payload-too-large', 'unsupported-media-type']

/** And where tokens are asked for. */
const OF_ACCESS: readonly ProblemSlug[] = ['unauthorized', 'forbidden']

/** Of these a caller learns when a request has ended, and again whenever it asks for it once more. */
const PROBLEMS_OF_OUTCOMES: readonly ProblemSlug[] = ['conflict', 'idempotency-key-reused', 'internal-error']

const HEADERS_OF_PROBLEM: Partial<Record<ProblemSlug, readonly AnswerHeader[]>> = {
  unauthorized: ['WWW-Authenticate'],
  forbidden: ['WWW-Authenticate'],
  'method-not-allowed': ['Allow'],
  unavailable: ['Retry-After'],
}

export type OpenApiDocument = ReturnType<typeof createDocument>

/** The description of all operations. The types of problems lie below `problemBaseUrl`. */
export function openApiDocument(problemBaseUrl: string): OpenApiDocument {
  const problems = problemExamples(problemBaseUrl)
  return createDocument({
    openapi: '3.1.1',
    info: {
      title: 'workflow-registrar',
      version: '1',
      description: 'Registers automation workflows, and never lies about how it ended.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    externalDocs: { url: '/docs/events', description: 'What goes over Kafka' },
    servers: [{ url: '/' }],
    tags: [
      { name: 'registration', description: 'The two doors for callers of HTTP, and how requests ended' },
      { name: 'catalog', description: 'What is registered' },
      { name: 'service', description: 'How the service is' },
    ],
    paths: pathsOf(OPERATIONS, problems),
    components: {
      schemas: bodySchemas(),
      responses: problemResponses(problems),
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          bearerFormat: 'JWT',
          description: 'Asked for only where the service is set up so. No scope implies another.',
        },
      },
    },
  })
}

function pathsOf(operations: readonly Operation[], problems: ProblemExamples): ZodOpenApiPathsObject {
  const paths: ZodOpenApiPathsObject = {}
  for (const one of operations) {
    const path = one.url.replaceAll(/:(\w+)/g, '{$1}')
    paths[path] = { ...paths[path], [one.method.toLowerCase()]: describeOperation(one, problems) }
  }
  return paths
}

function describeOperation(one: Operation, problems: ProblemExamples): ZodOpenApiOperationObject {
  const { operationId, summary, description, scope, tag, params, query, headers, body } = one
  return {
    operationId,
    summary,
    ...(description !== undefined && { description }),
    tags: [tag],
    ...(scope !== 'public' && { security: [{}, { bearer: [scope] }] }),
    requestParams: {
      ...(params && { path: params }),
      ...(query && Object.keys(query.shape).length > 0 && { query }),
      ...(headers && { header: headers }),
    },
    ...(body && { requestBody: describeBody(body) }),
    responses: {
      ...Object.fromEntries(
        Object.entries(one.answers).map(([status, answer]) => [status, describeAnswer(answer, problems)]),
      ),
      ...describeProblems(one, problems),
    },
  }
}

function describeBody({ schema, mediaTypes, examples }: Body) {
  const described =
    'component' in schema ? { $ref: `#/components/schemas/${schema.component}` as const } : schema
  const content = Object.fromEntries(mediaTypes.map((type) => [type, { schema: described, examples }]))
  return { required: true, content }
}

function describeAnswer(
  { description, mediaType = 'application/json', schema, headers = [], examples = {}, links }: Answer,
  problems: ProblemExamples,
): ZodOpenApiResponseObject {
  return {
    description,
    ...(headers.length > 0 && { headers: describeHeaders(headers) }),
    ...(schema && {
      content: { [mediaType]: { schema, examples: describeExamples(examples, problems) } },
    }),
    ...(links && { links }),
  }
}

function describeExamples(examples: Record<string, Example>, problems: ProblemExamples) {
  return Object.fromEntries(
    Object.entries(examples).map(([name, { value, ...rest }]) => [
      name,
      { ...rest, value: typeof value === 'function' ? value(problems) : value },
    ]),
  )
}

/** One answer for each status that the problems of an operation have. */
function describeProblems(one: Operation, problems: ProblemExamples) {
  const slugs = [
    ...COMMON,
    ...(one.body ? OF_BODIES : []),
    ...(one.scope === 'public' ? [] : OF_ACCESS),
    ...one.problems,
  ]
  const byStatus = Map.groupBy(slugs, (slug) => PROBLEM_TYPES[slug].status)
  return Object.fromEntries(
    [...byStatus].map(([status, group]) => {
      const headers = headersOfOutcome(one, group)
      const [slug] = group
      return group.length === 1 && headers.length === 0
        ? [status, { $ref: `#/components/responses/${slug}` as const }]
        : [status, describeProblem(group, headers, problems)]
    }),
  )
}

/** Each problem as an answer, by its name; operations refer to them. */
function problemResponses(problems: ProblemExamples) {
  return Object.fromEntries(
    (Object.keys(PROBLEM_TYPES) as ProblemSlug[]).map((slug) => [
      slug,
      describeProblem([slug], HEADERS_OF_PROBLEM[slug] ?? [], problems),
    ]),
  )
}

function describeProblem(
  slugs: readonly ProblemSlug[],
  headers: readonly AnswerHeader[],
  problems: ProblemExamples,
): ZodOpenApiResponseObject {
  return {
    description: slugs.map((slug) => PROBLEM_TYPES[slug].title).join(', or '),
    ...(headers.length > 0 && { headers: describeHeaders(headers) }),
    content: {
      'application/problem+json': {
        schema: problemSchema,
        examples: Object.fromEntries(slugs.map((slug) => [slug, { value: problems[slug] }])),
      },
    },
  }
}

/** What comes with a problem that is the outcome of a request, beside the problem. */
function headersOfOutcome(one: Operation, slugs: readonly ProblemSlug[]): AnswerHeader[] {
  if (!one.body || !slugs.some((slug) => PROBLEMS_OF_OUTCOMES.includes(slug))) return []
  const { 'Idempotency-Key': key, Prefer: prefer } = one.headers?.shape ?? {}
  const headers: (AnswerHeader | false | undefined)[] = [
    key && 'Idempotent-Replayed?',
    prefer && 'Preference-Applied?',
  ]
  return headers.filter((header) => typeof header === 'string')
}

function describeHeaders(names: readonly AnswerHeader[]) {
  return z.object(
    Object.fromEntries(
      names.map((name) => {
        const bare = name.replace('?', '') as HeaderName
        return [bare, name.endsWith('?') ? HEADERS[bare].optional() : HEADERS[bare]]
      }),
    ),
  )
}
