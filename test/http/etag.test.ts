import { describe, expect, test } from 'vitest'
import { get, post } from '../support/http.ts'
import { expectProblem } from '../support/problems.ts'
import { sharedService } from '../support/shared-service.ts'
import { aWorkflow } from '../support/workflows.ts'
import { withService } from '../support/world.ts'

const REQUESTS = '/api/v1/workflow-requests'

const service = sharedService()

/** The URL of a status that has its outcome. */
async function aSettledStatus(): Promise<string> {
  const { body } = await post(`${service.url}/api/v1/workflows`, aWorkflow())
  return `${service.url}${REQUESTS}/${body.created_by_request}`
}

describe('the status of a request that ended', () => {
  test('has the same ETag each time, and another than any other status', async () => {
    const [one, other] = [await aSettledStatus(), await aSettledStatus()]
    const tags = await Promise.all([one, one, other].map(async (url) => (await get(url)).headers.get('etag')))
    expect(tags[0]).toMatch(/^"[\w-]{22}"$/)
    expect(tags[1]).toBe(tags[0])
    expect(tags[2]).not.toBe(tags[0])
  })

  test.for([
    ['by itself', (tag: string) => tag],
    ['as a weak one', (tag: string) => `W/${tag}`],
    ['among others', (tag: string) => `"a,b", W/"c",${tag}, "d"`],
    ['as any', () => '*'],
  ] as const)('is 304 without a body to who knows its ETag: %s', async ([, known]) => {
    const url = await aSettledStatus()
    const tag = (await get(url)).headers.get('etag')!
    const answer = await get(url, { 'if-none-match': known(tag) })
    expect(answer.status).toBe(304)
    expect(answer.body).toBeUndefined()
    expect(answer.headers.get('etag')).toBe(tag)
  })

  test.for([
    ['another one', () => '"another"'],
    ['a part of it', (tag: string) => `${tag.slice(0, -2)}"`],
    ['not a tag at all', (tag: string) => tag.slice(1, -1)],
    ['nothing', () => ''],
  ] as const)('is 200 to who knows %s', async ([, known]) => {
    const url = await aSettledStatus()
    const tag = (await get(url)).headers.get('etag')!
    const answer = await get(url, { 'if-none-match': known(tag) })
    expect(answer).toMatchObject({ status: 200, body: { state: 'created' } })
    expect(answer.headers.get('content-type')).toMatch(/^application\/json/)
  })
})

test('a pending status has an ETag too, is never to be stored, and changes with its outcome', async () => {
  const ingress = await withService({ roles: ['ingress'] })
  const accepted = await post(`${ingress.url}${REQUESTS}`, aWorkflow())
  const url = `${ingress.url}${accepted.headers.get('location')}`
  const pending = await get(url)
  expect(pending.body.state).toBe('pending')
  expect(pending.headers.get('cache-control')).toBe('no-store')
  const tag = pending.headers.get('etag')!
  const known = await get(url, { 'if-none-match': tag })
  expect(known.status).toBe(304)
  expect(known.headers.get('cache-control')).toBe('no-store')
})

test('a problem is never a 304, whatever is known, and has no ETag', async () => {
  const answer = await get(`${service.url}${REQUESTS}/no-uuid`, { 'if-none-match': '*' })
  expectProblem(answer, 'not-found')
  expect(answer.headers.get('etag')).toBeNull()
})
