import { randomUUID } from 'node:crypto'
import { expect, onTestFinished, test } from 'vitest'
import { get } from '../support/http.ts'
import { listen, produce } from '../support/kafka.ts'
import { asAdmin, hasAll } from '../support/log-ends.ts'
import { type ServiceProcess, startProcess } from '../support/process.ts'
import { until } from '../support/until.ts'
import { aWorkflow } from '../support/workflows.ts'
import { makeWorld, type World } from '../support/world.ts'

const PARTITIONS = 6
const HALF = 150
/** A name comes again after so many requests, and then in another partition. */
const NAMES = 100

test('three workers share the partitions of a topic, and when one is killed the other two settle the rest', async () => {
  const world = await makeWorld()
  onTestFinished(() => world.close())
  world.env.TOPIC_PARTITIONS = String(PARTITIONS)
  const workers = await Promise.all(
    [1, 2, 3].map(() => startProcess('worker', world, { LOG_LEVEL: 'debug' })),
  )
  await haveJoined(world, workers.length)
  const replies = await listen(world, world.env.REPLY_TOPIC!)
  onTestFinished(() => replies.close())

  const first = await produceHalf(world, 'first')
  await until('the first half', async () => (await outcomes(world)).size === HALF)
  for (const worker of workers)
    await until('a worker that has settled some', () => settledBy(worker).some((id) => first.includes(id)))

  await world.owner.query(`
    create function full_disk() returns trigger language plpgsql as $$ begin raise exception 'full' using errcode = '53100'; end $$;
    create trigger full_disk before insert on registration_request for each statement execute function full_disk()`)
  const second = await produceHalf(world, 'second')
  const waiting = await Promise.all(workers.map(waitsFor))
  expect(waiting.flat().sort()).toEqual(Array.from({ length: PARTITIONS }, (_, partition) => partition))
  const [victim, ...others] = workers
  victim!.kill('SIGKILL')
  expect(await victim!.exited).toEqual({ code: null, signal: 'SIGKILL' })
  expect((await outcomes(world)).size).toBe(HALF)
  await world.owner.query('drop trigger full_disk on registration_request')

  const all = await until(
    'the second half',
    async () => {
      const stored = await outcomes(world)
      return stored.size === 2 * HALF && stored
    },
    60_000,
  )
  expect(new Set(all.keys())).toEqual(new Set([...first, ...second]))
  const created = [...all.values()].filter((outcome) => outcome === 'created')
  const conflicts = [...all.values()].filter((outcome) => outcome === 'conflict')
  expect([created.length, conflicts.length]).toEqual([2 * NAMES, 2 * (HALF - NAMES)])
  const { rows } = await world.owner.query(
    'select count(distinct workflow_name)::int, count(*)::int as rows from workflow',
  )
  expect(rows).toEqual([{ count: 2 * NAMES, rows: 2 * NAMES }])

  await until('all of it in the logs of the others', () => {
    const told = new Set(others.flatMap(settledBy))
    return second.every((id) => told.has(id))
  })
  expect(settledBy(victim!).filter((id) => second.includes(id))).toEqual([])
  await hasAll(world, world.env.REPLY_TOPIC!, replies)
  await until('a reply to each', () => {
    const answered = new Set(replies.records.map(({ headers }) => headers['request-id']))
    return all.keys().every((id) => answered.has(id))
  })
  for (const { headers, value } of replies.records) {
    expect(headers.outcome).toBe(all.get(headers['request-id']!))
    expect(JSON.parse(String(value)).state).toBe(headers.outcome)
  }
})

/** Waits until the group is at rest and each of its members has partitions. */
async function haveJoined(world: World, count: number): Promise<void> {
  await asAdmin(world, (admin) =>
    until(`a group of ${count}`, async () => {
      const { groups } = await admin.describeGroups([world.env.CONSUMER_GROUP!])
      return groups[0]?.state === 'Stable' && groups[0].members.length === count
    }),
  )
}

/** Requests over all partitions, some of them for a name that another partition has too. Answers their ids. */
async function produceHalf(world: World, prefix: string): Promise<string[]> {
  const records = Array.from({ length: HALF }, (_, index) => ({
    partition: index % PARTITIONS,
    value: JSON.stringify(aWorkflow({ workflow_name: `${prefix}-${index % NAMES}` })),
    headers: { 'request-id': randomUUID() },
  }))
  await produce(world, records)
  return records.map(({ headers }) => headers['request-id'])
}

async function outcomes(world: World): Promise<Map<string, string>> {
  const { rows } = await world.owner.query('select request_id, outcome::text from registration_request')
  return new Map(rows.map(({ request_id, outcome }) => [request_id, outcome]))
}

/** The requests that a worker says in its log it has settled. */
function settledBy({ lines }: ServiceProcess): string[] {
  return lines.flatMap((line) => {
    const { outcome, request_id } = line.startsWith('{') ? JSON.parse(line) : {}
    return outcome === undefined ? [] : request_id
  })
}

/** Waits until each of the two partitions that a worker has waits for the database. */
async function waitsFor({ url }: ServiceProcess): Promise<number[]> {
  return until('a worker that waits', async () => {
    const { body } = await get(`${url}/health/ready`)
    const found = [...String(body.detail).matchAll(/partition (\d+) waits: outage: 53100/g)]
    return found.length === PARTITIONS / 3 && found.map(([, partition]) => Number(partition))
  })
}
