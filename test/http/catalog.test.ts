import { createHash, randomUUID } from 'node:crypto'
import fc from 'fast-check'
import Fastify from 'fastify'
import pg from 'pg'
import { pino } from 'pino'
import { describe, expect, test } from 'vitest'
import { catalog, catalogChanges } from '../../src/db/catalog.ts'
import { openDb } from '../../src/db/open.ts'
import { problemsAt } from '../../src/domain/problem.ts'
import { catalogRoutes } from '../../src/http/catalog.ts'
import { formatCursor, parseCursor } from '../../src/http/cursor.ts'
import { type Answer, get, patch, post } from '../support/http.ts'
import { expectProblem } from '../support/problems.ts'
import { raw } from '../support/raw-http.ts'
import { runs } from '../support/seeded.ts'
import { sharedService } from '../support/shared-service.ts'
import { recordStatements } from '../support/statements.ts'
import { aWorkflow } from '../support/workflows.ts'
import { withService } from '../support/world.ts'

const service = sharedService({ roles: ['ingress'] })

/** The id of nothing. */
const NOBODY = '0190b1e5-7e1a-7cde-8f00-abcdefabcdef'

const SUMMARY_FIELDS = [
  ...['workflow_id', 'workflow_name', 'version', 'name', 'description', 'content_hash', 'execution_engine'],
  ...['labels', 'custom_labels', 'detected_labels', 'parameters', 'owner', 'maintainer', 'container_image'],
  ...['container_digest', 'status', 'status_reason', 'created_at', 'updated_at', 'created_by_request'],
  ...['request_fingerprint', 'principal'],
].sort()
const FIELDS = [...SUMMARY_FIELDS, 'content'].sort()

interface Listed {
  workflow_id: string
  workflow_name: string
  version: string
}

const LIST = '/api/v1/workflows'
const versionsPath = (name: string) => `${LIST}/by-name/${encodeURIComponent(name)}/versions`

const read = (path: string, query: Record<string, string> = {}) =>
  get(`${service.url}${path}?${new URLSearchParams(query)}`)

async function create(fields: Record<string, unknown> = {}, at = service.url) {
  const { status, body } = await post(`${at}${LIST}`, aWorkflow(fields))
  expect({ status, body }).toMatchObject({ status: 201 })
  return body
}

/** The path of the next page, as the header and the body agree on it. */
function nextOf({ headers, body }: Answer): string | undefined {
  const link = headers.get('link')
  if (body.next === null) {
    expect(link).toBeNull()
    return undefined
  }
  const [, path = ''] = /^<([!-~]+)>; rel="next"$/.exec(link ?? '') ?? []
  expect(new URLSearchParams(path.split('?')[1]).get('cursor')).toBe(body.next)
  return path
}

/** Every page from this one on. `meanwhile` runs beside each. */
async function walk(at: string, path: string, meanwhile: () => Promise<unknown> = async () => {}) {
  const pages: Listed[][] = []
  for (let next: string | undefined = path; next !== undefined; ) {
    const [page]: [Answer, unknown] = await Promise.all([get(`${at}${next}`), meanwhile()])
    expect(page.status).toBe(200)
    pages.push(page.body.items)
    if (pages.length > 100) throw new Error('these pages have no end')
    next = nextOf(page)
    if (next !== undefined) expect(page.body.items).not.toEqual([])
  }
  return pages
}

const versionsIn = (pages: Listed[][]) => pages.flat().map(({ version }) => version)
const idsIn = (answer: Answer) => answer.body.items.map(({ workflow_id }: Listed) => workflow_id)

