import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { type Answer, get, post } from '../support/http.ts'
import { type Issuer, startIssuer } from '../support/issuer.ts'
import { produce } from '../support/kafka.ts'
import { expectProblem } from '../support/problems.ts'
import { runTool } from '../support/tool.ts'
import { until } from '../support/until.ts'
import { aWorkflow } from '../support/workflows.ts'
import { makeWorld, startApp, type TestApp, type World } from '../support/world.ts'

const WORKFLOWS = '/api/v1/workflows'
const REQUESTS = '/api/v1/workflow-requests'

type Headers = Record<string, string>

let issuer: Issuer
let world: World
let app: TestApp
let alice: Headers
let bob: Headers
let operator: Headers

beforeAll(async () => {
  issuer = await startIssuer()
  world = await makeWorld()
  app = await startApp(world, { env: issuer.env })
  alice = await callerOf('alice')
  bob = await callerOf('bob')
  operator = await issuer.bearer('operator', 'workflows:read', 'workflows:operate')
})
afterAll(async () => {
  await app?.close()
  await world?.close()
  await issuer?.close()
})

/** A token for an hour, for tests that take long. */
async function callerOf(sub: string): Promise<Headers> {
  const exp = Math.floor(Date.now() / 1000) + 3_600
  return {
    authorization: `Bearer ${await issuer.token({ sub, exp, scope: 'workflows:read workflows:write' })}`,
  }
}

const create = (body: unknown, headers: Headers) => post(app.url + WORKFLOWS, body, headers)
const createMany = (workflows: unknown[], headers: Headers) =>
  post(`${app.url}${WORKFLOWS}/batch`, { workflows }, headers)
const accept = (body: unknown, headers: Headers) => post(app.url + REQUESTS, body, headers)
const statusOf = (id: string, headers: Headers) => get(`${app.url}${REQUESTS}/${id}`, headers)
const keyed = (caller: Headers, key: string): Headers => ({ ...caller, 'idempotency-key': key })

/** What the URL of a 202 says in the end to who may ask. */
function outcomeOf(accepted: Answer, headers: Headers) {
  return until('an outcome', async () => {
    const { status, body } = await get(app.url + accepted.headers.get('location'), headers)
    expect(status).toBe(200)
    return body.state !== 'pending' && body
  })
}

/** What an operator reads of a request, once it has ended. */
function ended(requestId: string) {
  return until(`the outcome of ${requestId}`, async () => {
    const { status, body } = await statusOf(requestId, operator)
    return status === 200 && body
  })
}

/** Whom the tables name for a request. */
async function recorded(requestId: string) {
  const { rows } = await world.owner.query(
    `select r.principal as request, w.principal as workflow from registration_request r
      left join workflow w on w.created_by_request = r.request_id where r.request_id = $1`,
    [requestId],
  )
  return rows[0]
}

/** A record as any producer sends it. */
function send(requestId: string, body: unknown, headers: Headers = {}) {
  return produce(world, [{ value: JSON.stringify(body), headers: { 'request-id': requestId, ...headers } }])
}

