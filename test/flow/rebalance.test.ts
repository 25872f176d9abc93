import { expect, onTestFinished, test } from 'vitest'
import { get } from '../support/http.ts'
import { produce } from '../support/kafka.ts'
import { until } from '../support/until.ts'
import { aWorkflow } from '../support/workflows.ts'
import { makeWorld, startApp } from '../support/world.ts'

test('a worker does not wait for partitions that another one has taken over', async () => {
  const world = await makeWorld()
  onTestFinished(() => world.close())
  const start = async () => {
    const worker = await startApp(world, { roles: ['worker'] })
    onTestFinished(() => worker.close())
    return { ready: () => get(`${worker.url}/health/ready`) }
  }
  const one = await start()
  await world.owner.query(`
    create function full_disk() returns trigger language plpgsql as $$ begin raise exception 'full' using errcode = '53100'; end $$;
    create trigger full_disk before insert on registration_request for each statement execute function full_disk()`)
  await produce(
    world,
    [0, 1, 2].map((partition) => ({ partition, value: JSON.stringify(aWorkflow()) })),
  )
  await until('a worker that waits for all three', async () => {
    const { detail = '' } = (await one.ready()).body
    return [0, 1, 2].every((partition) => detail.includes(`partition ${partition} waits: outage: 53100`))
  })
  const other = await start()
  await until('partitions that moved', async () => {
    const { detail = '' } = (await one.ready()).body
    return detail.split('waits').length < 4
  })
  await world.owner.query('drop trigger full_disk on registration_request')
  for (const worker of [one, other])
    await until('a worker that is ready', async () => (await worker.ready()).status === 200)
  const { rows } = await world.owner.query('select count(*)::int as settled from registration_request')
  expect(rows).toEqual([{ settled: 3 }])
})
