import { describe, expect, onTestFinished, test } from 'vitest'
import { get, patch, post } from '../support/http.ts'
import { expectProblem } from '../support/problems.ts'
import { dial, raw } from '../support/raw-http.ts'
import { sharedService } from '../support/shared-service.ts'
import { until } from '../support/until.ts'
import { aWorkflow } from '../support/workflows.ts'

const service = sharedService({ roles: ['ingress'] })

const MAX = 512 * 1024
const DOOR = '/api/v1/workflows'
const JSON_TYPE = 'content-type: application/json\r\n'

/** A request on a connection that closes after it. */
const message = (line: string, headers = '', body = '') =>
  `${line}\r\nhost: test\r\nconnection: close\r\n${headers}\r\n${body}`
const live = (headers = '') => message('GET /health/live HTTP/1.1', headers)
const withLength = (headers: string, body: string) =>
  message(`POST ${DOOR} HTTP/1.1`, `${headers}content-length: ${Buffer.byteLength(body)}\r\n`, body)
const keptAlive = (request: string) => request.replace('connection: close\r\n', '')

function call(text = '') {
  const line = dial(service.url)
  onTestFinished(() => line.hangUp())
  line.say(text)
  return line
}

/** How many workflows of that name are stored. */
async function stored(name: unknown) {
  const { rows } = await service.owner.query('select 1 from workflow where workflow_name = $1', [name])
  return rows.length
}

describe('the head of a request', () => {
  test.each([
    ['no host', 'GET /health/live HTTP/1.1\r\nconnection: close\r\n\r\n', 'host is missing'],
    ['two hosts', live('host: other\r\n'), 'host is there more than once'],
    [
      'two content types',
      live('content-type: text/plain\r\nContent-Type: application/json\r\n'),
      'content-type is there more than once',
    ],
    ['a host that is none', live().replace('host: test', 'host: a b/c'), 'host cannot be read'],
    [
      'two content types',
      withLength(`${JSON_TYPE}content-type: text/plain\r\n`, '{}'),
      'content-type is there',
    ],
    ['HTTP/2.0 in the words of HTTP/1.1', live().replace('HTTP/1.1', 'HTTP/2.0'), 'HTTP/1.1'],
    ['HTTP/0.9', 'GET /health/live\r\n\r\n', 'HTTP/1.1'],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'read as HTTP'],
    ['the hello of TLS', '\x16\x03\x01\x02\x00\x01\x00\r\n\r\n', 'read as HTTP'],
    ['a method in lower case', live().replace('GET', 'get'), 'read as HTTP'],
    ['a folded header', live('x: a\r\n b\r\n'), 'read as HTTP'],
    ['a header with NUL', live('x: a\0b\r\n'), 'read as HTTP'],
    ['lines that end in LF', live().replaceAll('\r', ''), 'read as HTTP'],
    ['a URL with a NUL', live().replace('live', 'live\0'), 'read as HTTP'],
    ['a URL with a broken escape', live().replace('live', '%zz'), 'URL'],
  ])('400: %s', async (_what, request, detail) => {
    expect(expectProblem(await raw(service.url, request), 'validation-error').detail).toContain(detail)
  })

  test('HTTP/1.0 needs no host', async () => {
    const answer = await raw(service.url, 'GET /health/live HTTP/1.0\r\n\r\n')
    expect(answer).toMatchObject({ status: 200, body: { status: 'live' } })
  })

  test.each([
    ['an expectation that nobody knows', 'expect: something\r\n'],
    [
      'an upgrade to HTTP/2',
      'connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n',
    ],
    ['an upgrade to WebSocket', 'connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: x\r\n'],
  ])('%s is ignored', async (_what, headers) => {
    expect(await raw(service.url, live(headers))).toMatchObject({ status: 200, body: { status: 'live' } })
  })

  test('of 3 000 headers none is dropped unseen', async () => {
    const headers = `${'a:\r\n'.repeat(3_000)}content-encoding: gzip\r\n`
    expectProblem(await raw(service.url, withLength(headers + JSON_TYPE, '{}')), 'unsupported-media-type')
  })

  test('431: a URL of 20 KB', async () => {
    const request = message(`GET /${'x'.repeat(20_000)} HTTP/1.1`)
    expectProblem(await raw(service.url, request), 'header-fields-too-large')
  })

  test.each(['TRACE', 'PROPFIND', 'QUERY', 'OPTIONS'])('405: %s is a method of no route', async (method) => {
    const answer = await raw(service.url, live().replace('GET', method))
    expectProblem(answer, 'method-not-allowed')
    expect(answer.headers.get('allow')).toBe('GET, HEAD')
  })

  test('404: CONNECT leads nowhere', async () => {
    for (const target of ['example.org:443', '/health/live'])
      expectProblem(await raw(service.url, message(`CONNECT ${target} HTTP/1.1`)), 'not-found')
  })

  test.each(['/api/v1/workflows/', '/api/v1/workflow-requests/', '/health/live/', '//health/live'])(
    '404: %s has a slash too many, whatever the method',
    async (path) => {
      expectProblem(await raw(service.url, message(`GET ${path} HTTP/1.1`)), 'not-found')
      expectProblem(await raw(service.url, message(`POST ${path} HTTP/1.1`)), 'not-found')
    },
  )
})

