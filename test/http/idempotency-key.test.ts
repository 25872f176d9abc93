import { randomUUID } from 'node:crypto'
import { describe, expect, onTestFinished, test } from 'vitest'
import { LIMITS } from '../../src/domain/limits.ts'
import { ingressBehindProxy } from '../support/behind-proxy.ts'
import { type Answer, get, post } from '../support/http.ts'
import { listen } from '../support/kafka.ts'
import { countRecords } from '../support/log-ends.ts'
import { expectProblem } from '../support/problems.ts'
import { raw } from '../support/raw-http.ts'
import { sharedService } from '../support/shared-service.ts'
import { until } from '../support/until.ts'
import { aWorkflow } from '../support/workflows.ts'
import { makeWorld, startApp } from '../support/world.ts'

const service = sharedService()

const keyed = (key: string | undefined): Record<string, string> =>
  key === undefined ? {} : { 'idempotency-key': key }
const create = (body: unknown, key?: string, url = service.url) =>
  post(`${url}/api/v1/workflows`, body, keyed(key))
const accept = (body: unknown, key: string, url = service.url) =>
  post(`${url}/api/v1/workflow-requests`, body, keyed(key))

/** How the request of a 202 ended. */
function outcomeOf(accepted: Answer) {
  expect(accepted.status).toBe(202)
  return until('an outcome', async () => {
    const { status, body } = await get(`${service.url}${accepted.headers.get('location')}`)
    expect(status).toBe(200)
    return body.state !== 'pending' && body
  })
}

async function workflowsNamed(...bodies: Record<string, unknown>[]): Promise<number> {
  const { rows } = await service.owner.query(
    'select count(*)::int as rows from workflow where workflow_name = any($1)',
    [bodies.map(({ workflow_name }) => workflow_name)],
  )
  return rows[0].rows
}

test('the same key and body is created again, in the same words, and says that it is a replay', async () => {
  const body = aWorkflow()
  const key = randomUUID()
  const first = await create(body, key)
  expect(first.status).toBe(201)
  expect(first.headers.has('idempotent-replayed')).toBe(false)
  for (const same of [body, { ...body, status: 'active', owner: null }]) {
    const again = await create(same, key)
    expect(again.status).toBe(201)
    expect(again.body).toEqual(first.body)
    expect(again.headers.get('location')).toBe(first.headers.get('location'))
    expect(again.headers.get('idempotent-replayed')).toBe('true')
  }
  expect(await workflowsNamed(body)).toBe(1)
})

test('the same key and body conflicts again, with the same problem', async () => {
  const body = aWorkflow()
  await create(body)
  const key = randomUUID()
  const first = await create(body, key)
  const again = await create(body, key)
  expect(expectProblem(again, 'conflict')).toEqual(expectProblem(first, 'conflict'))
  expect(first.headers.has('idempotent-replayed')).toBe(false)
  expect(again.headers.get('idempotent-replayed')).toBe('true')
})

test('a key with another body is 422, makes no workflow, and says the same when it comes again', async () => {
  const body = aWorkflow()
  const other = aWorkflow()
  const key = randomUUID()
  const first = await create(body, key)
  const refused = await create(other, key)
  const problem = expectProblem(refused, 'idempotency-key-reused')
  expect(problem.detail).toMatch(/idempotency key/)
  expect(refused.headers.has('idempotent-replayed')).toBe(false)
  const again = await create(other, key)
  expect(expectProblem(again, 'idempotency-key-reused')).toEqual(problem)
  expect(again.headers.get('idempotent-replayed')).toBe('true')
  expect(await workflowsNamed(body, other)).toBe(1)

  const status = await get(`${service.url}${problem.instance}`)
  expect(status.body).toMatchObject({ state: 'rejected', problem })
  expect((await create(body, key)).body).toEqual(first.body)
  expect((await create(other, randomUUID())).status).toBe(201)
})

test('a key with another body is 422 also where that body asks for the same name and version', async () => {
  const body = aWorkflow()
  const key = randomUUID()
  expect((await create(body, key)).status).toBe(201)
  expectProblem(await create({ ...body, description: 'other' }, key), 'idempotency-key-reused')
  expect(await workflowsNamed(body)).toBe(1)
})

test('a key is taken by a conflict as well as by a create', async () => {
  const taken = aWorkflow()
  await create(taken)
  const key = randomUUID()
  const other = aWorkflow()
  expectProblem(await create(taken, key), 'conflict')
  expectProblem(await create(other, key), 'idempotency-key-reused')
  expect(await workflowsNamed(other)).toBe(0)
})

