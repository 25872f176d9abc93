import { channel } from 'node:diagnostics_channel'
import { describe, expect, onTestFinished, test } from 'vitest'
import { keyedRequestId } from '../../src/domain/ids.ts'
import { readWait } from '../../src/http/prefer.ts'
import { within } from '../../src/within.ts'
import { ingressBehindProxy } from '../support/behind-proxy.ts'
import { type Answer, get, post } from '../support/http.ts'
import { produce } from '../support/kafka.ts'
import { countRecords } from '../support/log-ends.ts'
import { expectProblem } from '../support/problems.ts'
import { sharedService } from '../support/shared-service.ts'
import { recordStatements, type Statement } from '../support/statements.ts'
import { until } from '../support/until.ts'
import { aWorkflow } from '../support/workflows.ts'
import { makeWorld, startApp, type World, withService } from '../support/world.ts'

const REQUESTS = '/api/v1/workflow-requests'
const WORKFLOWS = '/api/v1/workflows'
const WAIT = { prefer: 'wait=30' }
/** A statement alone takes this long to be given up, and a connection to be made comes on top. */
const GIVEN_UP_MS = 8_000
/** Two thousand callers on a busy machine. */
const MANY_MS = 120_000

const service = sharedService()
const later = (body: unknown, headers: Record<string, string> = WAIT) =>
  post(`${service.url}${REQUESTS}`, body, headers)
const now = (body: unknown, headers: Record<string, string> = {}) =>
  post(`${service.url}${WORKFLOWS}`, body, headers)
const keyed = (key: string) => ({ 'idempotency-key': `"${key}"` })

/** An answer as data, less what is another one each time. */
function comparable({ status, headers, body }: Answer) {
  const kept = ['content-type', 'idempotent-replayed', 'retry-after', 'etag', 'cache-control']
  const { created_at, updated_at, created_by_request, request_fingerprint, workflow_id, instance, ...rest } =
    body
  const others = { created_at, updated_at, created_by_request, request_fingerprint, workflow_id, instance }
  const present = Object.entries(others).filter(([, value]) => value)
  return {
    status,
    headers: kept.map((name) => headers.get(name)),
    body: rest,
    present: present.map(([name]) => name),
  }
}

/** A worker in that world, gone when the test is over. */
async function startWorker(world: World): Promise<void> {
  const worker = await startApp(world, { roles: ['worker'] })
  onTestFinished(() => worker.close())
}

/** Counts the requests that reach any HTTP server of this process. */
function countArrivals(): { count: number } {
  const arrivals = { count: 0 }
  const count = () => {
    arrivals.count += 1
  }
  channel('http.server.request.start').subscribe(count)
  onTestFinished(() => void channel('http.server.request.start').unsubscribe(count))
  return arrivals
}

describe('the header Prefer', () => {
  test.for([
    ['wait=10', 10],
    ['wait=0', 0],
    ['WAIT=7', 7],
    [' wait = 7 ', 7],
    ['wait=007', 7],
    ['wait=31', 30],
    [`wait=${'9'.repeat(50)}`, 30],
    ['respond-async, wait=5', 5],
    ['return=minimal;x=y , wait=5; extra="a,b"', 5],
    ['foo="a, wait=9", wait=5', 5],
    ['foo="a\\", wait=9", wait=5', 5],
    ['wait=5, wait=9', 5],
    [',,wait=5,', 5],
  ] as const)('asks for a wait: %s', ([header, seconds]) => {
    expect(readWait(header)).toBe(seconds)
  })

  test.for([
    [undefined],
    [''],
    ['wait'],
    ['wait='],
    ['wait=-1'],
    ['wait=1.5'],
    ['wait=1e1'],
    ['wait=0x10'],
    ['wait=10s'],
    ['wait="10"'],
    ['wait=1=2'],
    ['wait=1 2'],
    ['wait=x, wait=5'],
    ['await=5'],
    ['return=minimal; wait=5'],
    ['foo="wait=5'],
    ['foo=", wait=5'],
  ] as const)('asks for none: %s', ([header]) => {
    expect(readWait(header)).toBeUndefined()
  })

  test('is read at once, however it is quoted', () => {
    const began = performance.now()
    expect(readWait(`${'"\\'.repeat(1_000_000)}, wait=5`)).toBeUndefined() // in steps that grow with its square: hours
    expect(performance.now() - began).toBeLessThan(10_000)
  })

  test('may come several times, as any list', async () => {
    const answer = await fetch(`${service.url}${REQUESTS}`, {
      method: 'POST',
      headers: [
        ['content-type', 'application/json'],
        ['prefer', 'respond-async'],
        ['prefer', 'wait=20'],
      ],
      body: JSON.stringify(aWorkflow()),
    })
    expect(answer.status).toBe(201)
    expect(answer.headers.get('preference-applied')).toBe('wait=20')
  })
})

