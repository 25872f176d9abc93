import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { LIMITS } from '../../src/domain/limits.ts'
import { ingressBehindProxy } from '../support/behind-proxy.ts'
import { type Answer, get, post } from '../support/http.ts'
import { scrape, valueIn } from '../support/metrics.ts'
import { expectProblem, expectProblemShape } from '../support/problems.ts'
import { sharedService } from '../support/shared-service.ts'
import { aWorkflow } from '../support/workflows.ts'

const MAX_BYTES = 8 * 1024 * 1024

const NO_FRAME = 'must be an object with the list `workflows`'

const service = sharedService({ roles: ['ingress'] })

const create = (body: unknown) => post(`${service.url}/api/v1/workflows`, body)
const createAll = (workflows: unknown[], key?: string, url = service.url) =>
  post(`${url}/api/v1/workflows/batch`, { workflows }, key === undefined ? {} : { 'idempotency-key': key })
/** A body with these JSON texts as its items. */
const createTexts = (...items: string[]) =>
  post(`${service.url}/api/v1/workflows/batch`, `{"workflows":[${items.join(',')}]}`)

interface Result {
  index: number
  request_id: string | null
  status: number
  state: string | null
  workflow?: Record<string, unknown>
  problem?: Record<string, unknown>
}

/** The results of a batch, each of which must be whole in itself. */
function resultsOf({ status, body }: Answer): Result[] {
  expect(status).toBe(200)
  expect(Object.keys(body)).toEqual(['results'])
  for (const [index, result] of body.results.entries()) {
    expect(result.index).toBe(index)
    if (result.problem) {
      expectProblemShape(result.problem)
      expect(result.problem.status).toBe(result.status)
    } else expect(result).toMatchObject({ status: 201, state: 'created', workflow: expect.anything() })
  }
  return body.results
}

const statusesOf = (answer: Answer) => resultsOf(answer).map(({ status }) => status)

async function traces() {
  const { rows } = await service.owner.query(
    `select (select count(*)::int from workflow) as workflows,
       (select count(*)::int from registration_request) as requests`,
  )
  return rows[0]
}

/** Somebody who makes this workflow, and has not said whether it is to stay. */
async function holding({ workflow_name }: { workflow_name?: unknown }): Promise<pg.Client> {
  const rival = new pg.Client({ connectionString: service.infrastructure.migrateDatabaseUrl })
  await rival.connect()
  onTestFinished(() => rival.end())
  await rival.query('begin')
  await rival.query(
    `insert into workflow (workflow_id, workflow_name, version, name, description, content, content_hash,
       execution_engine, labels, custom_labels, detected_labels, parameters, status, created_by_request,
       request_fingerprint)
     values ($1, $2, '1.0.0', '', '', '', '', 'tekton', '{}', '{}', '{}', '{}', 'active', $1, '')`,
    [randomUUID(), workflow_name],
  )
  return rival
}

const padded = (bytes: number, fields: Record<string, unknown> = {}) => {
  const workflow = aWorkflow({ ...fields, content: 'x' })
  return { ...workflow, content: 'x'.repeat(bytes - JSON.stringify(workflow).length + 1) }
}

