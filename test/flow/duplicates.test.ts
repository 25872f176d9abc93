import { randomUUID } from 'node:crypto'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type Answer, get, post } from '../support/http.ts'
import { produce } from '../support/kafka.ts'
import { expectProblem } from '../support/problems.ts'
import { startProcess } from '../support/process.ts'
import { sharedService } from '../support/shared-service.ts'
import { until } from '../support/until.ts'
import { aWorkflow } from '../support/workflows.ts'
import { makeWorld } from '../support/world.ts'

describe('at the synchronous door', () => {
  const service = sharedService({ roles: ['ingress'] })
  const create = (body: unknown, headers?: Record<string, string>) =>
    post(`${service.url}/api/v1/workflows`, body, headers)

  async function rowsOf({ workflow_name }: Record<string, unknown>): Promise<number> {
    const { rows } = await service.owner.query(
      'select count(*)::int as rows from workflow where workflow_name = $1',
      [workflow_name],
    )
    return rows[0].rows
  }

  test('the first create is 201 with the stored row, and its Location gives the same', async () => {
    const body = aWorkflow()
    const first = await create(body)
    expect(first.status).toBe(201)
    expect(first.headers.get('content-type')).toMatch(/^application\/json(;|$)/)
    expect(first.headers.get('location')).toBe(`/api/v1/workflows/${first.body.workflow_id}`)
    expect(first.body).toMatchObject({ ...body, status: 'active', status_reason: null })

    const stored = await get(`${service.url}${first.headers.get('location')}`)
    expect(stored.status).toBe(200)
    expect(stored.body).toEqual(first.body)
    const { rows } = await service.owner.query('select * from workflow where workflow_id = $1', [
      first.body.workflow_id,
    ])
    expect(rows).toMatchObject([{ ...body, content_hash: first.body.content_hash }])
  })

  test('the same create again is a 409 that keeps to the words which clients match on, and adds no row', async () => {
    const body = aWorkflow({ version: '2.0.0-rc.1+build.7' })
    const first = await create(body)
    const again = await create(body)
    const problem = expectProblem(again, 'conflict')
    expect(problem).toEqual({
      type: expect.stringContaining('conflict'),
      title: 'Workflow Already Exists',
      status: 409,
      detail: `Workflow '${body.workflow_name}' version '2.0.0-rc.1+build.7' already exists`,
      instance: expect.stringMatching(/^\/api\/v1\/workflow-requests\/[0-9a-f-]{36}$/),
      retryable: false,
      content: 'identical',
      existing: {
        workflow_id: first.body.workflow_id,
        content_hash: first.body.content_hash,
        created_at: first.body.created_at,
        href: first.headers.get('location'),
      },
    })
    expect(await rowsOf(body)).toBe(1)
    const status = await get(`${service.url}${problem.instance}`)
    expect(status.body).toMatchObject({ state: 'conflict', problem })
  })

  test('a conflict tells the same request, however it is written, from one that asks for anything else', async () => {
    const body = aWorkflow()
    const { body: row } = await create(body)
    for (const same of [
      Object.fromEntries(Object.entries(body).reverse()),
      { ...body, status: 'active', parameters: {}, owner: null, content_hash: row.content_hash },
      row,
    ])
      expect(expectProblem(await create(same), 'conflict').content).toBe('identical')
    for (const other of [
      { content: 'other' },
      { description: 'other' },
      { owner: 'somebody' },
      { labels: {} },
    ]) {
      const problem = expectProblem(await create({ ...body, ...other }), 'conflict')
      expect(problem).toMatchObject({ content: 'different', existing: { workflow_id: row.workflow_id } })
    }
    expect((await get(`${service.url}/api/v1/workflows/${row.workflow_id}`)).body).toEqual(row)
  })

  test('another version of the same name is created', async () => {
    const body = aWorkflow()
    const first = await create(body)
    const second = await create({ ...body, version: '1.0.1' })
    expect([first.status, second.status]).toEqual([201, 201])
    expect(second.body.workflow_id).not.toBe(first.body.workflow_id)
    expect(await rowsOf(body)).toBe(2)
  })

  test('of twenty at once for one name and version, one is created and nineteen conflict', async () => {
    const body = aWorkflow()
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, n) => create({ ...body, description: `try ${n}` })),
    )
    const [created, ...more] = answers.filter(({ status }) => status === 201)
    expect(more).toEqual([])
    const lost = answers.filter(({ status }) => status !== 201)
    expect(lost).toHaveLength(19)
    for (const answer of lost)
      expect(expectProblem(answer, 'conflict')).toMatchObject({
        content: 'different',
        existing: { workflow_id: created!.body.workflow_id },
      })
    expect(await rowsOf(body)).toBe(1)
  })

  describe('another refusal of the database', () => {
    /** Changes the database for one test only. */
    async function alter(change: string, undo: string) {
      await service.owner.query(change)
      onTestFinished(async () => void (await service.owner.query(undo)))
    }

    async function expectFailed(answer: Answer) {
      const problem = expectProblem(answer, 'internal-error')
      expect(problem.detail).toMatch(/not a duplicate/)
      const status = await get(`${service.url}${problem.instance}`)
      expect(status.body).toMatchObject({ state: 'failed', problem })
      return problem
    }

    test('a missing privilege is a 500 that stores nothing, and with it back the same create works', async () => {
      const role = new URL(service.infrastructure.databaseUrl).username
      const canary = `canary-${randomUUID()}`
      const body = aWorkflow({ content: canary, labels: { [canary]: canary } })
      const headers = { 'idempotency-key': randomUUID() }
      await alter(`revoke insert on workflow from ${role}`, `grant insert on workflow to ${role}`)
      const problem = expectProblem(await create(body, headers), 'internal-error')
      expect(service.logs.filter((line) => line.request_id === problem.request_id)).toMatchObject([
        { level: 'error', err: { code: '42501' } },
      ])
      expect(service.logs.filter((line) => JSON.stringify(line).includes(canary))).toEqual([])
      expectProblem(await get(`${service.url}${problem.instance}`), 'not-found')
      expect(await rowsOf(body)).toBe(0)

      await service.owner.query(`grant insert on workflow to ${role}`)
      const after = await create(body, headers)
      expect(after.status).toBe(201)
      expect(after.headers.has('idempotent-replayed')).toBe(false)
    })

    test('a missing privilege is a 500 for a duplicate too, and never a 409', async () => {
      const role = new URL(service.infrastructure.databaseUrl).username
      const body = aWorkflow()
      await create(body)
      await alter(`revoke insert on workflow from ${role}`, `grant insert on workflow to ${role}`)
      for (const answer of await Promise.all([create(body), create(body), create(body)]))
        expectProblem(answer, 'internal-error')
    })

    test('a broken CHECK constraint is a 500, stored as failed, and its payload is in no log line', async () => {
      await alter(
        `alter table workflow add constraint no_marks check (description <> 'marked')`,
        'alter table workflow drop constraint no_marks',
      )
      const canary = `canary-${randomUUID()}`
      const body = aWorkflow({ description: 'marked', content: canary, labels: { [canary]: canary } })
      const problem = await expectFailed(await create(body))
      expect(await rowsOf(body)).toBe(0)
      const requestId = problem.instance.split('/').at(-1)
      expect(service.logs.filter((line) => line.request_id === requestId)).toMatchObject([
        { level: 'error', door: 'sync', outcome: 'failed' },
      ])
      expect(service.logs.filter((line) => JSON.stringify(line).includes(canary))).toEqual([])
    })

    test('a broken constraint is a 500 for its own request only, when many are under way', async () => {
      await alter(
        `alter table workflow add constraint no_marks check (description <> 'marked')`,
        'alter table workflow drop constraint no_marks',
      )
      const bodies = Array.from({ length: 12 }, (_, n) =>
        aWorkflow({ description: n % 4 === 0 ? 'marked' : 'plain' }),
      )
      const answers = await Promise.all(bodies.map((body) => create(body)))
      for (const [n, answer] of answers.entries())
        if (n % 4 === 0) await expectFailed(answer)
        else expect(answer.status).toBe(201)
    })

    test('a unique key that is not the one of name and version is a 500, not a 409', async () => {
      await alter(
        'alter table workflow add constraint uq_owner unique (owner)',
        'alter table workflow drop constraint uq_owner',
      )
      const owner = randomUUID()
      expect((await create(aWorkflow({ owner }))).status).toBe(201)
      const body = aWorkflow({ owner })
      await expectFailed(await create(body))
      expect(await rowsOf(body)).toBe(0)

      const others = Array.from({ length: 6 }, () => aWorkflow({ owner: `other-${owner}` }))
      const answers = await Promise.all(others.map((other) => create(other)))
      expect(answers.map(({ status }) => status).sort()).toEqual([201, 500, 500, 500, 500, 500])
      for (const answer of answers.filter(({ status }) => status === 500)) await expectFailed(answer)
    })
  })
})

