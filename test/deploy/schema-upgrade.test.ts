import { expect, onTestFinished, test } from 'vitest'
import { makeBuild } from '../support/build.ts'
import { startStoring, toFirstMigration } from '../support/first-schema.ts'
import { get } from '../support/http.ts'
import { countRecords } from '../support/log-ends.ts'
import type { ServiceProcess } from '../support/process.ts'
import { startLoad } from '../support/steady-load.ts'
import { runScript } from '../support/tool.ts'
import { until } from '../support/until.ts'
import { makeWorld } from '../support/world.ts'

/** What a later version may do to the schema while this one runs: it adds, and neither changes nor removes. */
const LATER_MIGRATION = `
  alter table workflow add column later text;
  alter table registration_request add column later text;
  alter table consumer_progress add column later text;
  create index ix_workflow_later on workflow (later);
  insert into drizzle.__drizzle_migrations (hash, created_at)
    select 'later', max(created_at) + 1 from drizzle.__drizzle_migrations`

/** So many that each worker has its share. */
const MORE = 100

test('processes of this version go on, and start, while and after a later version has added to the schema', async () => {
  const world = await makeWorld()
  onTestFinished(() => world.close())
  const build = await makeBuild()
  const { MIGRATE_DATABASE_URL: _, ...asService } = world.env
  const start = (name: 'ingress' | 'worker', env = asService) =>
    build.start(name, { ...env, LOG_LEVEL: 'debug' })
  const ingress = await start('ingress', world.env)
  const old = [ingress, ...(await Promise.all([start('worker'), start('worker')]))]
  await Promise.all(old.map(isReady))
  const doors = [ingress]
  const load = startLoad(doors)
  onTestFinished(() => load.stop())
  const goesOn = async () => {
    const before = load.ended.length
    const more = await until(
      'more requests',
      () => load.ended.length >= before + MORE && load.ended.slice(before),
    )
    const ids = more.flatMap(({ door, requestId = '' }) => (door === 'workflow-requests' ? [requestId] : []))
    expect(ids.length).toBeGreaterThan(0)
    await until('their outcomes', async () => {
      const { rowCount } = await world.owner.query(
        'select from registration_request where request_id = any($1)',
        [ids],
      )
      return rowCount === ids.length
    })
  }
  await goesOn()

  await world.owner.query(LATER_MIGRATION)
  await goesOn()
  const { migrateDatabaseUrl } = world.infrastructure
  const late = await Promise.all([
    start('ingress'),
    start('worker'),
    start('worker', { ...asService, MIGRATE_DATABASE_URL: migrateDatabaseUrl }),
  ])
  await Promise.all(late.map(isReady))
  doors.splice(0, 1, late[0])
  for (const process of old) process.kill('SIGTERM')
  for (const process of old) expect(await process.exited).toEqual({ code: 0, signal: null })
  await goesOn()
  await load.stop()

  expect(load.faults).toEqual([])
  const { rows } = await until('an outcome of each request', async () => {
    const stored = await world.owner.query(
      'select outcome::text, later, count(*)::int from registration_request group by 1, 2',
    )
    return stored.rows[0].count >= load.ended.length && stored
  })
  expect(rows).toEqual([{ outcome: 'created', later: null, count: load.ended.length }])
  expect(await countRecords(world, world.env.DEAD_LETTER_TOPIC!)).toBe(0)
  expect([...old, ...late].flatMap(complaints)).toEqual([])
})

test('the migrations after the first are applied under load, and lose nothing of what was and is stored', async () => {
  const world = await makeWorld()
  onTestFinished(() => world.close())
  await toFirstMigration(world)
  const build = await makeBuild()
  const storing = startStoring(world)
  await storing.goesOn()
  const migrated = await runScript(['dist/migrate.js'], { env: world.env, cwd: build.folder })
  expect(migrated).toMatchObject({ code: 0, stderr: '' })
  await storing.goesOn()
  const { stored, faults } = await storing.stop()
  expect(faults).toEqual([])
  const { rows } = await world.owner.query(
    `select request_id::text as id from registration_request join workflow on created_by_request = request_id
      where registration_request.principal is null and workflow.principal is null order by 1`,
  )
  expect(rows.map(({ id }) => id)).toEqual(stored.toSorted())

  const { MIGRATE_DATABASE_URL: _, ...asService } = world.env
  const ingress = await build.start('ingress', asService)
  await isReady(ingress)
  for (const id of [stored[0], stored.at(-1)]) {
    const { body: ended } = await get(`${ingress.url}/api/v1/workflow-requests/${id}`)
    expect(ended).toMatchObject({ request_id: id, state: 'created', workflow_name: `wf-${id}` })
    const { body: workflow } = await get(`${ingress.url}/api/v1/workflows/${ended.workflow_id}`)
    expect(workflow).toMatchObject({ workflow_name: `wf-${id}`, principal: null })
  }
})

const isReady = ({ url }: ServiceProcess) =>
  until(`${url} to be ready`, async () => (await get(`${url}/health/ready`)).status === 200)

const complaints = ({ lines }: ServiceProcess) => lines.filter((line) => /"level":"(error|fatal)"/.test(line))
