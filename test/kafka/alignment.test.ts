import { expect, onTestFinished, test } from 'vitest'
import { commit, committed, progressIn, tables } from '../support/group-offsets.ts'
import { get, post } from '../support/http.ts'
import { listen, plainKafka, produce, type Received } from '../support/kafka.ts'
import { asAdmin, countRecords, hasAll, logEnds } from '../support/log-ends.ts'
import { scrape, valueIn } from '../support/metrics.ts'
import { until } from '../support/until.ts'
import { aWorkflow } from '../support/workflows.ts'
import { makeWorld, startApp, type World } from '../support/world.ts'

/** A world whose request topic has one partition, with the service in it. */
async function onePartition() {
  const world = await makeWorld()
  onTestFinished(() => world.close())
  world.env.TOPIC_PARTITIONS = '1'
  const service = await startApp(world)
  onTestFinished(() => service.close())
  return { world, service }
}

async function startWorker(world: World) {
  const worker = await startApp(world)
  onTestFinished(() => worker.close())
  return worker
}

const record = (fields?: Record<string, unknown>) => ({
  value: JSON.stringify(aWorkflow(fields)),
  headers: { 'request-id': crypto.randomUUID() },
})

/** A producer whose records come in transactions. */
async function startTransactional(world: World) {
  const producer = plainKafka(world).producer({
    transactionalId: `test-${crypto.randomUUID()}`,
    idempotent: true,
    maxInFlightRequests: 1,
  })
  await producer.connect()
  onTestFinished(() => producer.disconnect())
  return producer
}

/** Three records of every kind of outcome that a record can have by itself. */
function threeRecords() {
  const workflow_name = `wf-${crypto.randomUUID()}`
  return [record({ workflow_name }), record({ workflow_name }), record({ version: 'v1' })]
}

async function settled(world: World, count: number): Promise<void> {
  await until(`${count} settled records`, async () => (await progressIn(world))[0] === count)
}

async function replied(world: World, count: number): Promise<void> {
  await until(`${count} replies`, async () => (await countRecords(world, world.env.REPLY_TOPIC!)) >= count)
}

/** Every reply so far, by the id that a repeated one shares with the first. */
async function replies(world: World): Promise<Map<string, Received[]>> {
  const listener = await listen(world, world.env.REPLY_TOPIC!)
  await hasAll(world, world.env.REPLY_TOPIC!, listener)
  await listener.close()
  return Map.groupBy(listener.records, ({ headers }) => headers.ce_id!)
}

const errors = ({ logs }: { logs: { level: string }[] }) => logs.filter(({ level }) => level === 'error')

test('a group set back behind the progress repeats the outcomes since, and changes no row', async () => {
  const { world, service } = await onePartition()
  await produce(world, [...threeRecords(), ...threeRecords()])
  await replied(world, 6)
  await service.close()
  const before = await tables(world)
  await commit(world, 0, 2)
  expect(await progressIn(world)).toEqual([6])

  const worker = await startWorker(world)
  await replied(world, 10)
  await until('the commit', async () => (await committed(world))[0] === 6)
  await worker.close()
  expect(await tables(world)).toBe(before)
  const byId = [...(await replies(world)).values()]
  expect(byId.map((said) => said.length).sort()).toEqual([1, 1, 2, 2, 2, 2])
  for (const [first, ...repeated] of byId)
    for (const reply of repeated) expect(reply.value).toEqual(first!.value)
  expect(errors(worker)).toEqual([])
})

test('a group whose offsets are gone starts at the beginning of the log, and repeats every outcome', async () => {
  const { world, service } = await onePartition()
  await produce(world, threeRecords())
  await replied(world, 3)
  await service.close()
  const before = await tables(world)
  expect(await committed(world)).toEqual([3])
  await asAdmin(world, (admin) => admin.deleteGroups([world.env.CONSUMER_GROUP!]))
  expect(await committed(world)).toEqual([-1])

  const worker = await startWorker(world)
  await replied(world, 6)
  await until('the commit', async () => (await committed(world))[0] === 3)
  await worker.close()
  expect(await tables(world)).toBe(before)
  expect([...(await replies(world)).values()].map((said) => said.length)).toEqual([2, 2, 2])
  expect(errors(worker)).toEqual([])
})

test('a group that has committed more than the database remembers starts at the progress, and skips nothing', async () => {
  const { world, service } = await onePartition()
  await produce(world, threeRecords())
  await replied(world, 3)
  await service.close()
  await produce(world, threeRecords())
  await commit(world, 0, 5)
  expect(await progressIn(world)).toEqual([3])

  const worker = await startWorker(world)
  await settled(world, 6)
  await replied(world, 6)
  await worker.close()
  expect([...(await replies(world)).values()].map((said) => said.length)).toEqual(Array(6).fill(1))
  expect(errors(worker)).toEqual([])
})