test('a key is not taken by a body that is not valid', async () => {
  const key = randomUUID()
  expectProblem(await create(aWorkflow({ version: 'v1' }), key), 'validation-error')
  expect((await create(aWorkflow(), key)).status).toBe(201)
})

test('two keys with one body are two requests: created and conflict', async () => {
  const body = aWorkflow()
  expect((await create(body, randomUUID())).status).toBe(201)
  expect(expectProblem(await create(body, randomUUID()), 'conflict').content).toBe('identical')
})

test('of many at once with one key and body, one has an effect and all are answered with it', async () => {
  for (let round = 0; round < 5; round += 1) {
    const body = aWorkflow()
    const key = randomUUID()
    const answers = await Promise.all(Array.from({ length: 2 + round * 2 }, () => create(body, key)))
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 201))
    expect(new Set(answers.map((answer) => answer.body.workflow_id)).size).toBe(1)
    const fresh = answers.filter(({ headers }) => !headers.has('idempotent-replayed'))
    expect(fresh).toHaveLength(1)
    expect(await workflowsNamed(body)).toBe(1)
  }
})

test('of two at once with one key and other bodies, one is created and one is 422', async () => {
  for (let round = 0; round < 5; round += 1) {
    const bodies = [aWorkflow(), aWorkflow()]
    const key = randomUUID()
    const answers = await Promise.all(bodies.map((body) => create(body, key)))
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 422])
    expect(await workflowsNamed(...bodies)).toBe(1)
  }
})

test('a key means the same quoted and bare', async () => {
  const body = aWorkflow()
  const key = randomUUID()
  const first = await create(body, key)
  const again = await create(body, `"${key}"`)
  expect(again).toMatchObject({ status: 201, body: first.body })
  expect(again.headers.get('idempotent-replayed')).toBe('true')

  const spaced = aWorkflow()
  const quoted = `"a \\"key\\" of ${randomUUID()}"`
  expect((await create(spaced, quoted)).status).toBe(201)
  expect((await create(spaced, quoted)).headers.get('idempotent-replayed')).toBe('true')
})

test.each([
  ['empty', ''],
  ['empty in quotes', '""'],
  ['of two words without quotes', 'one two'],
  ['without its second quote', '"one'],
  ['with words after the quotes', '"one" two'],
  ['a list', '"one", "two"'],
  ['of 256 characters', 'x'.repeat(256)],
  ['of 256 characters in quotes', `"${'x'.repeat(256)}"`],
  ['with letters that are not ASCII', 'clé'],
  ['with such letters in quotes', '"clé"'],
  ['with a tab in quotes', '"one\ttwo"'],
  ['with a parameter', '"one";two=3'],
  ['an escape that does not exist', '"one\\two"'],
])('400 at each door: a key that is %s', async (_what, key) => {
  const body = aWorkflow()
  const sent = await countRecords(service, service.env.REQUEST_TOPIC!)
  for (const send of [create, accept]) {
    const problem = expectProblem(await send(body, key), 'validation-error')
    expect(problem.detail).toMatch(/Idempotency-Key/)
    expect(problem.errors).toEqual([{ pointer: '', detail: 'the header Idempotency-Key cannot be read' }])
  }
  expect(await workflowsNamed(body)).toBe(0)
  expect(await countRecords(service, service.env.REQUEST_TOPIC!)).toBe(sent)
})

test.each([
  ['two keys', 'one', 'two'],
  ['one key twice', 'one', 'one'],
  ['one key twice, in quotes', '"one"', '"one"'],
  ['a key and nothing', 'one', ''],
])('400: %s at once', async (_what, one, other) => {
  const body = aWorkflow()
  const text = JSON.stringify(body)
  const answer = await raw(
    service.url,
    `POST /api/v1/workflows HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-type: application/json\r\n` +
      `content-length: ${text.length}\r\nidempotency-key: ${one}\r\nidempotency-key: ${other}\r\n\r\n${text}`,
  )
  expectProblem(answer, 'validation-error')
  expect(await workflowsNamed(body)).toBe(0)
})

test('201: a key of 255 characters', async () => {
  const key = randomUUID().padEnd(255, 'x')
  const body = aWorkflow()
  expect((await create(body, key)).status).toBe(201)
  expect((await create(body, `"${key}"`)).headers.get('idempotent-replayed')).toBe('true')
})