describe('a list of workflows', () => {
  test('is the newest first, in pages of any size', async () => {
    const workflow_name = `wf-${randomUUID()}`
    const versions = Array.from({ length: 6 }, (_, n) => `1.0.${n}`)
    for (const version of versions) await create({ workflow_name, version })
    for (const limit of [1, 2, 3, 5, 6, 7, 500]) {
      const pages = await walk(
        service.url,
        `${LIST}?${new URLSearchParams({ workflow_name, limit: `${limit}` })}`,
      )
      expect(pages).toHaveLength(Math.ceil(6 / limit))
      expect(versionsIn(pages)).toEqual(versions.toReversed())
    }
  })

  test('has 50 in a page unless told otherwise', async () => {
    const workflow_name = `wf-${randomUUID()}`
    await Promise.all(Array.from({ length: 51 }, (_, n) => create({ workflow_name, version: `1.0.${n}` })))
    const pages = await walk(service.url, `${LIST}?workflow_name=${workflow_name}`)
    expect(pages.map((page) => page.length)).toEqual([50, 1])
  })

  test.each([
    ['content', [20]],
    ['owner', [16, 4]],
  ])('has no more in a page than 8 MiB of texts, and misses nothing for it: %s', async (field, light) => {
    const workflow_name = `wf-${randomUUID()}`
    const versions = Array.from({ length: 20 }, (_, n) => `1.0.${n}`)
    for (const version of versions) await create({ workflow_name, version, [field]: 'x'.repeat(500_000) })
    const lists = [`${LIST}?workflow_name=${workflow_name}`, `${versionsPath(workflow_name)}?limit=500`]
    for (const path of lists) {
      const pages = await walk(service.url, path)
      expect(pages.map((page) => page.length)).toEqual(light)
      expect(versionsIn(pages)).toEqual(versions.toReversed())
      const full = await walk(service.url, `${path}&include_content=true`)
      expect(full.map((page) => page.length)).toEqual([16, 4])
      expect(versionsIn(full)).toEqual(versions.toReversed())
    }
  })

  test('misses none and repeats none while others are registered', async () => {
    const { url } = await withService({ roles: ['ingress'] })
    const before = await Promise.all(
      Array.from({ length: 40 }, (_, n) => create({ version: `1.0.${n}`, owner: 'before' }, url)),
    )
    let added = 0
    const pages = await walk(url, `${LIST}?limit=3`, () =>
      Promise.all(
        Array.from({ length: 4 }, async () => {
          await create({ owner: 'meanwhile' }, url)
          added += 1
        }),
      ),
    )
    expect(added).toBeGreaterThan(before.length)
    const ids = pages.flat().map(({ workflow_id }) => workflow_id)
    expect(ids).toEqual([...new Set(ids)].sort().reverse())
    const missed = before.filter(({ workflow_id }) => !ids.includes(workflow_id))
    expect(missed).toEqual([])
  })

  test('leaves the content out unless asked, and does not even read it', async () => {
    const world = await withService({ roles: ['ingress'] })
    const made = await create({}, world.url)
    const light = await get(`${world.url}${LIST}?include_content=false`)
    expect(Object.keys(light.body.items[0]).sort()).toEqual(SUMMARY_FIELDS)
    const { content: _content, ...summary } = made
    expect(light.body).toEqual({ items: [summary], next: null })
    for (const path of [LIST, versionsPath(made.workflow_name)])
      expect((await get(`${world.url}${path}?include_content=true`)).body.items).toEqual([made])

    const role = new URL(world.infrastructure.databaseUrl).username
    await world.owner.query(`revoke select on workflow from ${role}`)
    await world.owner.query(`grant select (${SUMMARY_FIELDS.join(', ')}) on workflow to ${role}`)
    for (const path of [LIST, versionsPath(made.workflow_name)]) {
      expect((await get(`${world.url}${path}`)).body.items).toEqual([summary])
      expectProblem(await get(`${world.url}${path}?include_content=true`), 'internal-error')
    }
  })

  test('is narrowed by name, status and engine, all together', async () => {
    const owner = randomUUID()
    const [one, two] = [`wf-${randomUUID()}`, `wf-${randomUUID()}`]
    const labels = { owner }
    const first = await create({ workflow_name: one, labels })
    const second = await create({ workflow_name: one, version: '1.1.0', labels, status: 'archived' })
    const third = await create({ workflow_name: two, labels, status: 'archived' })
    const found = async (query: Record<string, string>) => idsIn(await read(LIST, query))
    const mine = { 'labels[owner]': owner }
    expect(await found(mine)).toEqual([third, second, first].map((made) => made.workflow_id))
    expect(await found({ workflow_name: one })).toEqual([second.workflow_id, first.workflow_id])
    expect(await found({ ...mine, status: 'archived' })).toEqual([third.workflow_id, second.workflow_id])
    expect(await found({ ...mine, execution_engine: 'tekton' })).toHaveLength(3)
    expect(
      await found({ ...mine, workflow_name: one, status: 'archived', execution_engine: 'tekton' }),
    ).toEqual([second.workflow_id])
    expect(await found({ ...mine, workflow_name: two, status: 'active' })).toEqual([])
    expect(await found({ workflow_name: one.toUpperCase() })).toEqual([])
  })

  test('the next page keeps the filters', async () => {
    const key = 'a&b=c#d/é [x] %41'
    const team = `a b+c&d=e%2C"<>${randomUUID()}`
    const workflow_name = `wf-${randomUUID()}`
    const mine = { workflow_name, custom_labels: { [key]: team }, status: 'archived' }
    const versions = ['1.0.0', '1.0.1', '1.0.2', '1.0.3', '1.0.4']
    for (const version of versions) {
      await create({ ...mine, version })
      await create({ ...mine, version: `${version}-other`, custom_labels: { [key]: 'other' } })
      await create({ ...mine, version: `${version}-active`, status: 'active' })
    }
    const query = { workflow_name, [`custom_labels[${key}]`]: team, status: 'archived', limit: '2' }
    const pages = await walk(service.url, `${LIST}?${new URLSearchParams(query)}&include_content=true`)
    expect(pages.map((page) => page.length)).toEqual([2, 2, 1])
    expect(versionsIn(pages)).toEqual(versions.toReversed())
    expect(pages.flat().every((item) => 'content' in item)).toBe(true)
  })

  describe.each(['labels', 'custom_labels', 'detected_labels'])('narrowed by %s', (column) => {
    test('finds a label that is one of the texts, or has one of them', async () => {
      const workflow_name = `wf-${randomUUID()}`
      const rows: Record<string, Record<string, unknown>> = {
        '1.0.0': { team: 'a' },
        '2.0.0': { team: ['b', 'c'], tier: 'gold' },
        '3.0.0': { team: 'a,b' },
        '4.0.0': { team: [] },
        '5.0.0': { a: 'team' },
        '6.0.0': { team: '', 'x]y[z': 'odd' },
        '7.0.0': { constructor: 'true', tier: ['3', 'null'] },
      }
      for (const [version, labels] of Object.entries(rows))
        await create({ workflow_name, version, labels: {}, [column]: labels })
      const found = async (filters: Record<string, string>) => {
        const named = Object.entries(filters).map(([key, texts]) => [`${column}[${key}]`, texts])
        const { body } = await read(LIST, { workflow_name, ...Object.fromEntries(named) })
        return versionsIn([body.items]).sort()
      }
      expect(await found({ team: 'a' })).toEqual(['1.0.0'])
      expect(await found({ team: 'b' })).toEqual(['2.0.0'])
      expect(await found({ team: 'a,c' })).toEqual(['1.0.0', '2.0.0'])
      expect(await found({ team: 'a,c', tier: 'gold' })).toEqual(['2.0.0'])
      expect(await found({ team: 'a', tier: 'gold' })).toEqual([])
      expect(await found({ team: '' })).toEqual(['6.0.0'])
      expect(await found({ 'x]y[z': 'odd' })).toEqual(['6.0.0'])
      expect(await found({ constructor: 'true' })).toEqual(['7.0.0'])
      expect(await found({ tier: '3' })).toEqual(['7.0.0'])
      expect(await found({ tier: 'null' })).toEqual(['7.0.0'])
      for (const text of ['A', 'team', '{}', '[]', '"a"', '%', "' or 1=1 --", '\\', '"},{"', '{a}', 'a;'])
        expect(await found({ team: text })).toEqual([])
    })
  })

  test('finds numbers and booleans among detected labels by how they are written', async () => {
    const workflow_name = `wf-${randomUUID()}`
    const detected_labels = {
      ...{ replicas: 3, ratio: 0.5, tiny: 1e-7, debt: -1, small: 1.5e-300, zero: 0 },
      ...{ hpa: true, ports: [80, 443, false, 'http'] },
    }
    await create({ workflow_name, detected_labels })
    const finds = async (key: string, texts: string) =>
      (await read(LIST, { workflow_name, [`detected_labels[${key}]`]: texts })).body.items.length === 1
    for (const [key, texts] of [
      ...Object.entries(detected_labels).flatMap(([key, value]) =>
        [value].flat().map((one) => [key, `${one}`]),
      ),
      ['replicas', '2,3'],
    ] as const)
      expect({ key, texts, isFound: await finds(key!, texts!) }).toEqual({ key, texts, isFound: true })
    for (const [key, texts] of [
      ...[
        ['replicas', '33'],
        ['replicas', '3.0'],
        ['replicas', ' 3'],
        ['replicas', '03'],
        ['replicas', ''],
      ],
      ...[
        ['hpa', 'false'],
        ['hpa', 'True'],
        ['hpa', '1'],
        ['zero', ''],
        ['zero', 'false'],
        ['zero', '-0'],
      ],
      ...[
        ['ports', '8'],
        ['ports', '80 '],
        ['small', '1e999999'],
        ['small', 'Infinity'],
        ['small', 'NaN'],
      ],
    ] as [string, string][])
      expect({ key, texts, isFound: await finds(key, texts) }).toEqual({ key, texts, isFound: false })
  })

  test('a query as long as a header may be is answered', async () => {
    const keys = Array.from({ length: 1_000 }, (_, n) => `labels[${n.toString(36)}]=x`)
    expect(await get(`${service.url}${LIST}?${keys.join('&')}`)).toMatchObject({
      status: 200,
      body: { items: [], next: null },
    })
    const texts = 'a,'.repeat(7_000)
    expect(await get(`${service.url}${LIST}?labels[a]=${texts}`)).toMatchObject({ status: 200 })
  })
})