test('a group that has committed all of the log starts at the progress, though nothing more comes', async () => {
  const { world, service } = await onePartition()
  await produce(world, threeRecords())
  await replied(world, 3)
  await service.close()
  await produce(world, threeRecords())
  await commit(world, 0, 6)
  expect(await progressIn(world)).toEqual([3])
  expect([...(await logEnds(world, world.env.REQUEST_TOPIC!)).values()]).toEqual([6])

  await startWorker(world)
  await settled(world, 6)
})

test('a database that falls back under a running worker is caught up with, and nothing is skipped', async () => {
  const { world } = await onePartition()
  await produce(world, threeRecords())
  await replied(world, 3)
  const all = ['workflow', 'registration_request', 'consumer_progress']
  await world.owner.query(
    `create schema kept; ${all.map((table) => `create table kept.${table} as table public.${table}`).join(';')}`,
  )
  await produce(world, threeRecords())
  await replied(world, 6)
  expect(await progressIn(world)).toEqual([6])
  await world.owner.query(
    `begin; truncate ${all.join()};
    ${all.map((table) => `insert into ${table} select * from kept.${table}`).join(';')}; commit`,
  )
  expect(await progressIn(world)).toEqual([3])

  await produce(world, [record()])
  await settled(world, 7)
  const { rows } = await world.owner.query('select count(*)::int from registration_request')
  expect(rows).toEqual([{ count: 7 }])
})

test('a database that falls back on a quiet partition is caught up with while another one has traffic', async () => {
  const world = await makeWorld()
  onTestFinished(() => world.close())
  await startWorker(world)
  await produce(
    world,
    [0, 0, 0, 0, 0, 1].map((partition) => ({ ...record(), partition })),
  )
  await replied(world, 6)
  await world.owner.query(`
    begin; truncate workflow, registration_request;
    update consumer_progress set next_offset = 2 where partition = 0; commit`)
  let sent = 1
  await until('the quiet partition settled again', async () => {
    await produce(world, [{ ...record(), partition: 1 }])
    sent += 1
    const { rows } = await world.owner.query(
      'select next_offset::int as next from consumer_progress where partition = 0',
    )
    return rows[0].next === 5
  })
  await until('the busy one settled too', async () => {
    const { rows } = await world.owner.query(
      'select next_offset::int as next from consumer_progress where partition = 1',
    )
    return rows[0].next === sent
  })
  const { rows } = await world.owner.query('select count(*)::int from workflow')
  expect(rows).toEqual([{ count: 3 + sent - 1 }])
})

test('a log that ends in aborted transactions is settled to its end, without a gap', async () => {
  const { world, service } = await onePartition()
  const topic = world.env.REQUEST_TOPIC!
  const producer = await startTransactional(world)
  const send = async (ending: 'commit' | 'abort', messages: ReturnType<typeof record>[]) => {
    const transaction = await producer.transaction()
    await transaction.send({ topic, messages })
    await transaction[ending]()
    return messages.map(({ headers }) => headers['request-id'])
  }
  const status = (id: string) => get(`${service.url}/api/v1/workflow-requests/${id}`)
  /** The markers of a transaction are written behind its back: so this waits for both. */
  const isSettledTo = async (end: number) => {
    await until(`a log that ends at ${end}`, async () => (await logEnds(world, topic)).get(0) === end)
    await settled(world, end)
  }

  const [kept] = await send('commit', [record()])
  await isSettledTo(2) // the record, and the marker of its transaction
  expect((await status(kept!)).body.state).toBe('created')

  const dropped = await send('abort', threeRecords())
  await isSettledTo(6)
  for (const id of dropped) expect((await status(id)).status).toBe(404)

  const [next] = await send('commit', [record()])
  await send('abort', threeRecords())
  await isSettledTo(12)
  expect((await status(next!)).body.state).toBe('created')
  expect((await status(crypto.randomUUID())).status).toBe(404)

  expect((await get(`${service.url}/health/ready`)).status).toBe(200)
  expect(errors(service)).toEqual([])
  const { rows } = await world.owner.query('select count(*)::int from registration_request')
  expect(rows).toEqual([{ count: 2 }])
})

