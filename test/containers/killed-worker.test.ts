import { expect, onTestFinished, test } from 'vitest'
import { inspect } from '../support/containers/docker.ts'
import { startRegistrar } from '../support/containers/registrar.ts'
import { startContainerServers } from '../support/containers/servers.ts'
import { post } from '../support/http.ts'
import { listen } from '../support/kafka.ts'
import { leaveGroupForTheDead } from '../support/leave-group.ts'
import { countRecords } from '../support/log-ends.ts'
import { until } from '../support/until.ts'
import { aWorkflow } from '../support/workflows.ts'
import { makeWorld, startApp, type World } from '../support/world.ts'

test('what a worker had in hand when its container was killed is settled by the next one', async () => {
  const own = await startContainerServers()
  onTestFinished(() => own.close())
  const world = await makeWorld(own.servers)
  onTestFinished(() => world.close())
  const ingress = await startApp(world, { roles: ['ingress'] })
  onTestFinished(() => ingress.close())
  const { MIGRATE_DATABASE_URL: _, ...env } = own.inside(world.env)
  const first = await startRegistrar('worker', own.network, env)

  const letGo = await holdInserts(world)
  const taken = aWorkflow()
  const bodies = [
    taken,
    { ...taken, description: 'another' },
    ...Array.from({ length: 58 }, () => aWorkflow()),
  ]
  const accepted = await Promise.all(
    bodies.map((body) => post(`${ingress.url}/api/v1/workflow-requests`, body)),
  )
  expect(new Set(accepted.map(({ status }) => status))).toEqual(new Set([202]))
  await until('requests in hand', () => insertsWait(world))
  await first.kill()
  expect((await inspect(first.id)).State).toMatchObject({ Running: false, ExitCode: 137 })
  expect(await outcomes(world)).toEqual({})
  await letGo()
  await leaveGroupForTheDead(world)

  await startRegistrar('worker', own.network, env)
  const stored = await until('all outcomes', async () => {
    const found = await outcomes(world)
    return Object.keys(found).length >= accepted.length && found
  })
  const ids = accepted.map(({ body }) => body.request_id)
  expect(Object.keys(stored).sort()).toEqual(ids.toSorted())
  expect(Object.values(stored).filter((outcome) => outcome !== 'created')).toEqual(['conflict'])
  const replies = await listen(world, world.env.REPLY_TOPIC!)
  onTestFinished(() => replies.close())
  const told = () => new Map(replies.records.map(({ headers }) => [headers['request-id'], headers.outcome]))
  await until('a reply to each', () => told().size >= ids.length)
  expect(Object.fromEntries(told())).toEqual(stored)
  expect(await countRecords(world, world.env.DEAD_LETTER_TOPIC!)).toBe(0)
})

/** The outcome of each request that has one. */
async function outcomes(world: World): Promise<Record<string, string>> {
  const { rows } = await world.owner.query('select request_id, outcome::text from registration_request')
  return Object.fromEntries(rows.map(({ request_id, outcome }) => [request_id, outcome]))
}

/** Makes inserts of workflows wait until what it answers lets them go. */
async function holdInserts(world: World): Promise<() => Promise<void>> {
  await world.owner.query(`
    create function wait_for_test() returns trigger language plpgsql as $$
      begin perform pg_advisory_xact_lock_shared(1); return new; end $$;
    create trigger wait_for_test before insert on workflow for each row execute function wait_for_test()`)
  const holder = await world.owner.connect()
  await holder.query('select pg_advisory_lock(1)')
  return async () => {
    await holder.query('select pg_advisory_unlock(1)')
    holder.release()
  }
}

async function insertsWait(world: World): Promise<boolean> {
  const { rowCount } = await world.owner.query(`
    select from pg_locks join pg_database on pg_database.oid = database
    where datname = current_database() and locktype = 'advisory' and not granted`)
  return rowCount! > 0
}
