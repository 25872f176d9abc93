import diagnostics from 'node:diagnostics_channel'
import { once } from 'node:events'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test, vi } from 'vitest'
import {
  type CreateWorkflow,
  createRegistrarClient,
  type EndedRequest,
  ProblemError,
} from '../../src/client/index.ts'
import { startIssuer } from '../support/issuer.ts'
import { sharedService } from '../support/shared-service.ts'
import { until } from '../support/until.ts'
import { makeWorld, startApp, withService } from '../support/world.ts'

const LOCATION = '/api/v1/workflow-requests/1?at=2'

const service = sharedService()

test('a request is followed from its 202 to its outcome', async () => {
  const registrar = createRegistrarClient({ baseUrl: service.url })
  const location = await accepted(service.url, aBody('followed'))
  const ended = await registrar.waitForOutcome(location)
  expect(ended).toMatchObject({ state: 'created', workflow_name: 'followed', version: '1.0.0' })

  const { data } = await registrar.GET('/api/v1/workflows/{workflow_id}', {
    params: { path: { workflow_id: ended.workflow_id! } },
  })
  expect(data).toMatchObject({ workflow_name: 'followed', created_by_request: ended.request_id })

  const again = await registrar.waitForOutcome(await accepted(service.url, aBody('followed')))
  expect(again).toMatchObject({ state: 'conflict', problem: { status: 409, content: 'identical' } })
})

test('the waiting goes on while the request is pending, and while nothing can be known of it', async () => {
  const world = await withService({ roles: ['ingress'] })
  const nobody = await urlOfNobody()
  const asked: number[] = []
  const registrar = createRegistrarClient({
    baseUrl: world.url,
    async fetch(request) {
      if (asked.length < 2) request.headers.delete('prefer') // or the 503 would come when the wait is over
      const response = await fetch(asked.length === 0 ? nobody : request).catch((error) => {
        asked.push(0)
        throw error
      })
      asked.push(response.status)
      return response
    },
  })
  const location = await accepted(world.url, aBody('pending'))
  const bareId = registrar.waitForOutcome(location.replace(/\?.*/, ''))
  await until('nobody and a 503', () => asked.includes(0) && asked.includes(503))
  const withAt = registrar.waitForOutcome(location)

  const worker = await startApp(world, { roles: ['worker'] })
  onTestFinished(() => worker.close())
  expect(await bareId).toMatchObject({ state: 'created', workflow_name: 'pending' })
  expect(await withAt).toEqual(await bareId)
})

test('the waiting ends with its signal, at once, and asks no more', async () => {
  const world = await withService({ roles: ['ingress'] })
  let asked = 0
  let answered = 0
  const registrar = createRegistrarClient({
    baseUrl: world.url,
    async fetch(request) {
      asked += 1
      const response = await fetch(request)
      answered += 1
      return response
    },
  })
  const location = await accepted(world.url, aBody('aborted'))
  const abort = new AbortController()
  const waiting = registrar.waitForOutcome(location, { signal: abort.signal })
  await until('a question', () => asked > 0)
  abort.abort(new Error('enough'))
  await expect(waiting).rejects.toThrow('enough')
  expect(answered).toBe(0) // the service held its answer back

  const before = asked
  await expect(registrar.waitForOutcome(location, { signal: abort.signal })).rejects.toThrow('enough')
  expect(asked).toBe(before)
})

test('an outcome that is no longer known is thrown as its problem', async () => {
  const registrar = createRegistrarClient({ baseUrl: service.url })
  await registrar.waitForOutcome(await accepted(service.url, aBody('gone')))
  const location = await accepted(service.url, aBody('gone'))
  const { request_id, state } = await registrar.waitForOutcome(location)
  expect(state).toBe('conflict')
  const { rowCount } = await service.owner.query('delete from registration_request where request_id = $1', [
    request_id,
  ])
  expect(rowCount).toBe(1)

  const error = await registrar.waitForOutcome(location).catch((thrown) => thrown)
  expect(error).toBeInstanceOf(ProblemError)
  expect(error.problem).toMatchObject({ status: 410, retryable: false })
  expect(error.message).toBe(`Gone: ${error.problem.detail}`)
})

