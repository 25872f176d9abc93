import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { migrate } from '../../src/db/migrate.ts'
import { tables } from '../support/group-offsets.ts'
import { type Answer, get, patch, post } from '../support/http.ts'
import { listen, produce } from '../support/kafka.ts'
import { countRecords, hasAll } from '../support/log-ends.ts'
import { runTool } from '../support/tool.ts'
import { until } from '../support/until.ts'
import { aWorkflow } from '../support/workflows.ts'
import { makeWorld, startApp, type TestApp, type World } from '../support/world.ts'
import { SESSIONS, startPgBouncer } from './pgbouncer-server.ts'

const EACH = 1_000
const CALLERS = 16
const BATCHES = 5
const BATCH = 100

/** A migrated world whose database is reached by way of a PgBouncer in transaction mode. */
async function pooledWorld(): Promise<World> {
  const world = await makeWorld()
  onTestFinished(() => world.close())
  const { databaseUrl, migrateDatabaseUrl } = world.infrastructure
  await migrate(migrateDatabaseUrl, databaseUrl)
  const { url } = await startPgBouncer(databaseUrl)
  return {
    ...world,
    infrastructure: { ...world.infrastructure, databaseUrl: url },
    env: { ...world.env, DATABASE_URL: url },
  }
}

/** A client of the pooler that asks for its session again and again, until told to stop. */
async function watchSessions(world: World) {
  const client = new pg.Client({ connectionString: world.infrastructure.databaseUrl })
  await client.connect()
  const sessions = new Set<number>()
  let stopped = false
  const watching = (async () => {
    while (!stopped) {
      const { rows } = await client.query('select pg_backend_pid() as pid')
      sessions.add(rows[0].pid)
    }
  })()
  async function stop() {
    stopped = true
    await watching
  }
  onTestFinished(async () => {
    await stop()
    await client.end()
  })
  return { client, sessions, stop }
}

/** Calls `count` times, by so many callers at a time, each one after the other. */
async function callMany(count: number, call: (index: number) => Promise<Answer>): Promise<Answer[]> {
  const answers: Answer[] = []
  let next = 0
  async function caller() {
    while (next < count) {
      const index = next++
      answers[index] = await call(index)
    }
  }
  await Promise.all(Array.from({ length: CALLERS }, caller))
  return answers
}

const statuses = (answers: readonly Answer[]) => [...new Set(answers.map(({ status }) => status))].sort()

const complaints = ({ logs }: TestApp) =>
  logs.filter(({ level }) => ['warn', 'error', 'fatal'].includes(level))

