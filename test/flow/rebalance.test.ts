import { expect, onTestFinished, test } from 'vitest'
import { get } from '../support/http.ts'
import { plainKafka, produce } from '../support/kafka.ts'
import { scrape, valueIn } from '../support/metrics.ts'
import { until } from '../support/until.ts'
import { aWorkflow } from '../support/workflows.ts'
import { makeWorld, startApp, type World } from '../support/world.ts'

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

test('while its group waits for a member that is stuck, a worker tells what it cannot settle', async () => {
  const world = await makeWorld()
  onTestFinished(() => world.close())
  const worker = await startApp(world, { roles: ['worker'] })
  onTestFinished(() => worker.close())
  const lags = async () => {
    const samples = await scrape(worker.metricsUrl)
    return samples.filter(({ name }) => name === 'registrar_lag_records').map(({ value }) => value)
  }
  const toEach = () =>
    produce(
      world,
      [0, 1, 2].map((partition) => ({ partition, value: JSON.stringify(aWorkflow()) })),
    )

  const others = [aMember(world), aMember(world)] as const
  onTestFinished(async () => void (await Promise.all(others.map((other) => other.leave()))))
  const [rival, third] = others
  await rival.join()
  await until('a share for each', async () => (await lags()).length < 3)
  await toEach()
  await rival.isStuck
  await until('nothing to do', async () => (await lags()).every((lag) => lag === 0))
  const rebalances = () => worker.logs.filter(({ msg }) => msg.includes('group is rebalancing')).length
  const earlier = rebalances()
  void third.join()
  await until('a rebalance', () => rebalances() > earlier)
  const settled = async () => valueIn(await scrape(worker.metricsUrl), 'registrar_settled_records_total')!
  const before = await settled()
  await toEach()
  const isLagging = async (records: number) => (await lags()).some((lag) => lag >= records)
  await until('the end of what it had fetched', async () => (await settled()) > before || isLagging(1))
  for (const records of [1, 2]) {
    await toEach()
    await until('its lag', () => isLagging(records))
  }
})

/** Another member of the group of this world, which does not come back from its first record before it leaves. */
function aMember(world: World) {
  const consumer = plainKafka(world).consumer({ groupId: world.env.CONSUMER_GROUP!, sessionTimeout: 60_000 })
  const [stuck, left] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  return {
    isStuck: stuck.promise,
    async join() {
      await consumer.connect()
      await consumer.subscribe({ topics: [world.env.REQUEST_TOPIC!] })
      await consumer.run({
        async eachMessage() {
          stuck.resolve()
          await left.promise
        },
      })
    },
    async leave() {
      left.resolve()
      await consumer.disconnect()
    },
  }
}