describe('the principal', () => {
  test('stands on what it asked for, at every door', async () => {
    const sync = await create(aWorkflow(), alice)
    expect(sync).toMatchObject({ status: 201, body: { principal: 'alice' } })
    const { body: batch } = await createMany([aWorkflow(), aWorkflow()], alice)
    expect(batch.results).toMatchObject([
      { state: 'created', workflow: { principal: 'alice' } },
      { state: 'created', workflow: { principal: 'alice' } },
    ])
    const accepted = await accept(aWorkflow(), alice)
    const { request_id, workflow_id } = await outcomeOf(accepted, alice)
    const raw = randomUUID()
    await send(raw, aWorkflow(), { principal: 'alice' })
    await ended(raw)

    for (const { created_by_request: id } of [
      sync.body,
      batch.results[0].workflow,
      batch.results[1].workflow,
    ])
      expect(await recorded(id)).toEqual({ request: 'alice', workflow: 'alice' })
    for (const id of [request_id, raw])
      expect(await recorded(id)).toEqual({ request: 'alice', workflow: 'alice' })
    const { body: workflow } = await get(`${app.url}${WORKFLOWS}/${workflow_id}`, bob)
    expect(workflow).toMatchObject({ principal: 'alice' })
    const { body: list } = await get(`${app.url}${WORKFLOWS}?workflow_name=${workflow.workflow_name}`, bob)
    expect(list.items).toMatchObject([{ principal: 'alice' }])
  })

  test('stands on a request that made nothing', async () => {
    const workflow = aWorkflow()
    await create(workflow, alice)
    const conflict = await create(workflow, bob)
    expectProblem(conflict, 'conflict')
    const id = conflict.body.instance.split('/').at(-1)
    expect(await recorded(id)).toEqual({ request: 'bob', workflow: null })
    const invalid = randomUUID()
    await send(invalid, {}, { principal: 'bob' })
    await ended(invalid)
    expect(await recorded(invalid)).toEqual({ request: 'bob', workflow: null })
  })

  test('is nobody where a record names none', async () => {
    const id = randomUUID()
    await send(id, aWorkflow())
    const { workflow_id } = await ended(id)
    expect(await recorded(id)).toEqual({ request: null, workflow: null })
    expect((await get(`${app.url}${WORKFLOWS}/${workflow_id}`, bob)).body).toMatchObject({ principal: null })
  })

  test.each(['', 'a\nb', 'x'.repeat(256)])(
    'that can name nobody (%j) makes nothing, and shows nothing of the request to anybody',
    async (principal) => {
      const id = randomUUID()
      await send(id, aWorkflow(), { principal })
      expect(await ended(id)).toMatchObject({
        state: 'rejected',
        workflow_name: null,
        version: null,
        problem: { errors: [{ pointer: '', detail: 'has a principal that can name nobody' }] },
      })
      expect(await recorded(id)).toEqual({ request: null, workflow: null })
    },
  )

  test('is not for the caller to say', async () => {
    const { status, body } = await create(aWorkflow({ principal: 'root' }), { ...alice, principal: 'root' })
    expect({ status, body }).toMatchObject({ status: 201, body: { principal: 'alice' } })
    const accepted = await accept(aWorkflow({ principal: 'root' }), { ...alice, principal: 'root' })
    const { request_id } = await outcomeOf(accepted, alice)
    expect(await recorded(request_id)).toEqual({ request: 'alice', workflow: 'alice' })
  })

  test('stays the first when a record comes again in the name of another', async () => {
    const id = randomUUID()
    const workflow = aWorkflow()
    await send(id, workflow, { principal: 'alice' })
    await ended(id)
    const later = randomUUID()
    await send(id, workflow, { principal: 'bob' })
    await produce(world, [
      { key: 'x', value: JSON.stringify(workflow), headers: { 'request-id': id, principal: 'bob' } },
      { key: 'x', value: JSON.stringify(aWorkflow()), headers: { 'request-id': later } },
    ])
    await ended(later)
    expect(await recorded(id)).toEqual({ request: 'alice', workflow: 'alice' })
    expectProblem(await statusOf(id, bob), 'not-found')
  })

  test('stays with a dead letter that is put back', async () => {
    const workflow = aWorkflow({ workflow_name: `refused-${randomUUID()}` })
    await world.owner.query(
      `alter table workflow add constraint refused check (workflow_name <> '${workflow.workflow_name}')`,
    )
    const id = randomUUID()
    await send(id, workflow, { principal: 'alice' })
    expect(await ended(id)).toMatchObject({ state: 'failed' })
    expect(await recorded(id)).toEqual({ request: 'alice', workflow: null })
    await world.owner.query('alter table workflow drop constraint refused')
    expect(await runTool('dlq', world, 'redrive', '--id', id)).toMatchObject({ code: 0 })
    const row = await until('the new request', async () => {
      const { rows } = await world.owner.query('select principal from workflow where workflow_name = $1', [
        workflow.workflow_name,
      ])
      return rows[0]
    })
    expect(row).toEqual({ principal: 'alice' })
  })
})

