import { channel } from 'node:diagnostics_channel'
import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { get } from '../support/http.ts'
import { expectProblem } from '../support/problems.ts'
import { sharedService } from '../support/shared-service.ts'
import { document, operations } from './schemas.ts'

const PROBLEM_BASE_URL = 'https://problems.example'
const urls = new Set<string>()
const started = channel('fastify.initialization')
const collect = (message: unknown) =>
  (message as { fastify: FastifyInstance }).fastify.addHook('onRoute', ({ url }) => void urls.add(url))

beforeAll(() => started.subscribe(collect))
const service = sharedService({ roles: ['ingress'], env: { PROBLEM_BASE_URL } })
afterAll(() => started.unsubscribe(collect))

describe('every route', () => {
  test('is an operation of the document, or a part of the page', () => {
    const undescribed = [...urls].filter((url) => !document.paths[url.replaceAll(/:(\w+)/g, '{$1}')])
    expect(undescribed.filter((url) => !/^\/docs(\/|$)/.test(url))).toEqual([])
    expect(undescribed).toContain('/docs')
  })

  test.each(Object.keys(document.paths))(
    '%s has the methods that the document says, and no others',
    async (path) => {
      const described = operations.filter((one) => one.path === path).map(({ method }) => method)
      const answer = await ask('DELETE', path.replaceAll(/[{}]/g, ''))
      expectProblem(answer, 'method-not-allowed')
      expect(new Set(answer.headers.get('allow')!.split(', '))).toEqual(
        new Set(described.includes('GET') ? [...described, 'HEAD'] : described),
      )
    },
  )
})

test('GET /openapi.json is the document, with problems below the address that is configured', async () => {
  const { status, headers, body } = await get(`${service.url}/openapi.json`)
  expect(status).toBe(200)
  expect(headers.get('content-type')).toBe('application/json; charset=utf-8')
  const { paths, components } = document
  const elsewhere = JSON.stringify({ paths, components }).replaceAll(
    'https://workflow-registrar.io/problems/',
    `${PROBLEM_BASE_URL}/problems/`,
  )
  expect(body).toMatchObject(JSON.parse(elsewhere))
})

describe('the page at /docs', () => {
  test.each(['/docs', '/docs/'])('%s and everything that it needs come from here', async (path) => {
    const page = await ask('GET', path)
    expect(page).toMatchObject({ status: 200, body: expect.stringContaining('<div id="swagger-ui">') })
    expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8')
    const needed = [...page.body.matchAll(/(?:href|src)="([^"]*)"/g)].map(
      ([, href]) => new URL(href!, service.url + path),
    )
    expect(needed.length).toBeGreaterThanOrEqual(7)
    for (const { origin, pathname } of needed) {
      expect(origin).toBe(service.url)
      const { status, body } = await ask('GET', pathname)
      expect({ pathname, status, isEmpty: body === '' }).toEqual({ pathname, status: 200, isEmpty: false })
    }
    expect(page.body.replaceAll(service.url, '')).not.toMatch(/(https?:)?\/\/[a-z0-9]/i)
  })

  test('shows this document', async () => {
    const { body } = await ask('GET', '/docs/static/swagger-initializer.js')
    expect(body).toContain("url: resolveUrl('./json')")
    expect(body).toContain('validatorUrl: null')
    expect((await get(`${service.url}/docs/json`)).body).toEqual(
      (await get(`${service.url}/openapi.json`)).body,
    )
  })

  test('may ask no other host, and runs no script but its own', async () => {
    const { headers } = await ask('GET', '/docs')
    const policy = headers.get('content-security-policy')!
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain("script-src 'self';")
    expect(policy).not.toMatch(/https?:|\*|unsafe/)
  })

  test.each([
    '/docs/nothing',
    '/docs/static',
    '/docs/static/nothing.js',
    '/docs/static//swagger-ui.css',
    '/docs/static/%00',
    '/docs/static/..%2findex.js',
    '/docs/static/.env',
  ])('GET %s is a 404 problem', async (path) => {
    expectProblem(await get(service.url + path), 'not-found')
  })

  test.each(['/docs', '/docs/', '/docs/json', '/docs/static/swagger-ui.css'])(
    'POST %s is a 405 problem',
    async (path) => {
      const answer = await ask('POST', path)
      expectProblem(answer, 'method-not-allowed')
      expect(answer.headers.get('allow')).toBe('GET, HEAD')
    },
  )

  test.each([
    { range: 'bytes=999999999-' },
    { 'if-match': '"another"' },
    { 'if-unmodified-since': 'Thu, 01 Jan 1970 00:00:00 GMT' },
  ])('a file goes out whole to who asks %o', async (headers: Record<string, string>) => {
    const { status } = await fetch(`${service.url}/docs/static/index.css`, { headers })
    expect(status).toBe(200)
  })

  test('leaves no line in the log but for what went wrong', async () => {
    const before = service.logs.length
    await ask('GET', '/docs')
    await ask('GET', '/docs/static/swagger-ui.css')
    await ask('GET', '/docs/static/nothing.js')
    expect(service.logs.slice(before)).toEqual([
      expect.objectContaining({ level: 'info', status: 404, problem: 'not-found' }),
    ])
  })
})

async function ask(method: string, path: string) {
  const response = await fetch(service.url + path, { method })
  const text = await response.text()
  const isProblem = response.headers.get('content-type')?.startsWith('application/problem+json')
  return { status: response.status, headers: response.headers, body: isProblem ? JSON.parse(text) : text }
}