describe('400: a list with', () => {
  const versionCursor = formatCursor(['1.0.0'])
  const idCursor = formatCursor([NOBODY])
  const lists: [path: string, foreignCursor: string][] = [
    [LIST, versionCursor],
    [versionsPath('restart-pods'), idCursor],
  ]
  const none = 'is not one that this service gave out'
  test.each([
    ['limit=0', 'limit', 'must be a whole number from 1 to 500'],
    ['limit=-1', 'limit', 'must be a whole number from 1 to 500'],
    ['limit=501', 'limit', 'must be a whole number from 1 to 500'],
    ['limit=x', 'limit', 'must be a whole number from 1 to 500'],
    ['limit=1.5', 'limit', 'must be a whole number from 1 to 500'],
    ['limit=1&limit=2', 'limit', 'must be a string'],
    ['limit=NaN', 'limit', 'must be a whole number from 1 to 500'],
    ['limit=0x10', 'limit', 'must be a whole number from 1 to 500'],
    ['limit=1e2', 'limit', 'must be a whole number from 1 to 500'],
    ['colour=red', 'colour', 'is not known here'],
    ['limit[a]=1', 'limit', 'must be a string'],
    ['include_content=yes', 'include_content', 'must be one of: true, false'],
    ['cursor=', 'cursor', none],
    ['cursor=x', 'cursor', none],
    [`cursor=${'x'.repeat(1_001)}`, 'cursor', none],
    [`cursor=${idCursor}=`, 'cursor', none],
    [`cursor=${versionCursor}%20`, 'cursor', none],
    [`cursor=${formatCursor([NOBODY, NOBODY])}`, 'cursor', none],
    [`cursor=${formatCursor(["' or 1=1 --"])}`, 'cursor', none],
    [`cursor=${formatCursor([])}`, 'cursor', none],
    [`cursor=${Buffer.from('{"length":1,"0":"1.0.0"}').toString('base64url')}`, 'cursor', none],
    [`cursor=${Buffer.from('[1]').toString('base64url')}`, 'cursor', none],
    ['cursor=a&cursor=b', 'cursor', 'must be a string'],
    ['cursor=%00', 'cursor', 'contains a NUL character'],
  ])('%s', async (query, name, detail) => {
    for (const [path] of lists) {
      const { errors } = expectProblem(await get(`${service.url}${path}?${query}`), 'validation-error')
      expect(errors[0]).toEqual({ pointer: '', detail: `the parameter ${name} ${detail}` })
    }
  })

  test('a cursor of another list', async () => {
    for (const [path, cursor] of lists) expectProblem(await read(path, { cursor }), 'validation-error')
  })

  test.each([
    ['status=gone', 'the parameter status must be one of: active, disabled, deprecated, archived'],
    ['status=', 'the parameter status must be one of: active, disabled, deprecated, archived'],
    ['execution_engine=argo', 'the parameter execution_engine must be one of: tekton'],
    ['workflow_name=a&workflow_name=b', 'the parameter workflow_name must be a string'],
    ['workflow_name=a%00b', 'the parameter workflow_name contains a NUL character'],
    ['labels=a', 'the parameter labels must be an object'],
    ['labels[a]=1&labels[a]=2', 'the parameter labels/a must be a string'],
    ['labels[a]=%00', 'the parameter labels/a contains a NUL character'],
    ['detected_labels[%00]=a', "the parameter detected_labels/� a field's name: contains a NUL character"],
    [
      'custom_labels[__proto__]=a',
      "the parameter custom_labels/__proto__ a field's name: is a name that is not allowed",
    ],
    ['labels[]=a', 'the parameter labels/ must not be empty'],
    ['colour[a]=b', 'the parameter colour is not known here'],
  ])('%s', async (query, detail) => {
    const { errors } = expectProblem(await get(`${service.url}${LIST}?${query}`), 'validation-error')
    expect(errors).toEqual([{ pointer: '', detail }])
  })

  test.each(['labels[a]=b&labels=c', 'labels=c&labels[a]=b', 'labels=&labels=&labels[a]=b'])(
    '%s, which is a filter and none',
    async (query) => {
      const { errors } = expectProblem(await get(`${service.url}${LIST}?${query}`), 'validation-error')
      expect(errors).toEqual([
        { pointer: '', detail: 'the parameter labels must be an object' },
        { pointer: '', detail: 'the parameter labels[a] is not known here' },
      ])
    },
  )
})