test('where a shutdown cuts the wait short, the next question comes after a pause', async () => {
  const world = await makeWorld()
  onTestFinished(() => world.close())
  const app = await startApp(world, { roles: ['ingress'] })
  onTestFinished(() => app.close())
  const abort = new AbortController()
  const asked: number[] = []
  const answers: { response: Response; at: number }[] = []
  const registrar = createRegistrarClient({
    baseUrl: app.url,
    async fetch(request) {
      asked.push(performance.now())
      const response = await fetch(request)
      answers.push({ response, at: performance.now() })
      return response
    },
  })
  const location = await accepted(app.url, aBody('cut-short'))
  let hasArrived = false
  const arrive = () => {
    hasArrived = true
  }
  diagnostics.subscribe('http.server.request.start', arrive)
  onTestFinished(() => void diagnostics.unsubscribe('http.server.request.start', arrive))
  const waiting = registrar.waitForOutcome(location, { signal: abort.signal })
  await until('the service has the question', () => hasArrived)
  await app.close()
  await until('another question', () => asked.length > 1)
  abort.abort(new Error('enough'))
  await expect(waiting).rejects.toThrow('enough')

  const [first] = answers
  expect(first?.response.status).toBe(200)
  expect(first?.response.headers.get('preference-applied')).toBe('wait=20')
  expect(asked[1]! - first!.at).toBeGreaterThan(900)
})

test('after a whole wait the next question comes without a pause', async () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  onTestFinished(() => void vi.useRealTimers())
  let asked = 0
  const registrar = createRegistrarClient({
    baseUrl: 'http://127.0.0.1',
    async fetch() {
      asked += 1
      if (asked > 1) return Response.json({ state: 'created' })
      vi.advanceTimersByTime(20_000)
      return Response.json(
        { state: 'pending' },
        { headers: { 'preference-applied': 'wait=20', 'retry-after': '3600' } },
      )
    },
  })
  expect(await registrar.waitForOutcome(LOCATION)).toEqual({ state: 'created' })
})

test('the waiting goes on where something that stands between fails, or the answer breaks off', async () => {
  const failures: ((response: ServerResponse) => void)[] = [
    (response) => response.writeHead(502, { 'content-length': 0 }).end(),
    (response) => response.writeHead(429).end('slowly'),
    (response) => {
      response.writeHead(200, { 'content-length': 100 }).write('{"state":')
      setImmediate(() => response.destroy())
    },
  ]
  let asked = 0
  const baseUrl = await standIn((response) => {
    const fail = failures[asked]
    asked += 1
    if (fail) fail(response)
    else response.end('{"state":"created"}')
  })
  expect(await createRegistrarClient({ baseUrl }).waitForOutcome(LOCATION)).toEqual({ state: 'created' })
  expect(asked).toBe(failures.length + 1)
})

test.each([
  [403, 'no'],
  [401, ''],
  [403, ''],
  [404, ''],
])('a refusal by something that stands between is thrown: %i %j', async (status, body) => {
  await expect(waitAtStandIn(status, body)).rejects.toThrow(
    `The answer was ${status}, and not one of the service's own`,
  )
})

