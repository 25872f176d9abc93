import { expect, onTestFinished, test } from 'vitest'
import { type Answer, get, post } from '../support/http.ts'
import { expectProblem } from '../support/problems.ts'
import { until } from '../support/until.ts'
import { aWorkflow } from '../support/workflows.ts'
import { startApp, type World, withService } from '../support/world.ts'

const REQUESTS = '/api/v1/workflow-requests'
/** More than a chunk before it, so that a part of the queue drains while it stands. */
const GATE_AT = 700
const COUNT = 1_500
const GATE_LOCK = 77

/** Holds up the request whose owner is `gate`, as a long transaction would, until it is opened. */
async function closeGate({ owner }: World): Promise<() => Promise<unknown>> {
  await owner.query(`
    create function wait_at_gate() returns trigger language plpgsql as $$
      begin perform pg_advisory_xact_lock_shared(${GATE_LOCK}); return new; end $$;
    create trigger gate before insert on workflow for each row when (new.owner = 'gate')
      execute function wait_at_gate()`)
  const holder = await owner.connect()
  onTestFinished(() => holder.release(true))
  await holder.query('select pg_advisory_lock($1)', [GATE_LOCK])
  return () => holder.query('select pg_advisory_unlock($1)', [GATE_LOCK])
}

test('while a backlog stands and drains, every URL tells the truth, and the distances only fall', async () => {
  const ingress = await withService({ roles: ['ingress'] })
  const openGate = await closeGate(ingress)
  const read = (path: string) => get(`${ingress.url}${path}`)

  function expectUnclear(answer: Answer) {
    expectProblem(answer, 'unavailable')
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
  }

  const accepted: Answer[] = []
  while (accepted.length < COUNT) {
    const bodies = Array.from({ length: 100 }, (_, n) => ({
      workflow_name: 'queues', // all in one partition
      version: `1.0.${accepted.length + n}`,
      owner: accepted.length + n === GATE_AT ? 'gate' : 'nobody',
    }))
    const answers = await Promise.all(
      bodies.map((body) => post(`${ingress.url}${REQUESTS}`, aWorkflow(body))),
    )
    expect(answers.map(({ status }) => status)).toEqual(Array(100).fill(202))
    accepted.push(...answers)
  }

  /** Both URLs of a request, and the distances that the one with its position has told. */
  const watched = [COUNT - 200, COUNT - 100, COUNT - 1].map((n) => {
    const { body, headers } = accepted[n]!
    const positioned = headers.get('location')!
    return { n, body, positioned, bare: `${REQUESTS}/${body.request_id}`, distances: [] as number[] }
  })
  type Watched = (typeof watched)[number]

  /** Asks at both URLs, and tells whether the request has ended. */
  async function look({ body, positioned, bare, distances }: Watched): Promise<boolean> {
    const byId = await read(bare)
    const byPosition = await read(positioned)
    expect(byPosition.status).toBe(200)
    if (byPosition.body.state === 'pending') {
      expectUnclear(byId)
      expect(byPosition.body).toEqual({ ...body, queue_distance: expect.any(Number) })
      distances.push(byPosition.body.queue_distance)
      return false
    }
    expect(byPosition.body).toMatchObject({ state: 'created', request_id: body.request_id })
    if (byId.status !== 200)
      expectUnclear(byId) // asked a moment before
    else expect(byId.body).toEqual(byPosition.body)
    return true
  }
  const unknown = () => read(`${REQUESTS}/${crypto.randomUUID()}`)

  for (const one of watched) {
    expect(await look(one)).toBe(false)
    const [distance = 0] = one.distances
    expect(Math.abs(distance - one.n)).toBeLessThanOrEqual(100) // those sent together came in any order
  }
  expectUnclear(await unknown())

  const worker = await startApp(ingress, { roles: ['worker'] })
  onTestFinished(() => worker.close())
  await until('a part to drain', async () => {
    expect(await Promise.all(watched.map(look))).toEqual([false, false, false])
    return watched.every(({ distances }) => distances.at(-1)! < distances[0]!)
  })
  expectUnclear(await unknown())

  await openGate()
  await until('the rest to drain', async () => (await Promise.all(watched.map(look))).every(Boolean))
  for (const { distances } of watched) {
    expect(distances).toEqual(distances.toSorted((a, b) => b - a))
    expect(distances.at(-1)).toBeGreaterThan(0)
  }
  const none = await until('an end of the lag', async () => {
    const answer = await unknown()
    return answer.status !== 503 && answer
  })
  expectProblem(none, 'not-found')
  for (const { positioned, bare } of watched)
    expect((await read(bare)).body).toEqual((await read(positioned)).body)
})