describe('a cursor', () => {
  test('survives its text, which needs no escaping in a URL', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'grapheme' }), { maxLength: 4 }), (parts) => {
        const text = formatCursor(parts)
        expect(text).toMatch(/^[\w-]+$/)
        expect(parseCursor(text, parts.length)).toEqual(parts)
        expect(parseCursor(text, parts.length + 1)).toBeUndefined()
      }),
      runs(300),
    )
  })

  test('with anything changed is none of ours, or another one, and never thrown over', () => {
    const junk = fc.oneof(fc.string({ unit: 'binary' }), fc.base64String(), fc.json())
    fc.assert(
      fc.property(junk, fc.boolean(), (text, isWrapped) => {
        const cursor = isWrapped ? Buffer.from(text).toString('base64url') : text
        const parts = parseCursor(cursor, 1)
        if (parts) expect(formatCursor(parts)).toBe(cursor)
      }),
      runs(500),
    )
  })
})

describe('the versions of a name', () => {
  const ASCENDING = [
    ...['0.0.9', '0.0.10', '0.9.0', '1.0.0-1', '1.0.0-2', '1.0.0-10', '1.0.0-alpha', '1.0.0-alpha.1'],
    ...['1.0.0-beta', '1.0.0-rc.2', '1.0.0-rc.10', '1.0.0', '1.0.0+a', '1.0.0+b', '1.9.0', '1.10.0'],
    ...['2.0.0-rc.1', '9007199254740992.0.0', '9007199254740993.0.0', `1${'0'.repeat(40)}.0.0`],
  ]

  test('are the highest first, pre-releases in their place, whatever their status', async () => {
    const workflow_name = `wf-${randomUUID()}`
    const statuses = ['active', 'disabled', 'deprecated', 'archived']
    await Promise.all(
      ASCENDING.toSorted().map((version, n) => create({ workflow_name, version, status: statuses[n % 4] })),
    )
    await create({ workflow_name: `${workflow_name}x`, version: '3.0.0' })
    for (const limit of [1, 3, 4, 19, 20, 21]) {
      const pages = await walk(service.url, `${versionsPath(workflow_name)}?limit=${limit}`)
      expect(pages).toHaveLength(Math.ceil(20 / limit))
      expect(versionsIn(pages)).toEqual(ASCENDING.toReversed())
    }
  })

  test('go on where the page ended, though others come in between', async () => {
    const workflow_name = `wf-${randomUUID()}`
    for (const version of ['1.0.0', '2.0.0', '3.0.0', '4.0.0']) await create({ workflow_name, version })
    const page = await read(versionsPath(workflow_name), { limit: '2' })
    expect(versionsIn([page.body.items])).toEqual(['4.0.0', '3.0.0'])
    for (const version of ['5.0.0', '3.5.0', '3.0.0-rc', '2.5.0']) await create({ workflow_name, version })
    const rest = await walk(service.url, nextOf(page)!)
    expect(versionsIn(rest)).toEqual(['3.0.0-rc', '2.5.0', '2.0.0', '1.0.0'])
  })

  test('of a name that nobody has are an empty page', async () => {
    const { status, body } = await read(versionsPath(randomUUID()))
    expect({ status, body }).toEqual({ status: 200, body: { items: [], next: null } })
  })

  test('are as light as a list', async () => {
    const made = await create()
    const { content: _content, ...summary } = made
    const [light, full] = await Promise.all([
      read(versionsPath(made.workflow_name)),
      read(versionsPath(made.workflow_name), { include_content: 'true' }),
    ])
    expect(light.body.items).toEqual([summary])
    expect(full.body.items).toEqual([made])
  })
})

