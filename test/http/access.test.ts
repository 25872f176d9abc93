import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ANYBODY, SCOPES } from '../../src/domain/access.ts'
import { problemsAt } from '../../src/domain/problem.ts'
import { OPERATIONS } from '../../src/http/contract/openapi.ts'
import { buildServer } from '../../src/http/server.ts'
import { createLogger } from '../../src/logger.ts'
import { operations } from '../contract/schemas.ts'
import { get, patch, post } from '../support/http.ts'
import { type Issuer, startIssuer } from '../support/issuer.ts'
import { expectProblem } from '../support/problems.ts'
import { dial, raw } from '../support/raw-http.ts'
import { until } from '../support/until.ts'
import { aWorkflow } from '../support/workflows.ts'
import { makeWorld, startApp, type TestApp, type World } from '../support/world.ts'

let issuer: Issuer
let world: World
let app: TestApp

beforeAll(async () => {
  issuer = await startIssuer()
  world = await makeWorld()
  app = await startApp(world, { roles: ['ingress'], env: issuer.env })
})
afterAll(async () => {
  await app?.close()
  await world?.close()
  await issuer?.close()
})

const WORKFLOWS = '/api/v1/workflows'

/** The operation with something in place of its parameters, and an empty object for its body. */
async function ask({ method, url }: { method: string; url: string }, headers: Record<string, string> = {}) {
  const path = url.replaceAll(/:\w+/g, 'x')
  if (method === 'GET') return get(app.url + path, headers)
  return method === 'POST' ? post(app.url + path, {}, headers) : patch(app.url + path, {}, headers)
}

describe('without a token', () => {
  const open = OPERATIONS.filter(({ scope }) => scope === 'public')

  test('nothing of the API is open, and everything else is', () => {
    for (const { url, scope } of OPERATIONS)
      expect({ url, isPublic: scope === 'public' }).toEqual({ url, isPublic: !url.startsWith('/api/') })
    expect(open).not.toEqual([])
  })

  test.each(open.map((one) => [one.url, one] as const))('%s is open', async (_url, operation) => {
    expect((await ask(operation)).status).toBe(200)
    const pretended = await ask(operation, { authorization: 'Bearer not.a.token' })
    expect(pretended.status).toBe(200)
  })

  test.each(['/docs', '/docs/json', '/docs/static/swagger-ui.css', '/docs/events', '/docs/events.css'])(
    '%s is open',
    async (path) => {
      const { status, body } = await fetch(app.url + path)
      await body?.cancel()
      expect(status).toBe(200)
    },
  )

  test('what is not there is a 404, and what is not possible a 405', async () => {
    expectProblem(await get(`${app.url}/api/v1/nothing`), 'not-found')
    expectProblem(await post(`${app.url}/nothing`, {}), 'not-found')
    const answer = await patch(app.url + WORKFLOWS, {})
    expectProblem(answer, 'method-not-allowed')
    expect(answer.headers.get('allow')).toBe('GET, HEAD, POST')
  })
})

const guarded = OPERATIONS.filter(({ scope }) => scope !== 'public')

describe.each(guarded.map((one) => [one.operationId, one] as const))('%s', (operationId, operation) => {
  const { scope, method, url } = operation

  test('asks for a token', async () => {
    const answer = await ask(operation)
    expectProblem(answer, 'unauthorized')
    expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="workflow-registrar"')
  })

  test('refuses a token that is not one', async () => {
    const answer = await ask(operation, { authorization: 'Bearer not.a.token' })
    expectProblem(answer, 'unauthorized')
    expect(answer.headers.get('www-authenticate')).toMatch(
      /^Bearer realm="workflow-registrar", error="invalid_token", error_description="[^"]+"$/,
    )
  })

  test('refuses a token without its scope, whatever others that has', async () => {
    const others = SCOPES.filter((one) => one !== scope)
    const answer = await ask(operation, await issuer.bearer('somebody', ...others))
    const { detail } = expectProblem(answer, 'forbidden')
    expect(answer.headers.get('www-authenticate')).toBe(
      `Bearer realm="workflow-registrar", error="insufficient_scope", error_description="${detail}", scope="${scope}"`,
    )
  })

  test('takes a token with its scope alone', async () => {
    const { status } = await ask(operation, await issuer.bearer('somebody', scope))
    expect([200, 400, 404]).toContain(status)
  })

  test('asks the same of HEAD', async () => {
    if (method !== 'GET') return
    const head = async (headers: Record<string, string>) => {
      const { status } = await fetch(app.url + url.replaceAll(/:\w+/g, 'x'), { method: 'HEAD', headers })
      return status
    }
    expect(await head({})).toBe(401)
    expect(await head(await issuer.bearer('somebody', 'workflows:write'))).toBe(403)
  })

  test('is described with its scope, and with what becomes of others', () => {
    const { security, responses } = operations.find((one) => one.operationId === operationId)!
    expect(security).toEqual([{}, { bearer: [scope] }])
    for (const status of ['401', '403'])
      expect(responses[status]?.headers?.['WWW-Authenticate']?.required).toBe(true)
  })
})