describe('what the headers say of a body', () => {
  test.each([
    ['compressed', `${JSON_TYPE}content-encoding: gzip\r\n`],
    ['compressed twice', `${JSON_TYPE}content-encoding: identity\r\ncontent-encoding: br\r\n`],
    ['in another charset', 'content-type: application/json; charset=iso-8859-1\r\n'],
    ['a patch', 'content-type: application/merge-patch+json\r\n'],
    ['a problem', 'content-type: application/problem+json\r\n'],
    ['of a type that cannot be read', 'content-type: ;;;\r\n'],
    ['of an empty type', 'content-type:\r\n'],
    ['of no type', ''],
  ])('415: one that is %s', async (_what, headers) => {
    const workflow = aWorkflow()
    const answer = await raw(service.url, withLength(headers, JSON.stringify(workflow)))
    expectProblem(answer, 'unsupported-media-type')
    const isEncoded = headers.includes('content-encoding')
    expect(answer.headers.get('accept-encoding')).toBe(isEncoded ? 'identity' : null)
    expect(await stored(workflow.workflow_name)).toBe(0)
  })

  test.each([
    'content-type: application/json; charset=utf-8',
    'content-type: Application/JSON;Charset="UTF-8"',
    'content-type: application/json\r\ncontent-encoding: identity',
  ])('%s is taken', async (headers) => {
    const answer = await raw(service.url, withLength(`${headers}\r\n`, JSON.stringify(aWorkflow())))
    expect(answer.status).toBe(201)
  })

  test('a change may come as application/merge-patch+json', async () => {
    const created = await post(service.url + DOOR, aWorkflow())
    const headers = { 'content-type': 'application/merge-patch+json' }
    const changed = await patch(
      service.url + created.headers.get('location'),
      { status: 'archived' },
      headers,
    )
    expect(changed).toMatchObject({ status: 200, body: { status: 'archived' } })
  })

  test.each([
    ['two lengths', 'content-length: 2\r\ncontent-length: 3\r\n'],
    ['a negative length', 'content-length: -2\r\n'],
    ['a length of 23 digits', `content-length: ${'9'.repeat(23)}\r\n`],
    ['a length and chunks', 'content-length: 2\r\ntransfer-encoding: chunked\r\n'],
    ['an encoding that nobody knows', 'transfer-encoding: foo\r\n'],
  ])('400: %s', async (_what, headers) => {
    const request = message(`POST ${DOOR} HTTP/1.1`, JSON_TYPE + headers, '{}')
    expectProblem(await raw(service.url, request), 'validation-error')
  })

  test.each([
    ['that are no number', 'zz\r\n'],
    ['beyond 64 bits', 'fffffffffffffffff\r\n{}\r\n'],
    ['with 20 KB of extensions', `2;${'a'.repeat(20_000)}\r\n{}\r\n`],
    ['that are too short', '1\r\n{}\r\n0\r\n\r\n'],
  ])('400: chunks of lengths %s', async (_what, chunks) => {
    const headers = `${JSON_TYPE}transfer-encoding: chunked\r\n`
    expectProblem(
      await raw(service.url, message(`POST ${DOOR} HTTP/1.1`, headers, chunks)),
      'validation-error',
    )
  })
})

describe('100 Continue', () => {
  const expecting = (length: number) =>
    message(`POST ${DOOR} HTTP/1.1`, `${JSON_TYPE}expect: 100-continue\r\ncontent-length: ${length}\r\n`)

  test('comes before a body that will be read', async () => {
    const body = JSON.stringify(aWorkflow())
    const line = call(expecting(Buffer.byteLength(body)))
    await until('100', () => line.heard() === 'HTTP/1.1 100 Continue\r\n\r\n')
    line.say(body)
    await until('201', () => line.heard().includes('HTTP/1.1 201 Created'))
  })

  test('does not come before a refusal', async () => {
    for (const [request, slug] of [
      [expecting(MAX + 1), 'payload-too-large'],
      [expecting(2).replace(DOOR, '/nothing'), 'not-found'],
      [expecting(2).replace('POST', 'PUT'), 'method-not-allowed'],
    ] as const) {
      const answer = await raw(service.url, keptAlive(request))
      expectProblem(answer, slug)
      expect(answer.headers.get('connection')).toBe('close')
    }
  })
})

