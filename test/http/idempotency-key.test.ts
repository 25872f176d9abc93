import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { get, post } from '../support/http.ts'
import { expectProblem } from '../support/problems.ts'
import { raw } from '../support/raw-http.ts'
import { sharedService } from '../support/shared-service.ts'
import { aWorkflow } from '../support/workflows.ts'

const service = sharedService({ roles: ['ingress'] })

const create = (body: unknown, key?: string) =>
  post(`${service.url}/api/v1/workflows`, body, key === undefined ? {} : { 'idempotency-key': key })

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
])('400: a key that is %s', async (_what, key) => {
  const body = aWorkflow()
  const problem = expectProblem(await create(body, key), 'validation-error')
  expect(problem.detail).toMatch(/Idempotency-Key/)
  expect(await workflowsNamed(body)).toBe(0)
})

test('400: two keys at once', async () => {
  const body = aWorkflow()
  const text = JSON.stringify(body)
  const answer = await raw(
    service.url,
    `POST /api/v1/workflows HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-type: application/json\r\n` +
      `content-length: ${text.length}\r\nidempotency-key: one\r\nidempotency-key: two\r\n\r\n${text}`,
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