describe('an idempotency key', () => {
  test('is one for each principal', async () => {
    const key = randomUUID()
    const workflow = aWorkflow()
    const first = await create(workflow, keyed(alice, key))
    expect(first.status).toBe(201)
    const bobs = await create(workflow, keyed(bob, key))
    expectProblem(bobs, 'conflict')
    expect(bobs.headers.get('idempotent-replayed')).toBeNull()
    const another = await create(aWorkflow(), keyed(await callerOf('carol'), key))
    expect(another.status).toBe(201)

    const again = await create(workflow, keyed(alice, key))
    expect(again.headers.get('idempotent-replayed')).toBe('true')
    expect(again).toMatchObject({ status: 201, body: first.body })
    expectProblem(await create(aWorkflow(), keyed(alice, key)), 'idempotency-key-reused')
  })

  test('is one for each principal behind the 202 too, and the same at whichever door', async () => {
    const key = randomUUID()
    const workflow = aWorkflow()
    const first = await create(workflow, keyed(alice, key))
    const wait = { prefer: 'wait=30' }
    const replayed = await accept(workflow, { ...keyed(alice, key), ...wait })
    expect(replayed.headers.get('idempotent-replayed')).toBe('true')
    expect(replayed).toMatchObject({ status: 201, body: first.body })
    expectProblem(await accept(workflow, { ...keyed(bob, key), ...wait }), 'conflict')
  })

  test('is one for each principal and place in a batch', async () => {
    const key = randomUUID()
    const workflows = [aWorkflow(), aWorkflow()]
    const states = async (caller: Headers) => {
      const { body } = await createMany(workflows, keyed(caller, key))
      return body.results.map(({ state }: { state: string }) => state)
    }
    expect(await states(alice)).toEqual(['created', 'created'])
    expect(await states(bob)).toEqual(['conflict', 'conflict'])
    expect(await states(alice)).toEqual(['created', 'created'])
    expect(await states(await callerOf('batch/0'))).toEqual(['conflict', 'conflict'])
  })
})

describe('the status of a request', () => {
  test('is for its principal and for operators; for others there is none', async () => {
    const accepted = await accept(aWorkflow(), alice)
    const document = await outcomeOf(accepted, alice)
    const location = app.url + accepted.headers.get('location')
    const bare = location.replace(/\?.*/, '')
    for (const url of [location, bare]) {
      expect(await get(url, alice)).toMatchObject({ status: 200, body: document })
      expect(await get(url, operator)).toMatchObject({ status: 200, body: document })
      for (const headers of [bob, { ...bob, prefer: 'wait=30' }])
        expectProblem(await get(url, headers), 'not-found')
    }
    const { body: others } = await get(bare, bob)
    const { body: none } = await statusOf(randomUUID(), bob)
    expect(others).toEqual(none)
  })

  test('is for operators alone where it is a list', async () => {
    await create(aWorkflow(), alice)
    expectProblem(await get(app.url + REQUESTS, alice), 'forbidden')
    const { status, body } = await get(app.url + REQUESTS, operator)
    expect({ status, isEmpty: body.items.length === 0 }).toEqual({ status: 200, isEmpty: false })
  })

  test('of nobody is for everybody who may read', async () => {
    const id = randomUUID()
    await send(id, aWorkflow())
    const document = await ended(id)
    for (const caller of [alice, bob])
      expect(await statusOf(id, caller)).toMatchObject({ status: 200, body: document })
  })

  test('that is no longer kept is gone for its principal, and for others there is none', async () => {
    const accepted = await accept(aWorkflow(), alice)
    const { request_id } = await outcomeOf(accepted, alice)
    await world.owner.query('delete from registration_request where request_id = $1', [request_id])
    for (const url of [REQUESTS.concat('/', request_id), accepted.headers.get('location')]) {
      expectProblem(await get(app.url + url, alice), 'gone')
      expectProblem(await get(app.url + url, bob), 'not-found')
    }
  })

  test('is not told through a conflict: that names the workflow, which is for all', async () => {
    const workflow = aWorkflow()
    const { body: made } = await create(workflow, alice)
    const { existing } = expectProblem(await create(workflow, bob), 'conflict')
    expect(existing.workflow_id).toBe(made.workflow_id)
    expectProblem(await statusOf(made.created_by_request, bob), 'not-found')
  })
})

test('a request that waits is told of to its principal alone', async () => {
  const waiting = await makeWorld()
  onTestFinished(() => waiting.close())
  const ingress = await startApp(waiting, { roles: ['ingress'], env: issuer.env })
  onTestFinished(() => ingress.close())
  const accepted = await post(ingress.url + REQUESTS, aWorkflow(), alice)
  expect(accepted.status).toBe(202)
  const location = ingress.url + accepted.headers.get('location')
  for (const caller of [alice, operator])
    expect(await get(location, caller)).toMatchObject({ status: 200, body: { state: 'pending' } })
  for (const headers of [bob, { ...bob, prefer: 'wait=30' }])
    expectProblem(await get(location, headers), 'not-found')
  // By its bare id it is as any other id, while anything waits.
  const bare = await get(location.replace(/\?.*/, ''), bob)
  expectProblem(bare, 'unavailable')
  expect(bare.body).toEqual((await get(`${ingress.url}${REQUESTS}/${randomUUID()}`, bob)).body)
})