describe('each item', () => {
  test('has the result that the synchronous door would have given to it alone, in order', async () => {
    const taken = aWorkflow()
    expect((await create(taken)).status).toBe(201)
    const items = [aWorkflow(), taken, aWorkflow({ version: 'v1' }), { ...taken, description: 'other' }, 7]
    const results = resultsOf(await createAll(items))
    expect(results.map(({ status, state }) => [status, state])).toEqual([
      [201, 'created'],
      [409, 'conflict'],
      [400, 'rejected'],
      [409, 'conflict'],
      [400, 'rejected'],
    ])

    const [created, ...lost] = results
    const stored = await get(`${service.url}/api/v1/workflows/${created!.workflow!.workflow_id}`)
    expect(created!.workflow).toEqual(stored.body)
    expect(created!.request_id).toBe(stored.body.created_by_request)
    for (const { index, problem, request_id } of lost) {
      const alone = await create(items[index])
      expect({ ...problem, instance: '' }).toEqual({ ...alone.body, instance: '' })
      if (problem!.status === 400) expect(request_id).toBeNull()
      else {
        expect(problem!.instance).toBe(`/api/v1/workflow-requests/${request_id}`)
        const status = await get(`${service.url}${problem!.instance}`)
        expect(status.body).toMatchObject({ state: 'conflict', problem })
      }
    }
  })

  test.each([
    ['half of a surrogate pair', JSON.stringify(aWorkflow()).replace('Restart', '\\ud800'), 400],
    ['NUL', JSON.stringify(aWorkflow({ description: '\0' })), 400],
    ['a number that JSON cannot carry', JSON.stringify(aWorkflow()).replace('"critical"', '1e999'), 400],
    ['__proto__', '{"__proto__":{"workflow_name":"a"}}', 400],
    ['nests beyond the stack of any recursion', `${'['.repeat(200_000)}${']'.repeat(200_000)}`, 400],
    ['nests one level too deep', `${'['.repeat(65)}${']'.repeat(65)}`, 400],
    ['a list of too many values', JSON.stringify(aWorkflow({ parameters: Array(10_000).fill(0) })), 400],
    ['an object of too many values', JSON.stringify(Object.fromEntries(Array(10_000).entries())), 400],
    ['one byte too many', JSON.stringify(padded(LIMITS.bytes + 1)), 413],
    ['a name too much', JSON.stringify(aWorkflow({ colour: 'red' })), 400],
    ['nothing', 'null', 400],
  ])('that breaks a limit is refused alone: %s', async (_what, hostile, status) => {
    const before = await traces()
    const neighbours = [aWorkflow(), aWorkflow()].map((workflow) => JSON.stringify(workflow))
    const results = resultsOf(await createTexts(neighbours[0]!, hostile, neighbours[1]!))
    expect(results.map((one) => one.status)).toEqual([201, status, 201])
    expect(results[1]).toMatchObject({ request_id: null, state: 'rejected' })
    expect(await traces()).toEqual({ workflows: before.workflows + 2, requests: before.requests + 2 })
  })

  test('may be as large as a single request, however it is spaced', async () => {
    const largest = JSON.stringify(padded(LIMITS.bytes))
    expect(Buffer.byteLength(largest)).toBe(LIMITS.bytes)
    expect(statusesOf(await createTexts(largest.replace(/^{/, `{${' '.repeat(100_000)}`)))).toEqual([201])
  })

  test('of one name and version is created when it is the first, and conflicts when not', async () => {
    const [one, other] = [aWorkflow(), aWorkflow()]
    const answer = await createAll([one, other, { ...one, description: 'late' }, one, other])
    const results = resultsOf(answer)
    expect(results.map(({ status }) => status)).toEqual([201, 201, 409, 409, 409])
    expect(results.slice(2).map(({ problem }) => problem!.content)).toEqual([
      'different',
      'identical',
      'identical',
    ])
    expect(results[2]!.problem!.existing).toMatchObject({ workflow_id: results[0]!.workflow!.workflow_id })
  })

  test('wins by its place also where a batch is more than one statement can take', async () => {
    for (let round = 0; round < 3; round += 1) {
      const first = aWorkflow()
      const filling = Array.from({ length: 14 }, () => padded(LIMITS.bytes))
      const answer = await createAll([first, ...filling, { ...first, description: 'late' }])
      expect(statusesOf(answer)).toEqual([201, ...filling.map(() => 201), 409])
    }
  })

  test('that the database refuses for another reason is failed, and the others stand', async () => {
    await service.owner.query(`alter table workflow add constraint not_mine check (owner <> 'victim')`)
    try {
      const results = resultsOf(await createAll([aWorkflow(), aWorkflow({ owner: 'victim' }), aWorkflow()]))
      expect(results.map(({ status, state }) => [status, state])).toEqual([
        [201, 'created'],
        [500, 'failed'],
        [201, 'created'],
      ])
      expect(JSON.stringify(results[1])).not.toContain('not_mine')
    } finally {
      await service.owner.query('alter table workflow drop constraint not_mine')
    }
  })
})

describe('400: a body that is no batch is refused as a whole', () => {
  const workflow = JSON.stringify(aWorkflow())
  test.each([
    ['nothing', '', '', 'is empty'],
    ['no JSON', '{"workflows":[', '', 'is not JSON in UTF-8'],
    ['a workflow', workflow, '/workflows', 'is required'],
    ['a list', `[${workflow}]`, '', NO_FRAME],
    ['null', 'null', '', NO_FRAME],
    ['no list in it', `{"workflows":${workflow}}`, '/workflows', 'must be a list'],
    ['null in it', '{"workflows":null}', '/workflows', 'must be a list'],
    ['an empty list', '{"workflows":[]}', '/workflows', 'must have at least 1 item'],
    ['501 items', `{"workflows":[${'0,'.repeat(500)}0]}`, '/workflows', 'must have at most 500 items'],
    ['another field', `{"workflows":[${workflow}],"dry_run":true}`, '/dry_run', 'is not a known field'],
    ['__proto__', `{"workflows":[${workflow}],"__proto__":{}}`, '/__proto__', 'is not a known field'],
    ['a hostile field', `{"workflows":[${workflow}],"\\u0000\\ud800":1}`, '/��', 'is not a known field'],
    ['a nest beyond any stack', `${'['.repeat(500_000)}${']'.repeat(500_000)}`, '', NO_FRAME],
  ])('%s', async (_what, body, pointer, detail) => {
    const before = await traces()
    const problem = expectProblem(
      await post(`${service.url}/api/v1/workflows/batch`, body),
      'validation-error',
    )
    expect(problem.errors).toContainEqual({ pointer, detail })
    expect(await traces()).toEqual(before)
  })

  test('a key that cannot be read', async () => {
    expectProblem(await createAll([aWorkflow()], '""'), 'validation-error')
  })
})

describe('the largest batch', () => {
  test('of 500 items is carried out', async () => {
    const answer = await createAll(Array.from({ length: 500 }, () => aWorkflow()))
    expect(statusesOf(answer)).toEqual(Array(500).fill(201))
  })

  test('of 8 MiB is carried out, and one byte more is 413', async () => {
    const text = JSON.stringify({
      workflows: [
        aWorkflow(),
        ...Array(15)
          .fill(0)
          .map(() => padded(500_000)),
      ],
    })
    const whole = text + ' '.repeat(MAX_BYTES - text.length)
    const url = `${service.url}/api/v1/workflows/batch`
    expect(statusesOf(await post(url, whole))).toEqual(Array(16).fill(201))
    const problem = expectProblem(await post(url, `${whole} `), 'payload-too-large')
    expect(problem.detail).toBe('The body is larger than 8388608 bytes')
  })

  test('does not make a single request larger', async () => {
    const problem = expectProblem(await create(`${' '.repeat(LIMITS.bytes)}{}`), 'payload-too-large')
    expect(problem.detail).toBe('The body is larger than 524288 bytes')
  })
})

describe('an idempotency key', () => {
  test('makes a batch that is sent again have the same results, and no other effect', async () => {
    const key = randomUUID()
    const taken = aWorkflow()
    await create(taken)
    const twice = aWorkflow()
    const items = [aWorkflow(), taken, twice, twice, aWorkflow({ version: 'v1' })]
    const first = await createAll(items, key)
    expect(statusesOf(first)).toEqual([201, 409, 201, 409, 400])
    const before = await traces()
    const again = await createAll(items, key)
    expect(again.body).toEqual(first.body)
    expect(await traces()).toEqual(before)
  })

  test('is held by each item alone: one that has changed is 422, the others are as before', async () => {
    const key = randomUUID()
    const items = [aWorkflow(), aWorkflow(), aWorkflow()]
    const first = resultsOf(await createAll(items, key))
    const changed = await createAll([items[0], { ...items[1], description: 'changed' }, items[2]], key)
    const results = resultsOf(changed)
    expect(results.map(({ status, state }) => [status, state])).toEqual([
      [201, 'created'],
      [422, 'rejected'],
      [201, 'created'],
    ])
    expect([results[0], results[2]]).toEqual([first[0], first[2]])
  })

  test('is another one than that of a single request', async () => {
    const key = randomUUID()
    const single = await post(`${service.url}/api/v1/workflows`, aWorkflow(), { 'idempotency-key': key })
    expect(single.status).toBe(201)
    expect(statusesOf(await createAll([aWorkflow()], key))).toEqual([201])
  })

  test('of two batches at once that are the same has one effect, and both have the same results', async () => {
    const key = randomUUID()
    const items = Array.from({ length: 50 }, () => aWorkflow())
    const before = await traces()
    const [one, other] = await Promise.all([createAll(items, key), createAll(items, key)])
    expect(statusesOf(one!)).toEqual(items.map(() => 201))
    expect(other!.body).toEqual(one!.body)
    expect(await traces()).toEqual({ workflows: before.workflows + 50, requests: before.requests + 50 })
  })
})

describe('the log', () => {
  beforeEach(() => {
    service.logs.length = 0
  })

  test('has one line for each item that is not created, none above debug for the others, and no payload', async () => {
    const taken = aWorkflow()
    await create(taken)
    service.logs.length = 0
    const secret = 'a-secret-in-the-payload'
    const items = [
      aWorkflow({ content: secret }),
      { ...taken, content: secret },
      { ...taken, version: secret },
    ]
    const results = resultsOf(await createAll([...items, aWorkflow()]))
    expect(service.logs.filter(({ level }) => level !== 'debug')).toMatchObject([
      { level: 'info', status: 400, problem: 'validation-error', item: 2 },
      { level: 'info', door: 'sync', outcome: 'conflict', request_id: results[1]!.request_id },
    ])
    expect(JSON.stringify(service.logs)).not.toContain(secret)
  })
})

describe('while PostgreSQL is away', () => {
  test('each request is 503 and tells its id, what is invalid is 400, and a retry finds all created', async () => {
    const { proxy, app } = await ingressBehindProxy()
    const key = randomUUID()
    const items = [aWorkflow(), aWorkflow({ version: 'v1' }), aWorkflow()]

    await proxy.refuse()
    app.logs.length = 0
    const results = resultsOf(await createAll(items, key, app.url))
    expect(results.map(({ status, state }) => [status, state])).toEqual([
      [503, null],
      [400, 'rejected'],
      [503, null],
    ])
    for (const { request_id, problem, status } of results)
      if (status === 503)
        expect(problem).toMatchObject({
          retryable: true,
          request_id,
          instance: `/api/v1/workflow-requests/${request_id}`,
        })
    expect(app.logs.filter(({ status }) => status === 503)).toMatchObject([
      { level: 'warn', item: 0, request_id: results[0]!.request_id, door: 'sync' },
      { level: 'warn', item: 2, request_id: results[2]!.request_id, workflow_name: items[2]!.workflow_name },
    ])

    await proxy.open()
    const again = resultsOf(await createAll(items, key, app.url))
    expect(again.map(({ status }) => status)).toEqual([201, 400, 201])
    expect(again.map(({ request_id }) => request_id)).toEqual(results.map(({ request_id }) => request_id))
  })

  test('for some only, those that were stored before are told, and so are they again', async () => {
    const held = aWorkflow()
    const rival = await holding(held)
    const key = randomUUID()
    const items = [aWorkflow(), held, aWorkflow()]
    const results = resultsOf(await createAll(items, key))
    expect(results.map(({ status }) => status)).toEqual([201, 503, 503])
    const samples = await scrape(service.metricsUrl)
    expect(valueIn(samples, 'registrar_batch_items_total', { status: '503' })).toBeGreaterThanOrEqual(2)

    await rival.query('rollback')
    const again = resultsOf(await createAll(items, key))
    expect(again.map(({ status }) => status)).toEqual([201, 201, 201])
    expect(again[0]).toEqual(results[0])
  })

  test('for one chunk only, the items of the others stand', async () => {
    const held = aWorkflow()
    const rival = await holding(held)
    const key = randomUUID()
    const filling = Array.from({ length: 8 }, () => padded(LIMITS.bytes))
    const items = [held, ...filling, aWorkflow()]
    const results = resultsOf(await createAll(items, key))
    const statuses = results.map(({ status }) => status)
    expect(statuses[0]).toBe(503)
    expect(statuses.at(-1)).toBe(201)
    expect(new Set(statuses)).toEqual(new Set([503, 201]))

    await rival.query('rollback')
    const again = resultsOf(await createAll(items, key))
    expect(again.map(({ status }) => status)).toEqual(items.map(() => 201))
    expect(again.at(-1)).toEqual(results.at(-1))
  })
})