describe('a body that is too large', () => {
  test('413 before any of it was sent, when its length is known', async () => {
    const line = call(message(`POST ${DOOR} HTTP/1.1`, `${JSON_TYPE}content-length: ${MAX + 1}\r\n`))
    await until('413', () => line.heard().startsWith('HTTP/1.1 413 '))
  })

  test('413 as soon as it is, when it comes in chunks', async () => {
    const headers = `${JSON_TYPE}transfer-encoding: chunked\r\n`
    const line = call(message(`POST ${DOOR} HTTP/1.1`, headers))
    line.say(`${MAX.toString(16)}\r\n${'x'.repeat(MAX)}\r\n`)
    line.say('1\r\nx')
    await until('413', () => line.heard().startsWith('HTTP/1.1 413 '))
  })

  test.each(['/api/v1/workflows', '/nothing'])(
    'a caller who sends 20 MiB to %s in one go hears the answer',
    async (path) => {
      const body = Buffer.alloc(20 * 1024 * 1024, 'x')
      for (let count = 0; count < 5; count += 1)
        expect((await post(service.url + path, body)).status).toBe(path === '/nothing' ? 404 : 413)
    },
  )

  test('a caller who sends 20 MiB in chunks hears the answer', async () => {
    for (let count = 0; count < 5; count += 1) {
      const chunks = Array.from({ length: 320 }, () => new Uint8Array(64 * 1024))
      const response = await fetch(service.url + DOOR, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: ReadableStream.from(chunks),
        duplex: 'half',
      })
      expect(response.status).toBe(413)
      expect(response.headers.get('connection')).not.toBe('close')
      await response.body?.cancel()
    }
  })

  test('the connection can be used again', async () => {
    const line = call(keptAlive(withLength(JSON_TYPE, 'x'.repeat(MAX + 1))))
    line.say(live())
    await until('the second answer', () => line.heard().endsWith('{"status":"live"}'))
    expect(line.heard()).toMatch(/^HTTP\/1\.1 413 /)
  })
})

describe('a connection', () => {
  const statuses = (heard: string) => [...heard.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status)

  test('with several requests at once gets as many answers, in order', async () => {
    const create = withLength(JSON_TYPE, JSON.stringify(aWorkflow()))
    const line = call(keptAlive(create) + keptAlive(message('GET /nothing HTTP/1.1')) + live())
    await until('its end', () => line.isClosed())
    expect(statuses(line.heard())).toEqual(['201', '404', '200'])
  })

  test('with garbage after requests gets the answers to the requests first', async () => {
    const workflow = aWorkflow()
    const line = call(
      `${keptAlive(live())}${keptAlive(withLength(JSON_TYPE, JSON.stringify(workflow)))}garbage\r\n\r\n`,
    )
    await until('its end', () => line.isClosed())
    expect(statuses(line.heard())).toEqual(['200', '201', '400'])
    expect(await stored(workflow.workflow_name)).toBe(1)
  })

  test('with a broken body after requests gets the answers to the requests first', async () => {
    const create = keptAlive(withLength(JSON_TYPE, JSON.stringify(aWorkflow())))
    const broken = message(`POST ${DOOR} HTTP/1.1`, `${JSON_TYPE}transfer-encoding: chunked\r\n`, 'zz\r\n')
    const line = call(create + broken)
    await until('its end', () => line.isClosed())
    expect(statuses(line.heard())).toEqual(['201', '400'])
  })

  test('whose caller goes away half-way stores nothing', async () => {
    const workflow = aWorkflow()
    const request = withLength(`${JSON_TYPE}expect: 100-continue\r\n`, JSON.stringify(workflow))
    const before = service.logs.length
    const line = call(request.slice(0, -10))
    await until('100', () => line.heard().includes('100 Continue')) // the body is being read
    line.hangUp()
    await until('the refusal', () => service.logs.slice(before).some(({ status }) => status === 400))
    expect(await stored(workflow.workflow_name)).toBe(0)
  })

  test('408: a head or a body that does not come to its end is not waited for', async () => {
    const head = message(`POST ${DOOR} HTTP/1.1`, `${JSON_TYPE}content-length: 100\r\n`)
    const requests = [
      'GET /health/live HTTP/1.1\r\nhost: te',
      `${head}{"half":`,
      `${head.replace('content-length: 100', 'transfer-encoding: chunked')}2\r\n{"\r\n`,
    ]
    for (const answer of await Promise.all(requests.map((request) => raw(service.url, request))))
      expectProblem(answer, 'request-timeout')
  })

  test('that trickles a body nobody wants is closed without a second answer', async () => {
    const line = call(keptAlive(message('POST /nothing HTTP/1.1', 'content-length: 100\r\n', 'x')))
    await until('its end', () => line.isClosed())
    expect(statuses(line.heard())).toEqual(['404'])
  })
})

