import { expect, onTestFinished, test } from 'vitest'
import { get, post } from '../support/http.ts'
import { until } from '../support/until.ts'
import { aWorkflow } from '../support/workflows.ts'
import { makeWorld, startApp, withService } from '../support/world.ts'

/** Whoever migrates holds it, as src/db/migrate.ts says. */
const MIGRATION_LOCK = 0x77_66_72_67

const now = (url: string) => post(`${url}/api/v1/workflows`, aWorkflow())
const later = (url: string) => post(`${url}/api/v1/workflow-requests`, aWorkflow())
const ready = (url: string) => get(`${url}/health/ready`)

test('the synchronous door is shut, and says so, while PostgreSQL takes no changes', async () => {
  const { url, owner, env } = await withService({ roles: ['ingress'] })
  const role = new URL(env.DATABASE_URL!).username
  const turn = async (to: 'on' | 'off') => {
    await owner.query(`alter role ${role} set default_transaction_read_only = ${to}`)
    await owner.query('select pg_terminate_backend(pid) from pg_stat_activity where usename = $1', [role])
  }
  await turn('on')
  await until('a door that is shut', async () => (await ready(url)).body.shut !== undefined)
  expect((await ready(url)).body).toEqual({
    status: 'ready',
    shut: [{ door: 'sync', reasons: ['PostgreSQL takes no changes: it is a standby, or read-only'] }],
  })
  expect((await now(url)).status).toBe(503)
  expect((await later(url)).status).toBe(202)
  await turn('off')
  await until('an open door', async () => (await ready(url)).body.shut === undefined)
  expect((await now(url)).status).toBe(201)
})

test('a privilege that is missing shuts what needs it, and nothing else, and is named', async () => {
  const world = await makeWorld()
  onTestFinished(() => world.close())
  const [ingress, worker] = [
    await startApp(world, { roles: ['ingress'] }),
    await startApp(world, { roles: ['worker'] }),
  ]
  onTestFinished(async () => void (await Promise.all([ingress.close(), worker.close()])))
  const role = new URL(world.env.DATABASE_URL!).username
  const isWhole = () => until('readiness', async () => (await ready(worker.url)).status === 200)

  await isWhole()
  await world.owner.query(`revoke insert on workflow from ${role}`)
  const reason = 'PostgreSQL does not let our role do this: insert on workflow'
  expect((await ready(ingress.url)).body.shut).toEqual([{ door: 'sync', reasons: [reason] }])
  expect(await ready(worker.url)).toMatchObject({ status: 503, body: { detail: reason } })
  expect((await now(ingress.url)).status).toBe(500)

  await world.owner.query(
    `grant insert on workflow to ${role}; revoke select on consumer_progress from ${role}`,
  )
  expect((await ready(ingress.url)).body).toEqual({ status: 'ready' })
  expect((await now(ingress.url)).status).toBe(201)
  const { status, body } = await ready(worker.url)
  expect(status).toBe(503)
  expect(body.detail).toContain('PostgreSQL does not let our role do this: select on consumer_progress')
  expect(body.detail).not.toContain('does not answer')

  await world.owner.query(`grant select on consumer_progress to ${role}`)
  await isWhole()
  await world.owner.query('alter table workflow rename to elsewhere')
  expect((await ready(ingress.url)).body.shut).toEqual([
    { door: 'sync', reasons: ['PostgreSQL refuses what is asked of it (42P01)'] },
  ])
})

test('nothing is stored or read on a schema that is not ready: 503 until the migration is done', async () => {
  const world = await makeWorld()
  onTestFinished(() => world.close())
  await (await startApp(world)).close()
  const migrating = await world.owner.connect()
  onTestFinished(() => migrating.release(true))
  await migrating.query('select pg_advisory_lock($1)', [MIGRATION_LOCK])
  const app = await startApp(world, { roles: ['ingress'] })
  onTestFinished(() => app.close())
  expect((await ready(app.url)).body).toEqual({
    status: 'ready',
    shut: [{ door: 'sync', reasons: ['PostgreSQL is not ready yet'] }],
  })
  const accepted = await later(app.url)
  expect(accepted.status).toBe(202)
  for (const answer of [
    await now(app.url),
    await get(`${app.url}/api/v1/workflows`),
    await get(`${app.url}${accepted.headers.get('location')}`),
  ])
    expect(answer).toMatchObject({ status: 503, body: { retryable: true } })
  await migrating.query('select pg_advisory_unlock($1)', [MIGRATION_LOCK])
  await until('an open door', async () => (await ready(app.url)).body.shut === undefined)
  expect((await now(app.url)).status).toBe(201)
  expect(app.logs.filter(({ level }) => level === 'error' || level === 'fatal')).toEqual([])
})
