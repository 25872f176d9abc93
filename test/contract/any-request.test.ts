import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { HEADERS } from '../../src/http/contract/headers.ts'
import { get, post } from '../support/http.ts'
import { runs } from '../support/seeded.ts'
import { sharedService } from '../support/shared-service.ts'
import { until } from '../support/until.ts'
import { damaged, nastyText, valid } from './arbitrary.ts'
import { complaints, type DocumentedOperation, operations, type Parameter, type Schema } from './schemas.ts'

/*
 * Requests made from the document's own schemas, valid ones and such as are slightly wrong: whatever comes back is
 * something that the document says of that operation.
 */
const service = sharedService()

/** What a caller can know of this service, by the name of the parameter. */
const known: Record<string, string[]> = {
  Prefer: ['wait=0', 'wait=1', 'respond-async, wait=0'],
  'Idempotency-Key': ['"a key"', 'token', '"another"', 'x'.repeat(255)],
}

const NASTY: Record<string, string[]> = {
  'Idempotency-Key': ['""', '"unfinished', 'a b', 'x'.repeat(256)],
  limit: ['501', '0', '-1', '1.5', 'x', ''],
  dry_run: ['1', 'TRUE', ''],
}

beforeAll(async () => {
  for (const version of ['1.0.0', '1.1.0-rc.1', '1.1.0']) {
    const accepted = await post(`${service.url}/api/v1/workflow-requests`, aWorkflow(version))
    const location = new URL(accepted.headers.get('location')!, service.url)
    const ended = await until('the outcome', async () => {
      const answer = await get(location.href)
      return answer.body.state !== 'pending' && answer
    })
    know('request_id', ended.body.request_id)
    know('workflow_id', ended.body.workflow_id)
    know('workflow_name', ended.body.workflow_name)
    know('version', version)
    know('at', location.searchParams.get('at')!)
    const etag = ended.headers.get('etag')
    if (etag) know('If-None-Match', etag)
  }
  for (const list of ['workflows', 'workflow-requests'])
    know('cursor', (await get(`${service.url}/api/v1/${list}?limit=1`)).body.next)
})

function know(name: string, value: string) {
  known[name] = [...(known[name] ?? []), value]
}

/** Reads first: what they ask for is still as it was made. */
const inOrder = operations.toSorted((a, b) => (a.method < b.method ? -1 : 1))

describe('the examples of the document', () => {
  test.each(inOrder.map((one) => [one.operationId, one] as const))('%s succeeds', async (_id, operation) => {
    const { body, parameters } = operation
    const path = parameters
      .filter((one) => one.in === 'path')
      .map(({ name }) => [name, known[name]![0]!] as const)
    const [example] = Object.values(body?.examples ?? {})
    const request: Request = {
      path: Object.fromEntries(path),
      query: [],
      headers: body ? { 'content-type': 'application/json' } : {},
      body: example && JSON.stringify(example.value).replaceAll('restart-pods', operation.operationId),
    }
    const answer = await until('an answer', async () => {
      const found = await send(operation, request)
      return found.status !== 503 && found
    })
    expect(faults(operation, answer)).toEqual([])
    expect(answer.status).toBeLessThan(300)
  })
})

describe('every answer is documented', () => {
  test.each(operations.map((one) => [one.operationId, one] as const))('%s', async (_id, operation) => {
    await fc.assert(
      fc.asyncProperty(requestTo(operation), async (request) => {
        expect(faults(operation, await send(operation, request))).toEqual([])
      }),
      runs(60),
    )
  })
})