describe('the latest version', () => {
  const latest = (name: string, query: Record<string, string> = {}) =>
    read(`${versionsPath(name)}/latest`, query)
  const latestVersion = async (name: string, query: Record<string, string> = {}) =>
    (await latest(name, query)).body.version

  test('is the highest active release, and a pre-release only when asked', async () => {
    const workflow_name = `wf-${randomUUID()}`
    const made = new Map<string, { workflow_id: string }>()
    for (const version of ['1.10.0', '1.9.0', '2.0.0', '2.0.0-rc.1', '3.0.0-rc.1', '1.10.0+b', '1.10.0+a'])
      made.set(version, await create({ workflow_name, version }))
    const disable = async (version: string) => {
      const { status } = await patch(`${service.url}${LIST}/${made.get(version)!.workflow_id}`, {
        status: 'disabled',
      })
      expect(status).toBe(200)
    }
    const prereleases = { include_prereleases: 'true' }

    expect(await latestVersion(workflow_name)).toBe('2.0.0')
    expect(await latestVersion(workflow_name, { include_prereleases: 'false' })).toBe('2.0.0')
    expect(await latestVersion(workflow_name, prereleases)).toBe('3.0.0-rc.1')
    await disable('3.0.0-rc.1')
    expect(await latestVersion(workflow_name, prereleases)).toBe('2.0.0')
    await disable('2.0.0')
    expect(await latestVersion(workflow_name, prereleases)).toBe('2.0.0-rc.1')
    expect(await latestVersion(workflow_name)).toBe('1.10.0+b')
    await disable('1.10.0+b')
    expect((await latest(workflow_name)).body).toEqual(made.get('1.10.0+a'))
  })

  test.each(['disabled', 'deprecated', 'archived'])('404: none that is %s', async (status) => {
    const { workflow_name } = await create({ status })
    expectProblem(await latest(workflow_name), 'not-found')
  })

  test('404: no release, no such name', async () => {
    const { workflow_name } = await create({ version: '1.0.0-rc.1' })
    expectProblem(await latest(workflow_name), 'not-found')
    expectProblem(await latest(randomUUID()), 'not-found')
  })

  test('is active in every answer: one that is disabled while it is read is passed over', async () => {
    const workflow_name = `wf-${randomUUID()}`
    const low = await create({ workflow_name, version: '1.0.0' })
    const high = await create({ workflow_name, version: '2.0.0' })
    const options = { url: service.infrastructure.databaseUrl, name: 'test', maxConnections: 1 }
    const { db, close } = openDb(options, pino({ level: 'silent' }))
    const app = Fastify()
    try {
      const real = catalog(db)
      const { change } = catalogChanges(db)
      const readIds: string[] = []
      const byId = async (id: string) => {
        readIds.push(id)
        await change(high.workflow_id, { status: 'disabled' })
        return real.byId(id)
      }
      const makeProblem = problemsAt('https://here')
      await app.register(catalogRoutes({ catalog: { ...real, byId }, change, makeProblem }))
      const answer = await app.inject(`${versionsPath(workflow_name)}/latest`)
      expect(answer.json()).toEqual(low)
      expect(readIds).toEqual([high.workflow_id, low.workflow_id])
    } finally {
      await app.close()
      await close()
    }
  })
})