describe('the token', () => {
  test.each(['Basic c29tZTpib2R5', 'not.a.token', 'BearerX', ''])(
    'is missing where the header is %j',
    async (authorization) => {
      const answer = await get(app.url + WORKFLOWS, { authorization })
      expectProblem(answer, 'unauthorized')
      expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="workflow-registrar"')
    },
  )

  test('may come after the scheme in any case', async () => {
    const token = await issuer.token({ scope: 'workflows:read' })
    for (const scheme of ['bearer', 'BEARER'])
      expect((await get(app.url + WORKFLOWS, { authorization: `${scheme} ${token}` })).status).toBe(200)
  })

  test('counts once: of two nobody can tell which is meant', async () => {
    const { authorization } = await issuer.bearer('somebody', 'workflows:read')
    const asking = (lines: string) =>
      raw(app.url, `GET ${WORKFLOWS} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n${lines}\r\n`)
    expect((await asking(`authorization: ${authorization}\r\n`)).status).toBe(200)
    for (const other of ['Bearer not.a.token', 'Basic c29tZTpib2R5', authorization]) {
      const answer = await asking(`authorization: ${other}\r\nAuthorization: ${authorization}\r\n`)
      expectProblem(answer, 'unauthorized')
      expect(answer.headers.get('www-authenticate')).toContain('error="invalid_token"')
    }
  })

  test('is asked for before the body', async () => {
    const head = (more: string) =>
      `POST ${WORKFLOWS} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\nexpect: 100-continue\r\n${more}\r\n`
    const refused = await raw(app.url, head(''))
    expectProblem(refused, 'unauthorized')
    expect(refused.headers.get('connection')).toBe('close')

    const before = app.logs.length
    const { authorization } = await issuer.bearer('somebody', 'workflows:write')
    const line = dial(app.url)
    line.say(head(`authorization: ${authorization}\r\n`))
    await until('100', () => line.heard() === 'HTTP/1.1 100 Continue\r\n\r\n')
    line.hangUp()
    await until('its end', () => app.logs.slice(before).some(({ status }) => status === 400))
  })

  test('stands in no log line, and neither does what is in it', async () => {
    const before = app.logs.length
    const sub = 'a-secret-name'
    for (const claims of [{ sub }, { sub, exp: 1 }, { sub, aud: 'a-secret-audience' }]) {
      const token = await issuer.token(claims)
      const { body } = await post(app.url + WORKFLOWS, aWorkflow(), { authorization: `Bearer ${token}` })
      const said = JSON.stringify([body, app.logs.slice(before)])
      expect(said).not.toMatch(/secret/)
      for (const part of token.split('.')) expect(said).not.toContain(part)
    }
    expect(app.logs.slice(before)).toEqual([
      expect.objectContaining({ level: 'info', status: 403, problem: 'forbidden' }),
      expect.objectContaining({ level: 'info', status: 401, problem: 'unauthorized' }),
      expect.objectContaining({ level: 'info', status: 401, problem: 'unauthorized' }),
    ])
  })
})

describe('a route', () => {
  const makeProblem = problemsAt('https://problems.test')
  const handler = async () => ({})

  test.each([undefined, async () => ANYBODY])(
    'below /api/ that does not say its scope is not put on',
    async (readToken) => {
      const build = (url: string, config = {}) =>
        buildServer({
          routes: [async (app) => void app.get(url, { config }, handler)],
          ...{ makeProblem, log: createLogger('silent'), readToken },
        })
      await expect(build('/api/v2/anything')).rejects.toThrow(
        'The route /api/v2/anything does not say its scope',
      )
      await (await build('/api/v2/anything', { scope: 'workflows:read' })).close()
      await (await build('/anything')).close()
    },
  )
})

test('while the keys are away nobody is refused: both doors are shut, with one warning however many come, and nothing of the token', async () => {
  const away = await startIssuer()
  const token = await away.token({ scope: 'workflows:read' })
  await away.close()
  const closed = await startApp(world, { roles: ['ingress'], env: away.env })
  try {
    const come = () => get(closed.url + WORKFLOWS, { authorization: `Bearer ${token}` })
    const answer = await come()
    expectProblem(answer, 'unavailable')
    expectProblem(await come(), 'unavailable')
    expect(answer.headers.get('retry-after')).toBe('1')
    expect(answer.headers.get('www-authenticate')).toBeNull()
    const lines = closed.logs.filter(({ status }) => status === 503)
    expect(lines).toMatchObject(Array(2).fill({ level: 'info', code: 'ECONNREFUSED' }))
    expect(lines.filter((line) => 'err' in line)).toEqual([])
    expect(closed.logs.filter(({ level }) => level === 'warn')).toMatchObject([
      { msg: 'the keys that sign tokens cannot be had', err: { code: 'ECONNREFUSED' } },
    ])
    for (const part of token.split('.')) expect(JSON.stringify(closed.logs)).not.toContain(part)
    expectProblem(await get(closed.url + WORKFLOWS), 'unauthorized')
    const ready = await get(`${closed.url}/health/ready`)
    expectProblem(ready, 'unavailable')
    expect(ready.body.detail).toBe('the keys of JWT_JWKS_URL cannot be had (ECONNREFUSED)')
  } finally {
    await closed.close()
  }
})

test('once the keys are there, both doors are open', async () => {
  const ready = await until('readiness', async () => {
    const answer = await get(`${app.url}/health/ready`)
    return answer.status === 200 && answer
  })
  expect(ready.body).toEqual({ status: 'ready' })
})

test('where no tokens are asked for, one that is there changes nothing', async () => {
  const open = await startApp(world, { roles: ['ingress'] })
  try {
    for (const authorization of ['Bearer not.a.token', `Bearer ${await issuer.token()}`]) {
      const { status, body } = await post(open.url + WORKFLOWS, aWorkflow(), { authorization })
      expect({ status, body }).toMatchObject({ status: 201, body: { principal: null } })
      expect((await get(`${open.url}/api/v1/workflow-requests`, { authorization })).status).toBe(200)
    }
  } finally {
    await open.close()
  }
})