test('an answer that is not documented would be noticed', () => {
  const operation = operations.find((one) => one.operationId === 'createWorkflow')!
  const problem = { 'content-type': 'application/problem+json; charset=utf-8' }
  const answer = (status: number, headers: Record<string, string>, text: string): Answer => ({
    status,
    headers: new Headers(headers),
    text,
  })

  expect(faults(operation, answer(418, problem, '{}'))).toEqual(['418 is not documented'])
  expect(faults(operation, answer(409, { 'content-type': 'text/html' }, ''))).toEqual([
    '409: text/html is not documented',
  ])
  expect(faults(operation, answer(400, { ...problem, ETag: 'x' }, '{}'))).toEqual([
    '400: ETag is not documented',
    expect.stringContaining("400: / must have required property 'type'"),
    ...Array(4).fill(expect.stringContaining('must have required property')),
  ])
  expect(faults(operation, answer(503, problem, '{}'))).toContain('503: Retry-After is missing')
})

interface Request {
  path: Record<string, string>
  query: [string, string][]
  headers: Record<string, string>
  body: string | undefined
}

interface Answer {
  status: number
  headers: Headers
  text: string
}

function requestTo(operation: DocumentedOperation): fc.Arbitrary<Request> {
  return fc.oneof(
    { weight: 3, arbitrary: validRequestTo(operation) },
    { weight: 2, arbitrary: wrongRequestTo(operation) },
  )
}

function validRequestTo({ parameters, body }: DocumentedOperation): fc.Arbitrary<Request> {
  return fc.record({
    path: fc.record(of(parameters, 'path', (one) => valuesOf(one).map(String).filter(isOneSegment))),
    query: fc.record(of(parameters, 'query', valuesOf), OPTIONAL).map(pairs),
    headers: fc
      .record(
        of(parameters, 'header', (one) => valuesOf(one).map(headerText)),
        OPTIONAL,
      )
      .map((headers) => ({ ...headers, ...(body && JSON_TYPE) })),
    body: body ? bodies(body.schema).map((value) => JSON.stringify(value)) : fc.constant(undefined),
  })
}

/** Valid, but for one or several things. */
function wrongRequestTo(operation: DocumentedOperation): fc.Arbitrary<Request> {
  const { parameters, body } = operation
  const wrong = fc.record(
    {
      path: fc.record(of(parameters, 'path', (one) => wrongText(one).filter(isOneSegment))),
      query: fc.array(fc.tuple(wrongName(parameters), fc.oneof(...parameters.map(wrongText), nastyText))),
      headers: fc.record(of(parameters, 'header', (one) => wrongText(one).map(headerText))),
      ...(body && { body: wrongBodies(body.schema), contentType: fc.constantFrom(...WRONG_TYPES) }),
    },
    OPTIONAL,
  )
  return fc
    .tuple(validRequestTo(operation), wrong)
    .map(([right, { path, query = [], headers, ...rest }]) => ({
      path: { ...right.path, ...path },
      query: [...right.query, ...query],
      headers: {
        ...right.headers,
        ...headers,
        ...(rest.contentType && { 'content-type': rest.contentType }),
      },
      body: 'body' in rest ? rest.body : right.body,
    }))
}

const OPTIONAL = { requiredKeys: [] }
const JSON_TYPE = { 'content-type': 'application/json' }
const WRONG_TYPES = ['application/json; charset=utf-8', 'text/plain', 'application/json; charset=latin1', 'x']

/** An arbitrary for each parameter in that place, by its name. */
function of<T>(parameters: Parameter[], place: Parameter['in'], make: (one: Parameter) => fc.Arbitrary<T>) {
  return Object.fromEntries(
    parameters.filter((one) => one.in === place).map((one) => [one.name, make(one)] as const),
  )
}

/** Values that the schema allows, and such as are there. Those are read late: they come to be known before a test. */
function valuesOf({ name, in: place, schema }: Parameter): fc.Arbitrary<unknown> {
  const there = fc.nat().map((index) => known[name]?.[index % known[name].length])
  const made = valid(schema)
  const either = fc
    .tuple(there, made, fc.nat({ max: 3 }))
    .map(([one, other, dice]) => (dice > 0 ? (one ?? other) : other))
  return place === 'path' ? either : fc.tuple(there, made).map(([one, other]) => one ?? other)
}

