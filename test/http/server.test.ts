import { expect, test } from 'vitest'
import { get, post } from '../support/http.ts'
import { expectProblem } from '../support/problems.ts'
import { raw } from '../support/raw-http.ts'
import { sharedService } from '../support/shared-service.ts'
import { until } from '../support/until.ts'
import { aWorkflow } from '../support/workflows.ts'

const service = sharedService()

/** The id of nothing. */
const NOBODY = '0190b1e5-7e1a-7cde-8f00-abcdefabcdef'

async function send(
  method: string,
  path: string,
  options: { headers?: Record<string, string>; body?: string } = {},
) {
  const response = await fetch(`${service.url}${path}`, { method, ...options })
  const text = await response.text()
  return {
    status: response.status,
    headers: response.headers,
    body: text === '' ? undefined : JSON.parse(text),
  }
}

test('live and ready answer 200', async () => {
  expect(await get(`${service.url}/health/live`)).toMatchObject({ status: 200, body: { status: 'live' } })
  const ready = await until('readiness', async () => {
    const answer = await get(`${service.url}/health/ready`)
    return answer.status === 200 && answer
  })
  expect(ready.body).toEqual({ status: 'ready' })
})

test.each(['/', '/api', '/api/v1/workflow', '/API/v1/workflows', '/health', '/favicon.ico'])(
  '404: there is nothing at %s, whatever the method',
  async (path) => {
    for (const method of ['GET', 'POST', 'PUT', 'DELETE'])
      expectProblem(await send(method, path), 'not-found')
    const headers = { 'content-type': 'text/plain' }
    expectProblem(await send('POST', path, { headers, body: 'hello' }), 'not-found')
  },
)

test.each([
  ['unknown', NOBODY],
  ['unknown, in upper case', NOBODY.toUpperCase()],
  ['not a UUID', 'restart-pods'],
  ['SQL', "'%20or%201=1--"],
  ['NUL', '%00'],
  ['half of a surrogate pair', '%ED%A0%80'],
  ['a broken escape', '%zz'],
  ['very long', 'x'.repeat(300)],
  ['longer than the router reads', 'x'.repeat(4_000)],
])('404 or 400 in words: an id that is %s', async (_what, id) => {
  for (const collection of ['workflows', 'workflow-requests']) {
    const answer = await send('GET', `/api/v1/${collection}/${id}`)
    expectProblem(answer, answer.status === 400 ? 'validation-error' : 'not-found')
  }
})

test('a workflow is found by its id in upper case too', async () => {
  const created = await post(`${service.url}/api/v1/workflows`, aWorkflow())
  const found = await get(`${service.url}/api/v1/workflows/${created.body.workflow_id.toUpperCase()}`)
  expect(found).toMatchObject({ status: 200, body: created.body })
})

test.each([
  ['/api/v1/workflows', 'POST', ['PUT', 'PATCH', 'DELETE', 'OPTIONS']],
  ['/api/v1/workflow-requests', 'POST', ['PUT', 'PATCH', 'DELETE', 'OPTIONS']],
  [`/api/v1/workflows/${NOBODY}`, 'GET', ['POST', 'PUT', 'DELETE', 'OPTIONS']],
  [`/api/v1/workflow-requests/${NOBODY}`, 'GET', ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']],
  ['/health/live', 'GET', ['POST', 'DELETE']],
])('405: %s takes %s, and says so to any other method', async (path, allowed, methods) => {
  for (const method of methods) {
    const answer = await send(method, path)
    expectProblem(answer, 'method-not-allowed')
    expect(answer.headers.get('allow')?.split(', ')).toContain(allowed)
    expect(answer.headers.get('allow')?.split(', ')).not.toContain(method)
    if (method === 'GET' || method === 'OPTIONS') continue
    const odd = { headers: { 'content-type': 'text/plain' }, body: 'x'.repeat(600 * 1024) }
    expectProblem(await send(method, path, odd), 'method-not-allowed')
  }
})

test.each([
  ['one header of 20 KB', `x-flood: ${'x'.repeat(20_000)}\r\n`],
  ['1 MB of headers', `x-flood: ${'x'.repeat(990)}\r\n`.repeat(1_000)],
])('431: %s is too much', async (_what, headers) => {
  const answer = await raw(service.url, `GET /health/live HTTP/1.1\r\nhost: test\r\n${headers}\r\n`)
  expectProblem(answer, 'header-fields-too-large')
})

test.each([
  ['not HTTP', 'hello\r\n\r\n'],
  ['an unknown method', 'FETCH /health/live HTTP/1.1\r\nhost: test\r\n\r\n'],
  ['a header without a colon', 'GET /health/live HTTP/1.1\r\nhost: test\r\nbroken\r\n\r\n'],
  [
    'two lengths of one body',
    'POST /api/v1/workflows HTTP/1.1\r\nhost: test\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}',
  ],
  [
    'a wrong chunk',
    'POST /api/v1/workflows HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n',
  ],
])('400: %s is answered in words', async (_what, request) => {
  expectProblem(await raw(service.url, request), 'validation-error')
})

test('the service is alive after all of this, and nothing crashed', async () => {
  expect((await post(`${service.url}/api/v1/workflows`, aWorkflow())).status).toBe(201)
  expect(service.crashes).toEqual([])
  expect(service.logs.filter(({ level }) => level === 'error' || level === 'fatal')).toEqual([])
})