describe('a query', () => {
  test.each([
    ['a filter within a filter', 'labels[team][x]=a'],
    ['a filter that is no object', 'labels=a'],
    ['a filter in both forms', 'labels=a&labels[team]=a'],
    ['__proto__', '__proto__[x]=1'],
    ['1 000 filters that are none', Array.from({ length: 1_000 }, (_, n) => `other[${n}]=a`).join('&')],
    ['one parameter 2 000 times', 'limit&'.repeat(2_000)],
    ['a limit of 10 000 digits', `limit=${'1'.repeat(10_000)}`],
  ])('400: %s', async (_what, query) => {
    expectProblem(await get(`${service.url}${DOOR}?${query}`), 'validation-error')
  })
})

describe('JSON', () => {
  const create = (body: string) => post(service.url + DOOR, body)
  const withParameters = (text: string) =>
    JSON.stringify(aWorkflow({ parameters: 'PLACE' })).replace('"PLACE"', text)

  test('of two fields of one name the last counts', async () => {
    const { workflow_name, ...rest } = aWorkflow()
    const twice = `{"workflow_name":"first-${workflow_name}",${JSON.stringify({ workflow_name, ...rest }).slice(1)}`
    expect(await create(twice)).toMatchObject({ status: 201, body: { workflow_name } })
    expect(await stored(`first-${workflow_name}`)).toBe(0)
  })

  test('-0 is 0, and a number too small to tell from 0 is 0', async () => {
    const { body } = await create(withParameters('{"minus":-0,"small":1e-400}'))
    expect(JSON.stringify(body.parameters)).toBe('{"minus":0,"small":0}')
  })

  test.each([
    [
      'a version of 500 000 digits',
      { version: '1'.repeat(500_000) },
      '/version must have at most 255 characters',
    ],
    [
      'a name of 100 000 emoji',
      { workflow_name: '🚀'.repeat(100_000) },
      '/workflow_name must have at most 255 characters',
    ],
    [
      'a hash of 500 000 digits',
      { content_hash: 'f'.repeat(500_000) },
      '/content_hash must be a SHA-256 in lower-case hex',
    ],
  ])('400: %s', async (_what, fields, detail) => {
    expect(expectProblem(await create(JSON.stringify(aWorkflow(fields))), 'validation-error').detail).toBe(
      detail,
    )
  })

  test.each([
    ['512 KiB of open lists', '['.repeat(MAX)],
    ['512 KiB of open objects', '{"a":'.repeat(MAX / 5)],
    ['512 KiB of one open text', `"${'x'.repeat(MAX - 1)}`],
  ])('400: %s is no JSON', async (_what, body) => {
    expect(expectProblem(await create(body), 'validation-error').detail).toBe('The body is not JSON in UTF-8')
  })

  test('of 9 900 wrong things the same first 100 are named each time, in the order of the schema', async () => {
    const many = (value: unknown) =>
      Object.fromEntries(Array.from({ length: 3_300 }, (_, n) => [`n${n}`, value]))
    const body = JSON.stringify({
      ...many(1),
      ...aWorkflow({ version: 'v1', detected_labels: many({}), labels: many(1) }),
    })
    const [first, second] = [await create(body), await create(body)]
    const { errors } = expectProblem(first, 'validation-error')
    expect(second.body.errors).toEqual(errors)
    const pointers = errors.map(({ pointer }: { pointer: string }) => pointer)
    expect(pointers).toEqual(['/version', ...Array.from({ length: 99 }, (_, n) => `/labels/n${n}`)])
  })

  test('of 3 300 unknown fields the first 100 are named, after what is wrong with known ones', async () => {
    const unknown = Object.fromEntries(Array.from({ length: 3_300 }, (_, n) => [`n${n}`, 1]))
    const { errors } = expectProblem(
      await create(JSON.stringify({ ...unknown, ...aWorkflow({ status: 'gone' }) })),
      'validation-error',
    )
    const pointers = errors.map(({ pointer }: { pointer: string }) => pointer)
    expect(pointers).toEqual(['/status', ...Array.from({ length: 99 }, (_, n) => `/n${n}`)])
  })
})

test('the service is alive after all of this, and nothing was logged as an error', async () => {
  expect(await get(`${service.url}/health/live`)).toMatchObject({ status: 200 })
  expect((await post(service.url + DOOR, aWorkflow())).status).toBe(201)
  expect(service.crashes).toEqual([])
  expect(service.logs.filter(({ level }) => level === 'error' || level === 'fatal')).toEqual([])
})