test('a duplicate is one INFO line at each door, with no ERROR line and no payload in the whole output', async () => {
  const world = await makeWorld()
  onTestFinished(() => world.close())
  const service = await startProcess('all-in-one', world, { LOG_LEVEL: 'trace' })
  const canary = `canary-${randomUUID()}`
  const body = aWorkflow({
    name: canary,
    content: canary,
    description: canary,
    labels: { [canary]: canary },
    parameters: [canary],
    owner: canary,
  })
  expect((await post(`${service.url}/api/v1/workflows`, body)).status).toBe(201)

  const ofRequest = (href: string) => href.replace(/^.*\/|\?.*$/g, '')
  const sync = [
    await post(`${service.url}/api/v1/workflows`, body),
    await post(`${service.url}/api/v1/workflows`, { ...body, content: `other ${canary}` }),
  ].map((answer) => ofRequest(expectProblem(answer, 'conflict').instance))
  const accepted = await post(`${service.url}/api/v1/workflow-requests`, body)
  expect(accepted.status).toBe(202)
  const rawId = randomUUID()
  await produce(world, [{ value: JSON.stringify(body), headers: { 'request-id': rawId } }])
  const async = [accepted.body.request_id, rawId]
  for (const id of async)
    await until(`the outcome of ${id}`, async () => {
      const { body: document } = await get(`${service.url}/api/v1/workflow-requests/${id}`)
      return document.state === 'conflict'
    })
  service.kill('SIGTERM')
  expect(await service.exited).toEqual({ code: 0, signal: null })

  const logged = service.lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line))
  expect(service.stderr).toEqual([])
  expect(logged.filter(({ level }) => !['trace', 'debug', 'info', 'warn'].includes(level))).toEqual([])
  const duplicates = [
    ...sync.map((request_id) => ({ request_id, door: 'sync' })),
    ...async.map((request_id) => ({ request_id, door: 'async' })),
  ]
  for (const { request_id, door } of duplicates) {
    const { workflow_name, version } = body
    const lines = logged.filter((line) => JSON.stringify(line).includes(request_id))
    expect(lines).toMatchObject([
      { level: 'info', request_id, door, outcome: 'conflict', workflow_name, version },
    ])
  }
  expect(logged.filter(({ outcome }) => outcome === 'conflict')).toHaveLength(duplicates.length)
  const { password } = new URL(world.infrastructure.databaseUrl)
  expect(service.lines.filter((line) => line.includes(canary) || line.includes(password))).toEqual([])
})