test('a worker that starts behind aborted transactions settles the log to its end', async () => {
  const { world, service } = await onePartition()
  const topic = world.env.REQUEST_TOPIC!
  await produce(world, [record()])
  await replied(world, 1)
  await service.close()
  const producer = await startTransactional(world)
  const transaction = await producer.transaction()
  await transaction.send({ topic, messages: threeRecords() })
  await transaction.abort()
  await until('the marker', async () => (await logEnds(world, topic)).get(0) === 5)
  expect(await progressIn(world)).toEqual([1])

  const worker = await startWorker(world)
  await settled(world, 5)
  expect((await get(`${worker.url}/api/v1/workflow-requests/${crypto.randomUUID()}`)).status).toBe(404)
  expect(errors(worker)).toEqual([])
})

test('aborted transactions that nothing follows are settled once the database can be read, and nothing waits', async () => {
  const { world, service } = await onePartition()
  await produce(world, [record()])
  await replied(world, 1)
  await service.close()
  const worker = await startWorker(world) // it knows nothing of the partition before something comes
  const user = new URL(world.infrastructure.databaseUrl).username
  await world.owner.query(`revoke select on consumer_progress from ${user}`)
  const producer = await startTransactional(world)
  const transaction = await producer.transaction()
  await transaction.send({ topic: world.env.REQUEST_TOPIC!, messages: threeRecords() })
  await transaction.abort()
  await until('a worker that waits', async () => worker.logs.some(({ msg }) => msg === 'the worker waits'))
  await world.owner.query(`grant select on consumer_progress to ${user}`)
  await settled(world, 5)
  await until('readiness', async () => (await get(`${worker.url}/health/ready`)).status === 200)
})

test('records behind aborted ones are settled once the database takes them, however often it did not', async () => {
  const { world, service } = await onePartition()
  const topic = world.env.REQUEST_TOPIC!
  await produce(world, [record()])
  await replied(world, 1)
  await service.close()
  const producer = await startTransactional(world)
  for (const ending of ['abort', 'commit'] as const) {
    const transaction = await producer.transaction()
    await transaction.send({ topic, messages: [record(), record()] })
    await transaction[ending]()
  }
  await until('the markers', async () => (await logEnds(world, topic)).get(0) === 7)
  await world.owner.query(`
    create sequence refusals;
    create function refuse() returns trigger security definer language plpgsql as $$ begin
      if nextval('refusals') <= 5 then raise exception 'refused' using errcode = '53100'; end if;
      return null;
    end $$;
    create trigger refuse before insert on workflow execute function refuse();`)

  const worker = await startWorker(world)
  await settled(world, 7)
  expect(worker.logs.map(({ reason }) => reason)).toContain('outage: 53100')
  expect(errors(worker)).toEqual([])
  const { rows } = await world.owner.query('select count(*)::int from workflow')
  expect(rows).toEqual([{ count: 3 }])
})

test('a bare id is 503 while its record waits behind an open transaction, and pending by its place', async () => {
  const { world, service } = await onePartition()
  const producer = await startTransactional(world)
  const open = await producer.transaction()
  await open.send({ topic: world.env.REQUEST_TOPIC!, messages: [record()] })
  const accepted = await post(`${service.url}/api/v1/workflow-requests`, aWorkflow())
  expect(accepted.status).toBe(202)
  const byPlace = () => get(`${service.url}${accepted.headers.get('location')}`)
  const bare = () => get(`${service.url}/api/v1/workflow-requests/${accepted.body.request_id}`)
  expect((await byPlace()).body.state).toBe('pending')
  const { status } = await bare()
  await open.abort()
  await until('an outcome', async () => (await byPlace()).body.state === 'created')
  expect((await bare()).status).toBe(200)
  expect(status).toBe(503)
})

test('what waits behind an open transaction is lag that grows old, though the worker is well', async () => {
  const { world, service } = await onePartition()
  const backlog = async () => {
    const samples = await scrape(service.metricsUrl)
    return {
      lag: valueIn(samples, 'registrar_lag_records', { partition: '0' }),
      age: valueIn(samples, 'registrar_oldest_pending_age_seconds')!,
    }
  }
  const producer = await startTransactional(world)
  const open = await producer.transaction()
  await open.send({ topic: world.env.REQUEST_TOPIC!, messages: [record()] })
  await produce(world, [record(), record()])
  const first = await until('the lag', async () => {
    const now = await backlog()
    return now.lag === 3 && now.age > 0 && now
  })
  await until('a greater age', async () => {
    const now = await backlog()
    return now.lag === 3 && now.age > first.age
  })
  expect((await get(`${service.url}/health/ready`)).status).toBe(200)
  await open.abort()
  await until('no lag', async () => (await backlog()).lag === 0)
  expect((await backlog()).age).toBe(0)
  const { rows } = await world.owner.query('select count(*)::int from workflow')
  expect(rows).toEqual([{ count: 2 }])
})