function wrongText({ name }: Parameter): fc.Arbitrary<string> {
  return fc.oneof(nastyText, fc.constantFrom(...(NASTY[name] ?? ['x'])))
}

function wrongName(parameters: Parameter[]): fc.Arbitrary<string> {
  return fc.oneof(
    nastyText,
    fc.constantFrom('nothing', 'labels[]', 'labels[a][b]', ...parameters.map(({ name }) => name)),
  )
}

/** Parameters as they stand in a query; an object deep. */
function pairs(query: Record<string, unknown>): [string, string][] {
  return Object.entries(query).flatMap(([name, value]): [string, string][] =>
    typeof value === 'object' && value !== null
      ? Object.entries(value).map(([key, child]) => [`${name}[${key}]`, String(child)])
      : [[name, String(value)]],
  )
}

/** A path with less is another one, and so is one of these names. */
function isOneSegment(text: string): boolean {
  return !['', '.', '..', 'batch', 'latest'].includes(text)
}

/** What a header can carry. */
function headerText(value: unknown): string {
  return String(value)
    .replaceAll(/[^\x20-\x7e]/g, '?')
    .trim()
}

/** Now and then for a workflow that is there. */
function bodies(schema: Schema): fc.Arbitrary<unknown> {
  const version = fc.constantFrom(...Array(3), '1.0.0', '1.1.0', '2.0.0')
  return fc.tuple(valid(schema), version).map(([value, taken]) => {
    const isWorkflow = typeof value === 'object' && value !== null && 'workflow_name' in value
    return isWorkflow && taken ? { ...value, workflow_name: 'any-request', version: taken } : value
  })
}

function wrongBodies(schema: Schema): fc.Arbitrary<string | undefined> {
  return fc.oneof(
    { weight: 3, arbitrary: damaged(bodies(schema)).map((value) => JSON.stringify(value)) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(undefined, '', '{', '[]', '"\\ud800"', `{"a":${'['.repeat(100)}`),
    },
  )
}

async function send({ method, path }: DocumentedOperation, request: Request): Promise<Answer> {
  const segments = path.replaceAll(/\{(\w+)\}/g, (_all, name) =>
    encodeURIComponent(request.path[name]!.toWellFormed()),
  )
  const query = new URLSearchParams()
  for (const [name, value] of request.query) query.append(name.toWellFormed(), value.toWellFormed())
  const response = await fetch(`${service.url}${segments}?${query}`, {
    method,
    headers: request.headers,
    ...(request.body !== undefined && { body: request.body }),
  })
  return { status: response.status, headers: response.headers, text: await response.text() }
}

/** In what an answer is not as the document has it. */
function faults({ responses }: DocumentedOperation, { status, headers, text }: Answer): string[] {
  const documented = responses[status]
  if (!documented) return [`${status} is not documented`]
  const wrong: string[] = []
  for (const name of Object.keys(HEADERS)) {
    const header = documented.headers?.[name]
    const value = headers.get(name)
    if (value === null && header?.required) wrong.push(`${name} is missing`)
    if (value !== null && !header) wrong.push(`${name} is not documented`)
    if (value !== null && header)
      wrong.push(...complaints(header.schema, value).map((one) => `${name}: ${one}`))
  }
  const type = headers.get('content-type')?.split(';')[0] ?? ''
  if (documented.content) {
    const content = documented.content[type]
    if (!content) wrong.push(`${type} is not documented`)
    else wrong.push(...complaints(content.schema, JSON.parse(text)))
  } else if (text !== '') wrong.push('a body is not documented')
  return wrong.map((one) => `${status}: ${one}`)
}

function aWorkflow(version: string) {
  return {
    ...{
      workflow_name: 'any-request',
      version,
      name: 'Any request',
      description: '',
      content: 'kind: Workflow',
    },
    ...{ execution_engine: 'tekton', labels: { team: ['payments', 'checkout'] } },
  }
}