describe('at the asynchronous door', () => {
  test('two at once with one key and body are one request with one effect, and both are answered', async () => {
    for (let round = 0; round < 3; round += 1) {
      const [body, key] = [aWorkflow(), randomUUID()]
      const accepted = await Promise.all([accept(body, key), accept(body, key)])
      expect(accepted[1]!.body.request_id).toBe(accepted[0]!.body.request_id)
      const [one, other] = await Promise.all(accepted.map(outcomeOf))
      expect(one.state).toBe('created')
      expect(other).toEqual(one)
      expect(await workflowsNamed(body)).toBe(1)
    }
  })

  test('a key with another body is a 202 of its own, and rejected in its status and in its reply', async () => {
    const replies = await listen(service, service.env.REPLY_TOPIC!)
    onTestFinished(() => replies.close())
    const [body, other, key] = [aWorkflow(), aWorkflow(), randomUUID()]
    const first = await accept(body, key)
    const created = await outcomeOf(first)
    expect(created.state).toBe('created')

    const second = await accept(other, key)
    expect(second.body.request_id).not.toBe(first.body.request_id)
    const rejected = await outcomeOf(second)
    expect(rejected).toMatchObject({ state: 'rejected', problem: { status: 422, retryable: false } })
    expect(rejected.problem.type).toMatch(/\/problems\/idempotency-key-reused$/)
    const replyTo = (requestId: string) =>
      until('a reply', () =>
        replies.records
          .map(({ value }) => JSON.parse(String(value)))
          .find((data) => data.request_id === requestId),
      )
    expect(await replyTo(rejected.request_id)).toEqual(rejected)
    expect(await replyTo(created.request_id)).toEqual(created)
    expect(await outcomeOf(first)).toEqual(created)
    expect(await workflowsNamed(body, other)).toBe(1)
  })
})

test('one at each door at once with one key and body has one effect, and both are answered with it', async () => {
  for (let round = 0; round < 5; round += 1) {
    const [body, key] = [aWorkflow(), randomUUID()]
    const [now, later] = await Promise.all([create(body, key), accept(body, key)])
    expect(now.status).toBe(201)
    expect(later.body.request_id).toBe(now.body.created_by_request)
    expect(await outcomeOf(later)).toMatchObject({ state: 'created', workflow_id: now.body.workflow_id })
    expect(await workflowsNamed(body)).toBe(1)
  }
})

test('one at each door at once with one key and other bodies: one is created, the other is rejected', async () => {
  for (let round = 0; round < 5; round += 1) {
    const bodies = [aWorkflow(), aWorkflow()]
    const key = randomUUID()
    const [now, later] = await Promise.all([create(bodies[0], key), accept(bodies[1], key)])
    const { state } = await outcomeOf(later)
    expect([now.status, state]).toEqual(state === 'created' ? [422, 'created'] : [201, 'rejected'])
    expect(await workflowsNamed(...bodies)).toBe(1)
  }
})

describe('what is no outcome is not stored: the key stays free', () => {
  const requests = async () => {
    const { rows } = await service.owner.query('select count(*)::int as rows from registration_request')
    return rows[0].rows
  }
  const role = () => new URL(service.infrastructure.databaseUrl).username

  /** Sends a request that ends as `slug`, and then a good one with the same key. */
  async function expectNotStored(
    slug: Parameters<typeof expectProblem>[1],
    body: unknown,
    mend = async () => {},
  ) {
    const before = await requests()
    const key = randomUUID()
    const answer = await create(body, key)
    const problem = expectProblem(answer, slug)
    expect(await requests()).toBe(before)
    await mend()
    const after = await create(aWorkflow(), key)
    expect(after.status).toBe(201)
    expect(after.headers.has('idempotent-replayed')).toBe(false)
    return problem
  }

  test('a 400', async () => {
    await expectNotStored('validation-error', aWorkflow({ version: 'v1' }))
    await expectNotStored('validation-error', '{')
  })

  test('a 413', async () => {
    await expectNotStored('payload-too-large', aWorkflow({ content: 'x'.repeat(LIMITS.bytes) }))
  })

  test('a 503, which tells the request', async () => {
    const holder = await service.owner.connect()
    const release = async () => {
      await holder.query('rollback')
      holder.release()
    }
    await holder.query('begin; lock table workflow in exclusive mode')
    const problem = await expectNotStored('unavailable', aWorkflow(), release)
    expect(problem.instance).toBe(`/api/v1/workflow-requests/${problem.request_id}`)
  })

  test('a 500 that is systemic, which tells the request', async () => {
    await service.owner.query(`revoke insert on workflow from ${role()}`)
    const grant = async () => void (await service.owner.query(`grant insert on workflow to ${role()}`))
    const problem = await expectNotStored('internal-error', aWorkflow(), grant)
    expect(problem.instance).toBe(`/api/v1/workflow-requests/${problem.request_id}`)
  })
})