describe('a workflow by name and version', () => {
  test('is the one', async () => {
    const made = await create({ version: '1.0.0-rc.1+build.5' })
    expect(await read(`${versionsPath(made.workflow_name)}/${made.version}`)).toMatchObject({
      status: 200,
      body: made,
    })
  })

  test('404: another version, another name, no version at all', async () => {
    const { workflow_name, version } = await create()
    for (const path of [
      `${versionsPath(workflow_name)}/1.0.1`,
      `${versionsPath(workflow_name)}/v${version}`,
      `${versionsPath(workflow_name)}/${version}+build`,
      `${versionsPath(`${workflow_name}x`)}/${version}`,
      `${versionsPath(workflow_name)}/${'9'.repeat(300)}`,
    ])
      expectProblem(await get(`${service.url}${path}`), 'not-found')
    expectProblem(await get(`${service.url}${versionsPath(workflow_name)}/%00`), 'validation-error')
    expectProblem(await get(`${service.url}${versionsPath('a\0')}/1.0.0`), 'validation-error')
  })

  const unique = randomUUID()
  test.each([
    ...[
      'a/b',
      '/',
      '//',
      '100%',
      '%',
      '%2F',
      '%252F',
      '%2',
      '?',
      '#',
      '?a=b#c',
      ' ',
      '+',
      'a b+c',
      '"',
      "'",
      '\\',
      ';a=b',
    ],
    ...[
      'ä',
      '日本語',
      'e\u0301',
      '\u0001\n\t',
      '\u007f',
      '\ufeff',
      '\u202e',
      '*',
      ':',
      ':workflow_name',
      'latest',
      'versions',
      '<x>',
    ],
    ...[
      '__proto__',
      'constructor',
      '...',
      '🚀'.repeat(200),
      '%'.repeat(200),
      '/'.repeat(200),
      '\u{10ffff}'.repeat(200),
    ],
  ])('finds the name %j by its URL', async (odd) => {
    const workflow_name = [...`${odd}${unique}${odd}`].slice(0, 255).join('')
    const made = await create({ workflow_name })
    const path = versionsPath(workflow_name)
    expect((await read(`${path}/1.0.0`)).body).toEqual(made)
    expect((await read(`${path}/latest`)).body).toEqual(made)
    await create({ workflow_name, version: '1.1.0' })
    expect(versionsIn(await walk(service.url, `${path}?limit=1`))).toEqual(['1.1.0', '1.0.0'])
  })

  test('finds a name of 255 characters of four bytes each, and no longer one', async () => {
    const workflow_name = '🚀'.repeat(255)
    const made = await create({ workflow_name })
    expect((await read(`${versionsPath(workflow_name)}/1.0.0`)).body).toEqual(made)
    expect((await read(`${versionsPath(workflow_name)}/latest`)).body).toEqual(made)
    expectProblem(await read(`${versionsPath(`${workflow_name}🚀`)}/1.0.0`), 'not-found')
  })

  test.each(['.', '..'])('finds the name %j, which no URL parser lets stand', async (workflow_name) => {
    const made = await create({ workflow_name })
    const path = `${versionsPath(workflow_name)}/1.0.0`
    const answer = await raw(service.url, `GET ${path} HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n`)
    expect(answer).toMatchObject({ status: 200, body: made })
  })
})

describe('a workflow as it is answered', () => {
  const ignored = { created_by: 'me', is_latest_version: true, expected_success_rate: 1, approved_by: null }

  test('has the same fields everywhere, and none that was ignored', async () => {
    const created = await create({ ...ignored, detected_labels: { replicas: 3 }, owner: 'payments' })
    expect(Object.keys(created).sort()).toEqual(FIELDS)
    const { workflow_id, workflow_name } = created
    for (const path of [
      `${LIST}/${workflow_id}`,
      `${LIST}/${workflow_id.toUpperCase()}`,
      `${versionsPath(workflow_name)}/1.0.0`,
      `${versionsPath(workflow_name)}/latest`,
    ])
      expect((await read(path)).body).toEqual(created)
    expect(created).toMatchObject({ status: 'active', status_reason: null })
    expect(created.content_hash).toBe(createHash('sha256').update(created.content).digest('hex'))
    expect(new Date(created.created_at).toISOString()).toBe(created.created_at)
    expect(created.updated_at).toBe(created.created_at)
  })

  test('can be sent back: it is an identical conflict', async () => {
    const bodies = [
      {},
      {
        parameters: [1, { a: null }],
        detected_labels: { a: [true, 1.5] },
        maintainer: 'm',
        container_image: 'i',
      },
      { status: 'deprecated', labels: {}, custom_labels: { b: ['x'] } },
    ]
    for (const fields of bodies) {
      const { workflow_id } = await create({ ...ignored, ...fields })
      const { body } = await read(`${LIST}/${workflow_id}`)
      const problem = expectProblem(await post(`${service.url}${LIST}`, body), 'conflict')
      expect(problem).toMatchObject({ content: 'identical', existing: { workflow_id } })
    }
  })
})

