import { beforeAll, describe, expect, test } from 'vitest'
import { formatCursor } from '../../src/http/cursor.ts'
import { type Answer, get, post } from '../support/http.ts'
import { expectProblem } from '../support/problems.ts'
import { sharedService } from '../support/shared-service.ts'
import { recordStatements } from '../support/statements.ts'
import { aWorkflow } from '../support/workflows.ts'
import { withService } from '../support/world.ts'

const REQUESTS = '/api/v1/workflow-requests'
const ANY_ID = '0197f6a2-5b6c-7d3e-8f90-a1b2c3d4e5f6'

const service = sharedService({ roles: ['ingress'] })
const list = (query: string) => get(`${service.url}${REQUESTS}${query}`)
const register = (body: unknown, headers = {}) => post(`${service.url}/api/v1/workflows`, body, headers)

/** One request for each of the outcomes, in this order; their ids. */
const ids = { created: '', conflict: '', rejected: '', failed: '' }
beforeAll(async () => {
  await service.owner.query(`
    create function refuse() returns trigger language plpgsql as $$
      begin raise exception using errcode = '23514'; end $$;
    create trigger refuse before insert on workflow for each row when (new.owner = 'refused')
      execute function refuse()`)
  const workflow = aWorkflow()
  const key = { 'idempotency-key': 'one' }
  const idOf = ({ body }: Answer) => String(body.instance).split('/').at(-1)!
  ids.created = (await register(workflow, key)).body.created_by_request
  ids.conflict = idOf(await register(workflow))
  ids.rejected = idOf(await register(aWorkflow(), key))
  ids.failed = idOf(await register(aWorkflow({ owner: 'refused' })))
  await service.owner.query(
    `update registration_request set completed_at = '2026-01-01T00:00:00Z'::timestamptz
       + interval '1 minute' * array_position($1::uuid[], request_id)`,
    [Object.values(ids)],
  )
})

const idsIn = ({ body }: Answer): string[] =>
  body.items.map(({ request_id }: { request_id: string }) => request_id)

describe('the list of requests', () => {
  test('has all that ended, the newest first, each as its own URL tells it', async () => {
    const answer = await list('')
    expect(answer.status).toBe(200)
    expect(idsIn(answer)).toEqual(Object.values(ids).reverse())
    for (const item of answer.body.items)
      expect(item).toEqual((await get(`${service.url}${REQUESTS}/${item.request_id}`)).body)
    expect(answer.body.items.map(({ state }: { state: string }) => state)).toEqual(Object.keys(ids).reverse())
    expect(answer.body.next).toBeNull()
    expect(answer.headers.get('link')).toBeNull()
  })

  test.for(Object.keys(ids) as (keyof typeof ids)[])('is narrowed to a state: %s', async (state) => {
    expect(idsIn(await list(`?state=${state}`))).toEqual([ids[state]])
  })

  test('is narrowed to what ended at a time or later, in whatever zone the time is told', async () => {
    const since = (time: string) => list(`?since=${encodeURIComponent(time)}`)
    const lastTwo = [ids.failed, ids.rejected]
    expect(idsIn(await since('2026-01-01T00:03:00Z'))).toEqual(lastTwo)
    expect(idsIn(await since('2026-01-01T02:03:00.000+02:00'))).toEqual(lastTwo)
    expect(idsIn(await since('2026-01-01T00:03:00.001Z'))).toEqual([ids.failed])
    expect(idsIn(await list('?state=rejected&since=2026-01-01T00:03:00.001Z'))).toEqual([])
    for (const long of ['0000-01-01T00:00:00Z', '0001-01-01T00:00:00+14:00'])
      expect(idsIn(await since(long))).toHaveLength(4)
    expect(idsIn(await since('9999-12-31T23:59:59.999-14:00'))).toEqual([])
  })

  test.for([
    ['?state=pending', 'state'],
    ['?state=', 'state'],
    ['?state=failed&state=created', 'state'],
    ['?since=yesterday', 'since'],
    ['?since=2026-01-01', 'since'],
    ['?since=2026-02-30T00:00:00Z', 'since'],
    ['?limit=0', 'limit'],
    ['?limit=501', 'limit'],
    ['?limit=1.5', 'limit'],
    ['?limit=many', 'limit'],
    ['?order=asc', 'order'],
    ['?cursor=', 'cursor'],
    ['?cursor=%00', 'cursor'],
    ['?cursor=bm90aGluZw', 'cursor'],
    [`?cursor=${formatCursor(['1'])}`, 'cursor'],
    [`?cursor=${formatCursor(['-1', ANY_ID])}`, 'cursor'],
    [`?cursor=${formatCursor(['1e3', ANY_ID])}`, 'cursor'],
    [`?cursor=${formatCursor(['9'.repeat(15), ANY_ID])}`, 'cursor'],
    [`?cursor=${formatCursor(['1', "' or true --"])}`, 'cursor'],
    [`?cursor=${formatCursor(['1', ANY_ID])}x`, 'cursor'],
  ])('is 400, naming the parameter, for %s', async ([query, parameter]) => {
    expect(expectProblem(await list(query!), 'validation-error').detail).toContain(parameter)
  })

  test('takes any cursor of its own form, however far away', async () => {
    for (const ms of ['0', '9'.repeat(14)]) {
      const answer = await list(`?cursor=${formatCursor([ms, ANY_ID])}`)
      expect(answer.status).toBe(200)
      expect(idsIn(answer)).toHaveLength(ms === '0' ? 0 : 4)
    }
  })
})