test('a 500 that is failed is stored and final, though its cause is gone', async () => {
  const [body, key] = [aWorkflow({ owner: 'victim' }), randomUUID()]
  await service.owner.query(`alter table workflow add constraint not_mine check (owner <> 'victim')`)
  const first = await create(body, key).finally(() =>
    service.owner.query('alter table workflow drop constraint not_mine'),
  )
  const problem = expectProblem(first, 'internal-error')
  expect(first.headers.has('idempotent-replayed')).toBe(false)
  const again = await create(body, key)
  expect(expectProblem(again, 'internal-error')).toEqual(problem)
  expect(again.headers.get('idempotent-replayed')).toBe('true')
  expect(await outcomeOf(await accept(body, key))).toMatchObject({ state: 'failed', problem })
  expectProblem(await create(aWorkflow(), key), 'idempotency-key-reused')
  expect(await workflowsNamed(body)).toBe(0)
})

describe('a key is known', () => {
  test('after a restart', async () => {
    const world = await makeWorld()
    onTestFinished(() => world.close())
    const bodies = [aWorkflow(), aWorkflow()]
    const key = randomUUID()
    const before = await startApp(world, { roles: ['ingress'] })
    const first = await create(bodies[0], key, before.url).finally(() => before.close())
    expect(first.status).toBe(201)

    const after = await startApp(world, { roles: ['ingress'] })
    onTestFinished(() => after.close())
    const again = await create(bodies[0], key, after.url)
    expect(again).toMatchObject({ status: 201, body: first.body })
    expect(again.headers.get('idempotent-replayed')).toBe('true')
    expectProblem(await create(bodies[1], key, after.url), 'idempotency-key-reused')
  })

  test('to every instance, also when they are asked at once', async () => {
    const other = await startApp(service, { roles: ['ingress'] })
    onTestFinished(() => other.close())
    for (let round = 0; round < 5; round += 1) {
      const [body, key] = [aWorkflow(), randomUUID()]
      const answers = await Promise.all(
        [service.url, other.url, service.url, other.url].map((url) => create(body, key, url)),
      )
      expect(answers.map(({ status }) => status)).toEqual([201, 201, 201, 201])
      expect(new Set(answers.map((answer) => answer.body.workflow_id)).size).toBe(1)
      expect(answers.filter(({ headers }) => !headers.has('idempotent-replayed'))).toHaveLength(1)
      expectProblem(await create(aWorkflow(), key, other.url), 'idempotency-key-reused')
      expect(await workflowsNamed(body)).toBe(1)
    }
  })
})

test('a 503 whose request was carried out all the same tells its id, in its log line its name too, and a retry finds its outcome', async () => {
  const { world, proxy, app } = await ingressBehindProxy()
  const [body, key] = [aWorkflow(), randomUUID()]
  const carriedOut = proxy.withholdAnswer('insert into workflow')
  const answered = create(body, key, app.url)
  await carriedOut
  await proxy.refuse()
  const problem = expectProblem(await answered, 'unavailable')
  const { rows } = await world.owner.query('select created_by_request from workflow')
  expect(rows).toEqual([{ created_by_request: problem.request_id }])
  expect(problem.instance).toBe(`/api/v1/workflow-requests/${problem.request_id}`)
  const { workflow_name, version } = body
  expect(app.logs.filter(({ status }) => status === 503)).toMatchObject([
    { level: 'warn', request_id: problem.request_id, door: 'sync', workflow_name, version },
  ])

  await proxy.open()
  expect((await get(`${app.url}${problem.instance}`)).body.state).toBe('created')
  const again = await create(body, key, app.url)
  expect(again).toMatchObject({ status: 201, body: { created_by_request: problem.request_id } })
  expect(again.headers.get('idempotent-replayed')).toBe('true')
})