describe('a change', () => {
  const change = (id: string, body: unknown, headers?: Record<string, string>) =>
    patch(`${service.url}${LIST}/${id}`, body, headers)

  test('200: of the status and its reason changes these, the time, and nothing else', async () => {
    const made = await create({ labels: { a: 'b' }, owner: 'me' })
    const id = made.workflow_id
    await service.owner.query(
      "update workflow set updated_at = updated_at - interval '1 hour' where workflow_id = $1",
      [id],
    )
    const steps: [body: object, after: object][] = [
      [
        { status: 'deprecated', status_reason: 'Use 2.0.0' },
        { status: 'deprecated', status_reason: 'Use 2.0.0' },
      ],
      [{ status: 'archived' }, { status: 'archived', status_reason: 'Use 2.0.0' }],
      [{ status_reason: '' }, { status: 'archived', status_reason: '' }],
      [{ status_reason: 'ä🚀\n"' }, { status: 'archived', status_reason: 'ä🚀\n"' }],
      [{ status_reason: null }, { status: 'archived', status_reason: null }],
      [{ status: 'active' }, { status: 'active', status_reason: null }],
    ]
    for (const [body, after] of steps) {
      const answer = await change(id, body)
      expect(answer).toMatchObject({ status: 200, body: after })
      const { updated_at } = answer.body
      expect(Date.parse(updated_at)).toBeGreaterThanOrEqual(Date.parse(made.created_at))
      expect(answer.body).toEqual({ ...made, ...after, updated_at })
      expect((await read(`${LIST}/${id}`)).body).toEqual(answer.body)
    }
  })

  test.each(['active', 'disabled', 'deprecated', 'archived'])('200: to %s', async (status) => {
    const { workflow_id } = await create()
    expect(await change(workflow_id, { status })).toMatchObject({ status: 200, body: { status } })
    expect(await change(workflow_id.toUpperCase(), { status })).toMatchObject({
      status: 200,
      body: { workflow_id },
    })
  })

  test('200: a reason of 1000 characters, however many bytes they have', async () => {
    const { workflow_id } = await create()
    const status_reason = '🚀'.repeat(1_000)
    expect((await change(workflow_id, { status_reason })).body.status_reason).toBe(status_reason)
  })

  describe('400 or 413', () => {
    const stays = 'cannot be changed: what was registered stays'
    const immutable = [
      ...FIELDS.filter((field) => field !== 'status' && field !== 'status_reason'),
      ...['created_by', 'updated_by', 'is_latest_version', 'previous_version', 'total_executions'],
      ...['successful_executions', 'actual_success_rate', 'approved_by', 'approved_at', 'disabled_at'],
      ...['disabled_by', 'disabled_reason', 'deprecation_notice', 'version_notes', 'change_summary'],
      ...['expected_success_rate', 'expected_a/b~c'],
    ]

    test.each(immutable)('%s cannot be changed', async (field) => {
      for (const value of ['x', null]) {
        const problem = expectProblem(
          await change(NOBODY, { status: 'active', [field]: value }),
          'immutable-field-violation',
        )
        const pointer = `/${field.replaceAll('~', '~0').replaceAll('/', '~1')}`
        expect(problem.errors).toEqual([{ pointer, detail: stays }])
        expect(problem.detail).toBe(`${pointer} ${stays}`)
      }
    })

    test('names all that is wrong at once, immutable fields first', async () => {
      const body = { colour: 'red', status: 'gone', version: '2.0.0', status_reason: 7, content: 'x' }
      const { errors } = expectProblem(await change(NOBODY, body), 'immutable-field-violation')
      expect(errors).toEqual([
        { pointer: '/version', detail: stays },
        { pointer: '/content', detail: stays },
        { pointer: '/status', detail: 'must be one of: active, disabled, deprecated, archived' },
        { pointer: '/status_reason', detail: 'must be a string' },
        { pointer: '/colour', detail: 'is not a known field' },
      ])
      const many = Object.fromEntries(Array.from({ length: 150 }, (_, n) => [`expected_${n}`, n]))
      const first = expectProblem(await change(NOBODY, many), 'immutable-field-violation')
      expect(first.errors).toHaveLength(100)
    })

    test.each([
      ['{}', '', 'must have status or status_reason'],
      ['[]', '', 'must be a JSON object'],
      ['null', '', 'must be a JSON object'],
      ['"active"', '', 'must be a JSON object'],
      ['{"status":', '', 'is not JSON in UTF-8'],
      ['{"status":null}', '/status', 'must be one of: active, disabled, deprecated, archived'],
      ['{"status":"Active"}', '/status', 'must be one of: active, disabled, deprecated, archived'],
      ['{"status":["active"]}', '/status', 'must be one of: active, disabled, deprecated, archived'],
      ['{"status_reason":7}', '/status_reason', 'must be a string'],
      ['{"status_reason":"a\\u0000"}', '/status_reason', 'contains a NUL character'],
      ['{"status_reason":"\\ud800"}', '/status_reason', 'contains half of a surrogate pair'],
      [
        JSON.stringify({ status_reason: 'x'.repeat(1_001) }),
        '/status_reason',
        'must have at most 1000 characters',
      ],
      [
        JSON.stringify({ status_reason: '🚀'.repeat(1_001) }),
        '/status_reason',
        'must have at most 1000 characters',
      ],
      ['{"colour":"red"}', '/colour', 'is not a known field'],
      ['{"Status":"active"}', '/Status', 'is not a known field'],
      ['{"constructor":1}', '/constructor', 'is not a known field'],
      ['{"__proto__":{"status":"active"}}', '/__proto__', "a field's name: is a name that is not allowed"],
      [`{"status_reason":${'['.repeat(5_000)}${']'.repeat(5_000)}}`, '', 'is nested deeper than 64 levels'],
      [`{"content":${'['.repeat(5_000)}${']'.repeat(5_000)}}`, '', 'is nested deeper than 64 levels'],
      [`{"labels":[${'0,'.repeat(20_000)}0]}`, '', 'has more than 10000 values'],
    ])('%#: refuses what is no change', async (body, pointer, detail) => {
      const { workflow_id } = await create()
      const before = await read(`${LIST}/${workflow_id}`)
      const { errors } = expectProblem(await change(workflow_id, body), 'validation-error')
      expect(errors).toEqual([{ pointer, detail }])
      expect((await read(`${LIST}/${workflow_id}`)).body).toEqual(before.body)
    })

    test('refuses an empty body, one that is no JSON by its type, and one that is too large', async () => {
      const { workflow_id } = await create()
      for (const headers of [{}, { 'content-type': 'application/json' }]) {
        const response = await fetch(`${service.url}${LIST}/${workflow_id}`, { method: 'PATCH', headers })
        const answer = { status: response.status, headers: response.headers, body: await response.json() }
        expect(expectProblem(answer, 'validation-error').errors).toEqual([
          { pointer: '', detail: 'is empty' },
        ])
      }
      expectProblem(
        await change(workflow_id, 'a=b', { 'content-type': 'text/plain' }),
        'unsupported-media-type',
      )
      const large = JSON.stringify({ status_reason: 'x'.repeat(512 * 1024) })
      expectProblem(await change(workflow_id, large), 'payload-too-large')
      expectProblem(
        await patch(`${service.url}${LIST}/${workflow_id}?x=1`, { status: 'active' }),
        'validation-error',
      )
    })
  })

  test.each([NOBODY, 'restart-pods', "'%20or%201=1--", '%E2%80%AE'])(
    '404: of %s, which is nobody',
    async (id) => {
      expectProblem(await change(id, { status: 'active' }), 'not-found')
    },
  )

  test('of many at once, one is left whole', async () => {
    const { workflow_id } = await create()
    const statuses = ['active', 'disabled', 'deprecated', 'archived']
    for (let round = 0; round < 5; round += 1) {
      const changes = Array.from({ length: 20 }, (_, n) => ({
        status: statuses[n % 4],
        status_reason: `${round}: ${statuses[n % 4]} ${n}`,
      }))
      const answers = await Promise.all(changes.map((body) => change(workflow_id, body)))
      expect(answers.map(({ body: { status, status_reason } }) => ({ status, status_reason }))).toEqual(
        changes,
      )
      const { status, status_reason } = (await read(`${LIST}/${workflow_id}`)).body
      expect(changes).toContainEqual({ status, status_reason })
    }
  })

  test('503: of a workflow that somebody holds, and nothing is changed', async () => {
    const { workflow_id } = await create()
    const holder = await service.owner.connect()
    try {
      await holder.query('begin')
      await holder.query('select from workflow where workflow_id = $1 for update', [workflow_id])
      const answer = await change(workflow_id, { status: 'archived' })
      expectProblem(answer, 'unavailable')
      expect(answer.headers.get('retry-after')).toMatch(/^\d+$/)
    } finally {
      await holder.query('rollback')
      holder.release()
    }
    expect((await read(`${LIST}/${workflow_id}`)).body.status).toBe('active')
  })

  test('500: that the database refuses, without a word of the driver', async () => {
    const world = await withService({ roles: ['ingress'] })
    const { workflow_id } = await create({}, world.url)
    const role = new URL(world.infrastructure.databaseUrl).username
    await world.owner.query(`revoke update (status, status_reason, updated_at) on workflow from ${role}`)
    const secret = `secret-${randomUUID()}`
    const answer = await patch(`${world.url}${LIST}/${workflow_id}`, { status_reason: secret })
    const problem = expectProblem(answer, 'internal-error')
    expect(JSON.stringify(problem)).not.toMatch(/permission|workflow_id|update|42501/)
    expect(world.logs.filter(({ level }) => level === 'error')).toMatchObject([{ err: { code: '42501' } }])
    expect(JSON.stringify(world.logs)).not.toContain(secret)
  })

  test('the role of the service cannot change anything else', async () => {
    const { workflow_id } = await create()
    const client = new pg.Client({ connectionString: service.infrastructure.databaseUrl })
    await client.connect()
    try {
      for (const field of FIELDS.filter(
        (field) => !['status', 'status_reason', 'updated_at'].includes(field),
      ))
        await expect(
          client.query(`update workflow set ${field} = ${field} where workflow_id = $1`, [workflow_id]),
        ).rejects.toMatchObject({ code: '42501' })
    } finally {
      await client.end()
    }
  })
})

