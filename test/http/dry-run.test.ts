import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readBody } from '../../src/domain/body.ts'
import { keyedRequestId } from '../../src/domain/ids.ts'
import { ingressBehindProxy } from '../support/behind-proxy.ts'
import { type Answer, post } from '../support/http.ts'
import { countRecords } from '../support/log-ends.ts'
import { expectProblem, expectProblemShape } from '../support/problems.ts'
import { runs } from '../support/seeded.ts'
import { sharedService } from '../support/shared-service.ts'
import { aWorkflow } from '../support/workflows.ts'

const service = sharedService({ roles: ['ingress'] })

const DOORS = ['workflows', 'workflow-requests'] as const
const keyed = (key: string | undefined): Record<string, string> =>
  key === undefined ? {} : { 'idempotency-key': key }
const create = (body: unknown, key?: string) => post(`${service.url}/api/v1/workflows`, body, keyed(key))
const dryRun = (body: unknown, key?: string, door: string = 'workflows') =>
  post(`${service.url}/api/v1/${door}?dry_run=true`, body, keyed(key))
const createAll = (workflows: unknown[], key?: string) =>
  post(`${service.url}/api/v1/workflows/batch`, { workflows }, keyed(key))

/** Every row of every table. */
async function checksums() {
  const { rows } = await service.owner.query(
    `select (select md5(string_agg(w::text, '|' order by workflow_id)) from workflow w) as workflows,
       (select md5(string_agg(r::text, '|' order by request_id)) from registration_request r) as requests,
       (select md5(string_agg(p::text, '|' order by partition)) from consumer_progress p) as progress`,
  )
  return rows[0]
}

/** What a dry run, which must be whole in itself, has foreseen. */
function foreseenIn({ status, body }: Answer) {
  expect({ status, body }).toMatchObject({ status: 200, body: { dry_run: true } })
  const { dry_run, state, status: foreseen, workflow_name, version, workflow_id, problem, ...rest } = body
  expect(rest).toEqual({})
  if (problem) expectProblemShape(problem)
  expect(problem === undefined).toBe(state === 'created')
  return { state, status: foreseen, workflow_name, version, workflow_id, problem }
}

/** A problem less what tells which request it was about. */
function bare(problem: Record<string, unknown> | undefined) {
  const { instance, request_id, ...rest } = problem ?? {}
  return rest
}

const STATES: Record<number, string> = { 201: 'created', 409: 'conflict', 422: 'rejected' }

describe('a dry run says exactly what the request then comes to, and changes nothing', () => {
  const body = fc
    .record({
      workflow_name: fc.constantFrom('one', 'two'),
      version: fc.constantFrom('1.0.0', '2.0.0', 'v1'),
      description: fc.constantFrom('this', 'that'),
    })
    .map(aWorkflow)
  const key = fc.constantFrom(undefined, 'a', 'b')
  const purge = fc.constant('purge' as const)

  test('for any sequence of requests at the synchronous door', async () => {
    const step = fc.oneof({ weight: 9, arbitrary: fc.record({ body, key }) }, { weight: 1, arbitrary: purge })
    const seen = new Set<unknown>()
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 8, maxLength: 16 }), async (steps) => {
        await service.owner.query('truncate workflow, registration_request')
        for (const one of steps) {
          if (one === 'purge') {
            await service.owner.query('delete from registration_request')
            continue
          }
          const before = await checksums()
          const foreseen = await dryRun(one.body, one.key)
          const elsewhere = await dryRun(one.body, one.key, 'workflow-requests')
          expect(elsewhere.body).toEqual(foreseen.body)
          expect(await checksums()).toEqual(before)
          const real = await create(one.body, one.key)
          seen.add(real.status)
          if (real.status === 400) {
            expect({ ...foreseen, headers: {} }).toEqual({ ...real, headers: {} })
            continue
          }
          const isReplay = real.headers.has('idempotent-replayed')
          const { workflow_name, version } = one.body
          const isCreated = real.status === 201
          expect({ ...foreseenIn(foreseen), problem: bare(foreseen.body.problem) }).toEqual({
            ...{ state: STATES[real.status], status: real.status, workflow_name, version },
            workflow_id: isCreated && isReplay ? real.body.workflow_id : undefined,
            problem: isCreated ? {} : bare(real.body),
          })
          expect(foreseen.body.problem?.instance).toBe(isReplay ? real.body.instance : undefined)
          seen.add(isReplay)
        }
      }),
      runs(15),
    )
    expect(seen).toEqual(new Set([201, 400, 409, 422, true, false]))
  })

  test('for any sequence of batches', async () => {
    const batch = fc.record({ bodies: fc.array(body, { minLength: 1, maxLength: 6 }), key })
    const seen = new Set<unknown>()
    await fc.assert(
      fc.asyncProperty(fc.array(batch, { minLength: 2, maxLength: 5 }), async (batches) => {
        await service.owner.query('truncate workflow, registration_request')
        for (const one of batches) {
          const before = await checksums()
          const url = `${service.url}/api/v1/workflows/batch?dry_run=true`
          const foreseen = await post(url, { workflows: one.bodies }, keyed(one.key))
          expect(await checksums()).toEqual(before)
          const real = await createAll(one.bodies, one.key)
          expect(foreseen).toMatchObject({ status: 200, body: { dry_run: true } })
          for (const [index, result] of real.body.results.entries()) {
            const { problem, ...rest } = foreseen.body.results[index]
            seen.add(result.status)
            expect(rest).toMatchObject({
              ...{ index, request_id: null, status: result.status, state: result.state },
            })
            expect(rest.workflow_id ?? result.workflow?.workflow_id).toBe(result.workflow?.workflow_id)
            const { existing, content, ...common } = bare(result.problem)
            const isTold = problem?.existing !== undefined // one that the batch itself would make has no id yet
            expect(bare(problem)).toEqual(isTold ? { ...common, existing, content } : common)
          }
        }
      }),
      runs(25),
    )
    expect(seen).toEqual(new Set([201, 400, 409, 422]))
  })
})