test('thousands of requests at all doors are settled behind PgBouncer in transaction mode, without a complaint', async () => {
  const world = await pooledWorld()
  const ingress = await startApp(world, { roles: ['ingress'] })
  const worker = await startApp(world, { roles: ['worker'] })
  onTestFinished(() => ingress.close())
  onTestFinished(() => worker.close())
  const replies = await listen(world, world.env.REPLY_TOPIC!)
  onTestFinished(() => replies.close())
  const watched = await watchSessions(world)
  const api = `${ingress.url}/api/v1`

  const raw = Array.from({ length: EACH }, (_, index) => ({
    key: `raw-${index % 700}`,
    value: JSON.stringify(aWorkflow({ workflow_name: `raw-${index % 700}`, name: `Name ${index}` })),
    headers: { 'request-id': randomUUID() },
  }))
  const [created, accepted, waited, batches] = await Promise.all([
    callMany(EACH, () => post(`${api}/workflows`, aWorkflow())),
    callMany(EACH, () => post(`${api}/workflow-requests`, aWorkflow())),
    callMany(CALLERS, () => post(`${api}/workflow-requests`, aWorkflow(), { prefer: 'wait=30' })),
    callMany(BATCHES, () =>
      post(`${api}/workflows/batch`, { workflows: Array.from({ length: BATCH }, () => aWorkflow()) }),
    ),
    produce(world, raw),
  ])
  expect([created, accepted, waited, batches].map(statuses)).toEqual([[201], [202], [201], [200]])
  for (const { body } of batches)
    expect(body.results.map(({ status }: { status: number }) => status)).toEqual(Array(BATCH).fill(201))
  const again = await callMany(EACH / 10, (index) =>
    post(`${api}/workflows`, aWorkflow({ workflow_name: created[index]!.body.workflow_name })),
  )
  expect(statuses(again)).toEqual([409])
  const total = 2 * EACH + EACH + CALLERS + BATCHES * BATCH + again.length
  await until('all of them', async () => (await countRows(world)) === total)
  const outcomes = await outcomesOf(world)
  expect(raw.filter(({ headers }) => outcomes.get(headers['request-id']) === 'created')).toHaveLength(700)
  expect(accepted.filter(({ body }) => outcomes.get(body.request_id) === 'created')).toHaveLength(EACH)

  await produce(world, raw) // once more, as after a lost acknowledgement
  const all = await countRecords(world, world.env.REQUEST_TOPIC!)
  await until(
    'a reply to each of them',
    async () => (await countRecords(world, world.env.REPLY_TOPIC!)) >= all,
  )
  expect(await outcomesOf(world)).toEqual(outcomes)
  await hasAll(world, world.env.REPLY_TOPIC!, replies)
  for (const { headers } of replies.records)
    expect(headers.outcome).toBe(outcomes.get(headers['request-id']!))

  const { workflow_id: id, workflow_name: name } = created[0]!.body
  expect((await patch(`${api}/workflows/${id}`, { status: 'disabled' })).status).toBe(200)
  for (const read of [
    `workflows?workflow_name=${name}`,
    `workflow-requests?state=conflict`,
    `workflows/${id}`,
  ])
    expect((await get(`${api}/${read}`)).status).toBe(200)
  const status = await get(`${api}/workflow-requests/${accepted[0]!.body.request_id}`)
  expect(status.body).toMatchObject({ state: 'created' })
  const before = await tables(world)
  expect(await runTool('verify-replay', world)).toMatchObject({ code: 0, stderr: '' })
  expect(await tables(world)).toBe(before)

  await watched.stop()
  expect(watched.sessions.size).toBeGreaterThanOrEqual(SESSIONS)
  const { rows } = await watched.client.query(
    `select (select count(*)::int from pg_prepared_statements) as plans, current_setting('plan_cache_mode') as mode,
      current_setting('enable_seqscan') as scans, current_setting('statement_timeout') as limit`,
  )
  expect(rows).toEqual([{ plans: 0, mode: 'auto', scans: 'on', limit: '5s' }])
  expect([ingress, worker].flatMap(complaints)).toEqual([])
  expect([ingress, worker].flatMap(({ crashes }) => crashes)).toEqual([])
})

test('status rows are purged behind PgBouncer', async () => {
  const world = await pooledWorld()
  const ingress = await startApp(world, { roles: ['ingress'] })
  onTestFinished(() => ingress.close())
  for (let count = 0; count < 3; count += 1) await post(`${ingress.url}/api/v1/workflows`, aWorkflow())
  await world.owner.query("update registration_request set completed_at = now() - interval '31 days'")
  const worker = await startApp(world, { roles: ['worker'] })
  onTestFinished(() => worker.close())
  await until('the purge', async () => (await countRows(world)) === 0)
})

test('sessions that end behind PgBouncer cost no request its outcome', async () => {
  const world = await pooledWorld()
  const app = await startApp(world)
  onTestFinished(() => app.close())
  const ended = async () => {
    const { rowCount } = await world.owner.query(
      'select pg_terminate_backend(pid) from pg_stat_activity where usename = $1',
      [new URL(world.infrastructure.databaseUrl).username],
    )
    return rowCount!
  }
  const load = callMany(EACH / 2, () => post(`${app.url}/api/v1/workflow-requests`, aWorkflow()))
  let lost = 0
  await until('sessions that ended under way', async () => {
    lost += await ended()
    return lost >= 10
  })
  const accepted = await load
  expect(statuses(accepted)).toEqual([202])
  await until('all of them', async () => (await countRows(world)) === accepted.length)
  const outcomes = await outcomesOf(world)
  expect(accepted.map(({ body }) => outcomes.get(body.request_id))).toEqual(Array(EACH / 2).fill('created'))
  expect(app.crashes).toEqual([])
})

async function countRows(world: World): Promise<number> {
  const { rows } = await world.owner.query('select count(*)::int as count from registration_request')
  return rows[0].count
}

async function outcomesOf(world: World): Promise<Map<string, string>> {
  const { rows } = await world.owner.query('select request_id, outcome::text from registration_request')
  return new Map(rows.map(({ request_id, outcome }) => [request_id, outcome]))
}