test('a list of what is not active walks along an index of its own', async () => {
  const world = await withService({ roles: ['ingress'] })
  await world.owner.query(`
    insert into workflow (workflow_id, workflow_name, version, name, description, content, content_hash,
      execution_engine, labels, custom_labels, detected_labels, parameters, status, created_by_request,
      request_fingerprint)
    select gen_random_uuid(), n, '1.0.0', 'n', 'd', 'c', 'h', 'tekton', '{}', '{}', '{}', '{}',
      case n % 1000 when 0 then 'deprecated' else 'active' end::workflow_status, gen_random_uuid(), sha256('x')
    from generate_series(1, 20000) n`)
  await world.owner.query('analyze workflow')
  const statements = recordStatements()
  for (const [status, index] of [
    ['deprecated', 'ix_workflow_not_active'],
    ['archived', 'ix_workflow_not_active'],
    ['active', 'workflow_pkey'],
  ] as const) {
    const before = statements.sent().length
    expect((await get(`${world.url}${LIST}?status=${status}`)).status).toBe(200)
    const list = statements
      .sent()
      .slice(before)
      .find(({ text }) => text.includes('order by'))
    const { rows } = await world.owner.query(`explain ${list!.text}`, list!.values)
    expect(rows[0]['QUERY PLAN']).toMatch(/^Limit/)
    expect(rows[1]['QUERY PLAN']).toContain(`Scan Backward using ${index} on workflow`)
  }
})