describe('its pages', () => {
  /** All ids, page by page along `Link`. */
  async function walk(url: string, start: string, between: () => Promise<unknown> = async () => {}) {
    const pages: string[][] = []
    for (let next: string | undefined = start; next; ) {
      const answer = await get(`${url}${next}`)
      expect(answer.status).toBe(200)
      pages.push(idsIn(answer))
      next = /^<([^>]+)>; rel="next"$/.exec(answer.headers.get('link') ?? '')?.[1]
      const { next: cursor } = answer.body
      expect(next === undefined ? null : new URL(next, url).searchParams.get('cursor')).toBe(cursor)
      await between()
    }
    return pages
  }

  /** Rows that ended in few different milliseconds, half of them `failed`. */
  const fill = (count: number) => `
    insert into registration_request (request_id, fingerprint, outcome, failure, accepted_at, completed_at)
    select gen_random_uuid(), sha256('x'), case n % 2 when 0 then 'failed' else 'created' end::outcome,
      '23514', now(), '2026-02-01T00:00:00Z'::timestamptz + interval '1 ms' * (n / 20)
    from generate_series(1, ${count}) n`

  test('hold each request once, in order, though many ended in one millisecond', async () => {
    const { url, owner } = await withService({ roles: ['ingress'] })
    await owner.query(fill(205))
    for (const [query, where] of [
      ['limit=10', 'true'],
      ['limit=10&state=failed', `outcome = 'failed'`],
      [
        'state=failed&since=2026-02-01T00%3A00%3A00.004Z&limit=10',
        `outcome = 'failed' and completed_at >= '2026-02-01T00:00:00.004Z'`,
      ],
      ['limit=10&state=created', `outcome = 'created'`],
    ]) {
      const { rows } = await owner.query(
        `select request_id from registration_request where ${where} order by completed_at desc, request_id desc`,
      )
      const pages = await walk(url, `${REQUESTS}?${query}`)
      expect(pages.flat()).toEqual(rows.map(({ request_id }) => request_id))
      expect(pages.slice(0, -1).every((page) => page.length === 10)).toBe(true)
      expect(pages).toHaveLength(Math.ceil(rows.length / 10))
    }
  })

  test('neither repeat nor pass over anything when requests end and are purged meanwhile', async () => {
    const { url, owner } = await withService({ roles: ['ingress'] })
    await owner.query(fill(100))
    const { rows } = await owner.query('select request_id from registration_request')
    const pages = await walk(url, `${REQUESTS}?limit=7`, async () => {
      await post(`${url}/api/v1/workflows`, aWorkflow())
    })
    expect(pages.flat().sort()).toEqual(rows.map(({ request_id }) => request_id).sort())

    let purged = 0
    const rest = await walk(url, `${REQUESTS}?limit=7&state=failed`, async () => {
      const { rowCount } = await owner.query(`delete from registration_request where request_id in (
        select request_id from registration_request where outcome = 'failed' order by completed_at, request_id limit 2)`)
      purged += rowCount!
    })
    expect(purged).toBeGreaterThan(0)
    expect(new Set(rest.flat())).toHaveLength(rest.flat().length)
    expect(rest.flat().length).toBeGreaterThanOrEqual(50 - purged)
  })
})

test('a list walks along an index from its end, and that of what made nothing along an index of its own', async () => {
  const { url, owner } = await withService({ roles: ['ingress'] })
  await owner.query(`
    insert into registration_request (request_id, fingerprint, outcome, failure, accepted_at, completed_at)
    select gen_random_uuid(), sha256('x'), case n % 1000 when 0 then 'failed' else 'created' end::outcome,
      '23514', now(), '2026-02-01T00:00:00Z'::timestamptz + interval '1 ms' * n
    from generate_series(1, 20000) n`)
  await owner.query('analyze registration_request')
  const statements = recordStatements()
  for (const [query, index] of [
    ['limit=50', 'ix_registration_request_completed_at'],
    ['state=created', 'ix_registration_request_completed_at'],
    ['state=failed&limit=5', 'ix_registration_request_not_created'],
    ['state=rejected&since=2026-02-01T00:00:10Z', 'ix_registration_request_not_created'],
    ['state=conflict', 'ix_registration_request_not_created'],
  ] as const) {
    const before = statements.sent().length
    const { body } = await get(`${url}${REQUESTS}?${query}`)
    if (body.next) await get(`${url}${REQUESTS}?${query}&cursor=${body.next}`)
    const sent = statements.sent().slice(before)
    const lists = sent.filter(({ text }) => text.includes('from registration_request'))
    expect(lists).toHaveLength(/^state=(rejected|conflict)/.test(query) ? 1 : 2)
    for (const { text, values } of lists) {
      const { rows } = await owner.query(`explain ${text}`, values)
      const plan = rows.map((row) => row['QUERY PLAN']).join('\n')
      expect(plan).toMatch(
        new RegExp(`Limit .*\\n *->  Index Scan Backward using ${index} on registration_request `),
      )
    }
  }
})