test('a conflict is told with the workflow that is there, and whether it is the same', async () => {
  const workflow = aWorkflow()
  const { body: stored } = await create(workflow)
  const same = foreseenIn(await dryRun(workflow))
  expect(same).toMatchObject({ state: 'conflict', status: 409, problem: { content: 'identical' } })
  expect(same.problem.existing.workflow_id).toBe(stored.workflow_id)
  const other = foreseenIn(await dryRun({ ...workflow, description: 'other' }))
  expect(other.problem.content).toBe('different')
})

test('what this very key and body has made is created, also when its status is no longer kept', async () => {
  const [workflow, key] = [aWorkflow(), randomUUID()]
  const { body: stored } = await create(workflow, key)
  for (const _ of ['kept', 'purged']) {
    expect(foreseenIn(await dryRun(workflow, key))).toMatchObject({
      state: 'created',
      workflow_id: stored.workflow_id,
    })
    await service.owner.query('delete from registration_request where request_id = $1', [
      stored.created_by_request,
    ])
  }
})

test('an id that another request took, on the topic, is 422 as it is for the request itself', async () => {
  const [workflow, key] = [aWorkflow(), randomUUID()]
  const { fingerprint } = readBody(Buffer.from(JSON.stringify(workflow)))
  const { body: first } = await create(aWorkflow())
  await service.owner.query('update registration_request set request_id = $2 where request_id = $1', [
    first.created_by_request,
    keyedRequestId('', key, fingerprint),
  ])
  const { problem } = foreseenIn(await dryRun(workflow, key))
  const real = expectProblem(await create(workflow, key), 'idempotency-key-reused')
  expect(problem).toEqual(bare(real))
})

describe.each([...DOORS, 'workflows/batch'])('POST /api/v1/%s?dry_run=true', (door) => {
  const send = (query: string, workflow = aWorkflow()) =>
    post(
      `${service.url}/api/v1/${door}?${query}`,
      door === 'workflows/batch' ? { workflows: [workflow] } : workflow,
    )

  test('stores nothing and sends nothing', async () => {
    const topic = service.env.REQUEST_TOPIC!
    const before = [await checksums(), await countRecords(service, topic)]
    const answer = await send('dry_run=true')
    expect(answer).toMatchObject({ status: 200, body: { dry_run: true } })
    expect(answer.headers.has('location')).toBe(false)
    expect([await checksums(), await countRecords(service, topic)]).toEqual(before)
  })

  test.each(['dry_run=yes', 'dry_run=', 'dry_run=true&dry_run=true', 'dryrun=true'])(
    '400: %s, and nothing is done',
    async (query) => {
      const before = await checksums()
      expectProblem(await send(query), 'validation-error')
      expect(await checksums()).toEqual(before)
    },
  )

  test('false is as if it were not there', async () => {
    expect((await send('dry_run=false')).body).not.toHaveProperty('dry_run')
  })
})

test.each([...DOORS, 'workflows/batch'])('503: PostgreSQL does not answer a dry run at %s', async (door) => {
  const { proxy, app } = await ingressBehindProxy()
  const body = door === 'workflows/batch' ? { workflows: [aWorkflow()] } : aWorkflow()
  const send = () => post(`${app.url}/api/v1/${door}?dry_run=true`, body)
  await proxy.refuse()
  const answer = await send()
  const problem = expectProblem(answer, 'unavailable')
  expect(problem).not.toHaveProperty('request_id')
  expect(answer.headers.get('retry-after')).toBe('1')
  await proxy.open()
  expect((await send()).status).toBe(200)
})