describe('a POST that waits', () => {
  test('is answered as the synchronous door answers: 201, the workflow and its URL', async () => {
    const workflow = aWorkflow({ version: '1.0.0' })
    const waited = await later(workflow)
    const direct = await now({ ...workflow, workflow_name: `${workflow.workflow_name}-2` })
    expect(waited.status).toBe(201)
    expect(waited.headers.get('preference-applied')).toBe('wait=30')
    expect(waited.headers.get('location')).toBe(`${WORKFLOWS}/${waited.body.workflow_id}`)
    expect(waited.body).toEqual((await get(`${service.url}${waited.headers.get('location')}`)).body)
    direct.body.workflow_name = workflow.workflow_name
    expect(comparable(waited)).toEqual(comparable(direct))
  })

  test('is answered as the synchronous door answers: 409, with what is in the way', async () => {
    const workflow = aWorkflow()
    expect((await now(workflow)).status).toBe(201)
    for (const body of [workflow, { ...workflow, description: 'other' }]) {
      const [waited, direct] = [await later(body), await now(body)]
      expect(expectProblem(waited, 'conflict').existing.href).toMatch(/^\/api\/v1\/workflows\//)
      expect(waited.headers.get('preference-applied')).toBe('wait=30')
      expect(waited.headers.get('location')).toBeNull()
      expect(comparable(waited)).toEqual(comparable(direct))
    }
  })

  test('is answered as the synchronous door answers: 422 to a key that another body has', async () => {
    expect((await now(aWorkflow(), keyed('taken'))).status).toBe(201)
    const waited = await later(aWorkflow(), { ...WAIT, ...keyed('taken') })
    const direct = await now(aWorkflow(), keyed('taken'))
    expectProblem(waited, 'idempotency-key-reused')
    expect(waited.headers.get('preference-applied')).toBe('wait=30')
    expect(comparable(waited)).toEqual(comparable(direct))
  })

  test('is answered as the synchronous door answers: 500 to what the database refuses', async () => {
    await service.owner.query(`
      create function refuse() returns trigger language plpgsql as $$
        begin raise exception using errcode = '23514'; end $$;
      create trigger refuse before insert on workflow for each row when (new.owner = 'refused')
        execute function refuse()`)
    const [waited, direct] = [
      await later(aWorkflow({ owner: 'refused' })),
      await now(aWorkflow({ owner: 'refused' })),
    ]
    expectProblem(waited, 'internal-error')
    expect(waited.headers.get('preference-applied')).toBe('wait=30')
    expect(comparable(waited)).toEqual(comparable(direct))
  })

  test('says 400 at once to what is invalid, and grants no wait', async () => {
    const answer = await later({ ...aWorkflow(), version: 'v1' })
    expectProblem(answer, 'validation-error')
    expect(answer.headers.get('preference-applied')).toBeNull()
  })

  test('is a replay the second time with one key, at whichever door the first time was', async () => {
    const [one, other] = [aWorkflow(), aWorkflow()]
    const first = await later(one, { ...WAIT, ...keyed('again') })
    expect(first.status).toBe(201)
    expect(first.headers.get('idempotent-replayed')).toBeNull()
    const again = await later(one, { ...WAIT, ...keyed('again') })
    expect(again.status).toBe(201)
    expect(again.headers.get('idempotent-replayed')).toBe('true')
    expect(again.body).toEqual(first.body)

    const direct = await now(other, keyed('again, later'))
    const waited = await later(other, { ...WAIT, ...keyed('again, later') })
    expect(waited.headers.get('idempotent-replayed')).toBe('true')
    expect(waited.body).toEqual(direct.body)
  })

  test('is not answered with the outcome of another body that has its id', async () => {
    const workflow = aWorkflow()
    const first = await later(workflow, { ...WAIT, ...keyed('id') })
    const requestId = keyedRequestId('', 'other id', first.body.request_fingerprint)
    await produce(service, [{ value: JSON.stringify(aWorkflow()), headers: { 'request-id': requestId } }])
    await until('the outcome of the other', async () => {
      const { status, body } = await get(`${service.url}${REQUESTS}/${requestId}`)
      return status === 200 && body.state === 'created'
    })
    const waited = await later(workflow, { ...WAIT, ...keyed('other id') })
    const direct = await now(workflow, keyed('other id'))
    expectProblem(waited, 'idempotency-key-reused')
    expect(waited.body.instance).toBe(`${REQUESTS}/${requestId}`)
    expect(waited.headers.get('idempotent-replayed')).toBeNull()
    expect(comparable(waited)).toEqual(comparable(direct))
  })

  test('is a 202 when its status is no longer kept, and the URL of that is 410', async () => {
    const workflow = aWorkflow()
    const first = await later(workflow, { ...WAIT, ...keyed('purged') })
    expect(first.status).toBe(201)
    const { rowCount } = await service.owner.query('delete from registration_request where request_id = $1', [
      first.body.created_by_request,
    ])
    expect(rowCount).toBe(1)
    const again = await later(workflow, { ...WAIT, ...keyed('purged') })
    expect(again.status).toBe(202)
    expectProblem(await get(`${service.url}${again.headers.get('location')}`), 'gone')
  })

  test('is a 202 after the wait, with the URL of the status, while no worker runs', async () => {
    const ingress = await withService({ roles: ['ingress'] })
    const began = performance.now()
    const answer = await post(`${ingress.url}${REQUESTS}`, aWorkflow(), { prefer: 'wait=1' })
    expect(performance.now() - began).toBeGreaterThanOrEqual(1_000)
    expect(answer.status).toBe(202)
    expect(answer.headers.get('preference-applied')).toBe('wait=1')
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
    const status = await get(`${ingress.url}${answer.headers.get('location')}`)
    expect(status).toMatchObject({ status: 200, body: { ...answer.body, state: 'pending' } })
  })

  test('is a 202 when the database is away at the end of the wait', async () => {
    const { app: ingress, world, proxy } = await ingressBehindProxy()
    await proxy.refuse()
    const answer = await post(`${ingress.url}${REQUESTS}`, aWorkflow(), { prefer: 'wait=1' })
    expect(answer.status).toBe(202)
    expect(await countRecords(world, world.env.REQUEST_TOPIC!)).toBe(1)
    expect(ingress.logs.filter(({ msg }) => msg === 'cannot read yet how a request ended')).toHaveLength(1)
    expectProblem(await get(`${ingress.url}${answer.headers.get('location')}`), 'unavailable')
  })

  test('is a 202 long before a database that has fallen silent is given up', async () => {
    const { app: ingress, proxy } = await ingressBehindProxy()
    await Promise.all([1, 2, 3, 4].map(() => get(`${ingress.url}${WORKFLOWS}`))) // there are connections
    proxy.freeze()
    expect(proxy.broken()).toBeGreaterThan(0)
    const began = performance.now()
    const answer = await post(`${ingress.url}${REQUESTS}`, aWorkflow(), { prefer: 'wait=1' })
    expect(answer.status).toBe(202)
    expect(performance.now() - began).toBeLessThan(GIVEN_UP_MS)
  })

  test('is a 202 when the service ends while the database is silent', async () => {
    const { app: ingress, proxy } = await ingressBehindProxy()
    await Promise.all([1, 2, 3, 4].map(() => get(`${ingress.url}${WORKFLOWS}`)))
    const arrivals = countArrivals()
    proxy.freeze()
    const answers = Array.from({ length: 20 }, () => post(`${ingress.url}${REQUESTS}`, aWorkflow(), WAIT))
    await until('all to be there', () => arrivals.count === 20)
    const began = performance.now()
    const closed = ingress.close()
    await Promise.all(answers)
    expect(performance.now() - began).toBeLessThan(GIVEN_UP_MS)
    await closed
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual(Array(20).fill(202))
  })
})

describe('a GET of a status that waits', () => {
  test('is answered when the request ends, by its position or by its id alone', async () => {
    const ingress = await withService({ roles: ['ingress'] })
    const arrivals = countArrivals()
    const accepted = await post(`${ingress.url}${REQUESTS}`, aWorkflow())
    const [path] = accepted.headers.get('location')!.split('?')
    const waiting = [accepted.headers.get('location'), path].map((to) => get(`${ingress.url}${to}`, WAIT))
    await until('both to be there', () => arrivals.count === 3)
    await startWorker(ingress)
    for (const answer of await Promise.all(waiting)) {
      expect(answer).toMatchObject({ status: 200, body: { state: 'created' } })
      expect(answer.headers.get('preference-applied')).toBe('wait=30')
      expect(answer.headers.get('cache-control')).toBeNull()
    }
  })

  test('says after the wait what it says without one, while no worker runs', async () => {
    const ingress = await withService({ roles: ['ingress'] })
    const accepted = await post(`${ingress.url}${REQUESTS}`, aWorkflow())
    const [path] = accepted.headers.get('location')!.split('?')
    const began = performance.now()
    const [positioned, bare] = await Promise.all(
      [accepted.headers.get('location'), path].map((to) => get(`${ingress.url}${to}`, { prefer: 'wait=1' })),
    )
    expect(performance.now() - began).toBeGreaterThanOrEqual(1_000)
    expect(positioned).toMatchObject({ status: 200, body: { state: 'pending', queue_distance: 1 } })
    expect(positioned!.headers.get('preference-applied')).toBe('wait=1')
    expectProblem(bare!, 'unavailable')
    expect(bare!.headers.get('preference-applied')).toBeNull()
  })

  test('does not wait for what is known: an outcome, or that there is none', async () => {
    const { body } = await now(aWorkflow())
    const settled = await get(`${service.url}${REQUESTS}/${body.created_by_request}`, WAIT)
    expect(settled).toMatchObject({ status: 200, body: { state: 'created' } })
    expect(settled.headers.get('preference-applied')).toBe('wait=30')
    const unknown = await until('an answer other than 503', async () => {
      const answer = await get(`${service.url}${REQUESTS}/${crypto.randomUUID()}`, { prefer: 'wait=1' })
      return answer.status !== 503 && answer // while its topic is new
    })
    expectProblem(unknown, 'not-found')
    expect(unknown.headers.get('preference-applied')).toBeNull()
    expectProblem(await get(`${service.url}${REQUESTS}/no-uuid`, WAIT), 'not-found')
  })
})

describe('waiting callers', () => {
  const isLook = ({ text }: Statement) => /^select partition, next_offset from consumer_progress/.test(text)

  test(
    'cost the database one look at a tick when there are 2 000, and few reads when they end together',
    async () => {
      const ingress = await withService({ roles: ['ingress'] })
      const accepted = await Promise.all(
        Array.from({ length: 20 }, () => post(`${ingress.url}${REQUESTS}`, aWorkflow())),
      )
      const statements = recordStatements()
      const isStatus = ({ text }: Statement) => /^\s*select next_offset,/.test(text)
      const waitForOutcome = (one: Answer) =>
        until(
          'an outcome',
          async () => {
            const { status, body } = await get(`${ingress.url}${one.headers.get('location')}`, WAIT)
            return status === 200 && body.state !== 'pending' && body.state
          },
          MANY_MS,
        )
      const waiting: Promise<string>[] = []
      while (waiting.length < 2_000) {
        for (const one of accepted) waiting.push(...Array.from({ length: 10 }, () => waitForOutcome(one)))
        await until(
          `${waiting.length} that wait`,
          () => statements.sent().filter(isStatus).length >= waiting.length,
        )
      }
      await until('a look at all of them', () => isLook(statements.sent().at(-1)!))

      const [before, began] = [statements.sent().length, performance.now()]
      await until('40 ticks', () => statements.sent().length >= before + 40)
      const ticks = statements.sent().slice(before)
      const elapsedMs = performance.now() - began
      expect(ticks.filter((statement) => !isLook(statement))).toEqual([])
      expect(ticks.length).toBeLessThanOrEqual(elapsedMs / 45 + 2)

      await startWorker(ingress)
      const beforeEnd = statements.sent().length
      expect(new Set(await Promise.all(waiting))).toEqual(new Set(['created']))
      const reads = statements
        .sent()
        .slice(beforeEnd)
        .filter(({ text }) => text.includes('unnest'))
      expect(reads.length).toBeGreaterThan(0)
      expect(reads.length).toBeLessThan(100)
    },
    MANY_MS,
  )

  test('who go away are looked for no more', async () => {
    const ingress = await withService({ roles: ['ingress'] })
    const accepted = await post(`${ingress.url}${REQUESTS}`, aWorkflow())
    const statements = recordStatements()
    const looks = () => statements.sent().filter(isLook).length
    const leaving = new AbortController()
    const { signal } = leaving
    const status = `${ingress.url}${accepted.headers.get('location')}`
    const gone = Promise.allSettled([
      fetch(status, { headers: WAIT, signal }),
      fetch(`${ingress.url}${REQUESTS}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...WAIT },
        body: JSON.stringify(aWorkflow()),
        signal,
      }),
    ])
    await until('both to wait', async () => (await countRecords(ingress, ingress.env.REQUEST_TOPIC!)) === 2)
    const seen = looks()
    await until('looks', () => looks() >= seen + 5)
    leaving.abort()
    expect((await gone).map((one) => one.status)).toEqual(['rejected', 'rejected'])
    let last = { looks: looks(), at: performance.now() }
    await until(
      'the looks to end',
      () => {
        if (looks() > last.looks) last = { looks: looks(), at: performance.now() }
        return performance.now() - last.at > 1_000
      },
      20_000,
    )
    expect(ingress.logs.filter(({ level }) => level === 'error')).toEqual([])
  })

  test('with an id alone are answered when the service ends as without a wait: 503, for it may be one that waits', async () => {
    const world = await makeWorld()
    onTestFinished(() => world.close())
    const ingress = await startApp(world, { roles: ['ingress'] })
    onTestFinished(() => ingress.close())
    const accepted = await post(`${ingress.url}${REQUESTS}`, aWorkflow())
    const bare = `${ingress.url}${accepted.headers.get('location')!.split('?')[0]}`
    const unwaited = await get(bare)
    const statements = recordStatements()
    const waiting = get(bare, WAIT)
    const isRead = ({ text }: Statement) => text.includes('unnest')
    await until('looks for it', () => statements.sent().filter(isRead).length >= 3)
    await within(15_000, ingress.close())
    const answer = await waiting
    expectProblem(answer, 'unavailable')
    expect(answer.body).toEqual(unwaited.body)
  })

  test('are answered when the service ends, as at the end of their wait', async () => {
    const world = await makeWorld()
    onTestFinished(() => world.close())
    const ingress = await startApp(world, { roles: ['ingress'] })
    onTestFinished(() => ingress.close())
    const accepted = await post(`${ingress.url}${REQUESTS}`, aWorkflow())
    const statements = recordStatements()
    const arrivals = countArrivals()
    const url = `${ingress.url}${accepted.headers.get('location')}`
    const gets = Array.from({ length: 50 }, () => get(url, WAIT))
    const posts = Array.from({ length: 50 }, () => post(`${ingress.url}${REQUESTS}`, aWorkflow(), WAIT))
    await until('all to be there', () => arrivals.count === 100)
    await until('looks', () => statements.sent().some(isLook))

    await within(15_000, ingress.close())
    for (const { status, headers, body } of await Promise.all(gets)) {
      expect({ status, body }).toMatchObject({ status: 200, body: { state: 'pending' } })
      expect(headers.get('preference-applied')).toBe('wait=30')
    }
    for (const { status, headers, body } of await Promise.all(posts)) {
      expect({ status, body }).toMatchObject({ status: 202, body: { state: 'pending' } })
      expect(headers.get('location')).toMatch(/\?at=/)
    }
    expect(ingress.logs.filter(({ level }) => level === 'warn' || level === 'error')).toEqual([])
  })
})