test.each([
  [200, '<html>'],
  [200, ''],
  [204, ''],
  [200, 'null'],
  [200, '[]'],
  [200, '{}'],
  [200, '{"state":"ready"}'],
])('a success that is not the document of a request is thrown: %i %j', async (status, body) => {
  await expect(waitAtStandIn(status, body)).rejects.toThrow(/not one of the service's own|not valid JSON/)
})

test.each([
  'no URL',
  'localhost:8080',
  'ftp://127.0.0.1',
  'http://127.0.0.1:65536',
  'http://me:secret@127.0.0.1',
])('a client of %s is not made', (baseUrl) => {
  expect(() => createRegistrarClient({ baseUrl })).toThrow(TypeError)
})

test('a client with headers that cannot be sent is not made', () => {
  const baseUrl = 'http://127.0.0.1'
  expect(() => createRegistrarClient({ baseUrl, headers: { authorization: 'a\nb' } })).toThrow(TypeError)
})

test('only a failure of the connection is asked about again', async () => {
  let asked = 0
  const again = new AbortController()
  const registrar = createRegistrarClient({
    baseUrl: 'http://127.0.0.1',
    async fetch() {
      asked += 1
      if (asked > 1) again.abort(new Error('asked again'))
      throw new RangeError('a mistake')
    },
  })
  await expect(registrar.waitForOutcome(LOCATION, { signal: again.signal })).rejects.toThrow('a mistake')
})

test("the signal ends the waiting with its reason, whatever a fetch of one's own throws then", async () => {
  const abort = new AbortController()
  const registrar = createRegistrarClient({
    baseUrl: 'http://127.0.0.1',
    async fetch() {
      abort.abort(new Error('enough'))
      throw new RangeError('its own words')
    },
  })
  await expect(registrar.waitForOutcome(LOCATION, { signal: abort.signal })).rejects.toThrow('enough')
})

test('what is no location of a request is not waited for', async () => {
  const registrar = createRegistrarClient({ baseUrl: service.url })
  await expect(registrar.waitForOutcome('/api/v1/workflows/1')).rejects.toThrow(TypeError)
})

test('the token is asked for before each request, and goes with it', async () => {
  const sent: (string | null)[] = []
  const tokens = ['first', undefined, 'third']
  const registrar = createRegistrarClient({
    baseUrl: 'http://127.0.0.1',
    headers: { 'x-team': 'payments' },
    token: async () => tokens.shift(),
    async fetch({ headers }) {
      expect(headers.get('x-team')).toBe('payments')
      sent.push(headers.get('authorization'))
      return sent.length < 3 ? new Response(null, { status: 502 }) : Response.json({ state: 'created' })
    },
  })
  await registrar.GET('/api/v1/workflows')
  expect(await registrar.waitForOutcome(LOCATION)).toEqual({ state: 'created' })
  expect(sent).toEqual(['Bearer first', null, 'Bearer third'])
})

test.each<[string, string, () => string]>([
  [
    'a token that cannot be had',
    'no token today',
    () => {
      throw new TypeError('no token today')
    },
  ],
  ['a token that no header can carry', 'The token has characters that no header may have', () => 'a\nb'],
  ['a token of other letters', 'The token has characters that no header may have', () => 'ключ'],
])('%s is thrown at once, and nothing is sent', async (_, words, token) => {
  let asked = 0
  let sent = 0
  const again = new AbortController()
  const registrar = createRegistrarClient({
    baseUrl: 'http://127.0.0.1',
    async token() {
      asked += 1
      if (asked > 2) again.abort(new Error('asked again'))
      return token()
    },
    async fetch() {
      sent += 1
      return Response.json({})
    },
  })
  await expect(registrar.GET('/api/v1/workflows')).rejects.toThrow(new TypeError(words))
  const waiting = registrar.waitForOutcome(LOCATION, { signal: again.signal })
  await expect(waiting).rejects.toThrow(new TypeError(words))
  expect({ asked, sent }).toEqual({ asked: 2, sent: 0 })
})

test('a token that is refused ends the waiting with the problem', async () => {
  const issuer = await startIssuer()
  onTestFinished(() => issuer.close())
  const { url } = await withService({ env: issuer.env })
  const token = () => issuer.token({ sub: 'ci', scope: 'workflows:write workflows:read' })
  const registrar = createRegistrarClient({ baseUrl: url, token })
  const { response } = await registrar.POST('/api/v1/workflow-requests', { body: aBody('with a token') })
  const location = response.headers.get('location')!
  expect(await registrar.waitForOutcome(location)).toMatchObject({ state: 'created' })

  const stranger = createRegistrarClient({ baseUrl: url, token: () => 'not.a.token' })
  const error = await stranger.waitForOutcome(location).catch((thrown) => thrown)
  expect(error).toBeInstanceOf(ProblemError)
  expect(error.problem).toMatchObject({ status: 401, title: 'Unauthorized' })
})

/** The URL of a server that answers so in the place of the service. */
async function standIn(answer: (response: ServerResponse) => void): Promise<string> {
  const server = createServer((_request, response) => answer(response)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return urlOf(server)
}

async function urlOfNobody(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = urlOf(server)
  server.close()
  await once(server, 'close')
  return url
}

function urlOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Waits where every answer is the same; fails when there is a second question. */
async function waitAtStandIn(status: number, body: string): Promise<EndedRequest> {
  const again = new AbortController()
  let asked = 0
  const baseUrl = await standIn((response) => {
    asked += 1
    if (asked > 1) again.abort(new Error('asked again'))
    response.writeHead(status, status === 204 ? {} : { 'content-length': body.length }).end(body)
  })
  return createRegistrarClient({ baseUrl }).waitForOutcome(LOCATION, { signal: again.signal })
}

function aBody(workflow_name: string): CreateWorkflow {
  return {
    workflow_name,
    version: '1.0.0',
    name: 'Restart pods',
    description: 'Restarts the pods of a deployment',
    content: 'kind: Workflow',
    execution_engine: 'tekton',
  }
}

/** The `Location` of a request that was accepted. */
async function accepted(baseUrl: string, body: CreateWorkflow): Promise<string> {
  const { response, error } = await createRegistrarClient({ baseUrl }).POST('/api/v1/workflow-requests', {
    body,
  })
  expect(error).toBeUndefined()
  expect(response.status).toBe(202)
  return response.headers.get('location')!
}
