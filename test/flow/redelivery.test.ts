import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { ConfigResourceTypes } from 'kafkajs'
import { expect, onTestFinished, test } from 'vitest'
import { get, post } from '../support/http.ts'
import { listen, produce, type Received } from '../support/kafka.ts'
import { leaveGroupForTheDead } from '../support/leave-group.ts'
import { asAdmin, countRecords } from '../support/log-ends.ts'
import { inspectOutput } from '../support/process.ts'
import { until } from '../support/until.ts'
import { aWorkflow } from '../support/workflows.ts'
import { makeWorld, startApp, type World, withService } from '../support/world.ts'

const text = (fields?: Record<string, unknown>) => JSON.stringify(aWorkflow(fields))
const withId = (id: string = crypto.randomUUID()) => ({ 'request-id': id })

/** What the tables hold, in one word that any change to any row would change. */
async function checksum(world: World): Promise<string> {
  const { rows } = await world.owner.query(`
    select
      (select md5(string_agg(t::text, '|' order by workflow_id)) from workflow t) as workflows,
      (select md5(string_agg(t::text, '|' order by request_id)) from registration_request t) as requests,
      (select md5(string_agg(t::text, '|' order by partition)) from consumer_progress t) as progress`)
  return JSON.stringify(rows[0])
}

async function countRows(world: World, condition = 'true'): Promise<[workflows: number, requests: number]> {
  const { rows } = await world.owner.query(`
    select (select count(*)::int from workflow) as workflows,
      (select count(*)::int from registration_request where ${condition}) as requests`)
  return [rows[0].workflows, rows[0].requests]
}

/** Counts every workflow that anyone tries to insert: a sequence keeps counting where the row is refused. */
async function countAttempts(world: World): Promise<() => Promise<number>> {
  await world.owner.query(`
    create sequence attempts minvalue 0 start 0;
    select nextval('attempts');
    create function count_attempt() returns trigger language plpgsql security definer as $$
      begin perform nextval('public.attempts'); return new; end $$;
    create trigger count_attempt before insert on workflow for each row execute function count_attempt()`)
  return async () => Number((await world.owner.query('select last_value from attempts')).rows[0].last_value)
}

async function listenToReplies(world: World) {
  const listener = await listen(world, world.env.REPLY_TOPIC!)
  onTestFinished(() => listener.close())
  return {
    records: listener.records,
    wait: (count: number) => until(`${count} replies`, () => listener.records.length >= count),
  }
}

/** What was said under each reply id, over and over. */
function saidById(replies: readonly Received[]): Map<string, string[]> {
  const byId = Map.groupBy(replies, ({ headers }) => headers.ce_id!)
  return new Map([...byId].map(([id, found]) => [id, found.map(({ value }) => value!.toString())]))
}

const statesOf = (replies: readonly Received[]) => replies.map(({ headers }) => headers.outcome).sort()

test('reading the topic again from its beginning changes no row and repeats each reply', async () => {
  const world = await makeWorld()
  onTestFinished(() => world.close())
  const service = await startApp(world)
  const replies = await listenToReplies(world)
  const taken = aWorkflow()
  const id = crypto.randomUUID()
  await produce(
    world,
    [
      { value: JSON.stringify(taken), headers: withId(id) },
      { value: JSON.stringify(taken) },
      { value: JSON.stringify({ ...taken, description: 'another' }) },
      { value: text({ version: 'v1' }) },
      { value: text(), headers: withId(id) },
      { value: 'not JSON', headers: withId() },
      { value: 'not JSON' },
    ].map((record) => ({ ...record, partition: 0 })),
  )
  for (const body of [aWorkflow(), aWorkflow()]) {
    const accepted = await post(`${service.url}/api/v1/workflow-requests`, body, {
      'idempotency-key': '"once"',
    })
    expect(accepted.status).toBe(202)
    await until('an outcome', async () => {
      const { body } = await get(`${service.url}${accepted.headers.get('location')}`)
      return body.state !== 'pending'
    })
  }
  await replies.wait(8)
  await service.close()
  const [before, [workflows, requests]] = [await checksum(world), await countRows(world)]
  expect([workflows, requests]).toEqual([2, 7])
  expect(statesOf(replies.records)).toEqual([
    ...Array(2).fill('conflict'),
    ...Array(2).fill('created'),
    ...Array(4).fill('rejected'),
  ])

  const again = await startApp(world, { roles: ['worker'], env: { CONSUMER_GROUP: `again-${id}` } })
  await replies.wait(16)
  await until(
    'the dead letters again',
    async () => (await countRecords(world, world.env.DEAD_LETTER_TOPIC!)) === 4,
  )
  await again.close()
  expect(await checksum(world)).toBe(before)
  expect(await countRecords(world, world.env.REPLY_TOPIC!)).toBe(16)
  for (const [first, ...repeated] of saidById(replies.records).values()) expect(repeated).toEqual([first])
  expect(again.logs.filter(({ level }) => level === 'error')).toEqual([])
})

test('a record that is alone when it comes again is created again, though PostgreSQL refuses its row', async () => {
  const service = await withService()
  const replies = await listenToReplies(service)
  const attempts = await countAttempts(service)
  const record = { value: text(), headers: withId() }
  await produce(service, [record])
  await replies.wait(1)
  const before = await checksumOfOutcomes(service)
  expect(await attempts()).toBe(1)

  await produce(service, [record])
  await replies.wait(2)
  expect(await attempts()).toBe(2)
  expect(await checksumOfOutcomes(service)).toBe(before)
  expect(statesOf(replies.records)).toEqual(['created', 'created'])
  expect(saidById(replies.records).size).toBe(1)
  expect(service.logs.filter(({ level }) => level === 'error')).toEqual([])
})

test('a batch that comes again is created again in one statement that inserts nothing', async () => {
  const service = await withService()
  const replies = await listenToReplies(service)
  const attempts = await countAttempts(service)
  const batch = Array.from({ length: 50 }, () => ({ value: text(), headers: withId(), partition: 0 }))
  await produce(service, batch)
  await replies.wait(50)
  const before = await checksumOfOutcomes(service)
  expect(await attempts()).toBe(50)

  await produce(service, batch)
  await replies.wait(100)
  expect(await attempts()).toBe(50)
  expect(await checksumOfOutcomes(service)).toBe(before)
  expect(statesOf(replies.records)).toEqual(Array(100).fill('created'))
  for (const [first, ...repeated] of saidById(replies.records).values()) expect(repeated).toEqual([first])
})

test('two groups that insert the same records at the same moment make each workflow once and agree', async () => {
  const service = await withService({ roles: ['ingress'] })
  const replies = await listenToReplies(service)
  const attempts = await countAttempts(service)
  for (const group of ['one', 'other']) {
    const worker = await startApp(service, {
      roles: ['worker'],
      env: { CONSUMER_GROUP: `${service.env.CONSUMER_GROUP}-${group}` },
    })
    onTestFinished(() => worker.close())
    await until(
      'a worker that is ready',
      async () => (await get(`${worker.url}/health/ready`)).status === 200,
    )
  }
  const letGo = await holdInserts(service, 2)
  const batch = Array.from({ length: 100 }, () => ({ value: text(), headers: withId(), partition: 0 }))
  await produce(service, batch)
  await letGo()
  await replies.wait(200)
  expect(await attempts()).toBeGreaterThan(100)
  expect(await countRows(service, "outcome = 'created'")).toEqual([100, 100])
  const said = [...saidById(replies.records).values()]
  expect(said).toHaveLength(100)
  for (const [first, ...repeated] of said) expect(new Set(repeated)).toEqual(new Set([first]))
})

test('a worker that is killed after it stored outcomes and before it replied replies after a restart', async () => {
  const world = await makeWorld()
  onTestFinished(() => world.close())
  const first = await startWorkerProcess(world)
  await setLargestReply(world, 1)
  const records = [text({ workflow_name: 'killed' }), text({ workflow_name: 'killed', name: 'Other' })]
  await produce(
    world,
    records.map((value) => ({ value, partition: 0, headers: withId() })),
  )
  await until('both outcomes stored', async () => (await countRows(world))[1] === 2)
  await until('a reply that failed', () => first.output().includes('the worker waits'))
  expect(await countRecords(world, world.env.REPLY_TOPIC!)).toBe(0)
  first.process.kill('SIGKILL')
  await first.exited
  expect(first.process.signalCode).toBe('SIGKILL')
  const before = await checksum(world)

  await setLargestReply(world, 1_000_000)
  expect(await countRecords(world, world.env.REPLY_TOPIC!)).toBe(0)
  await leaveGroupForTheDead(world)
  const replies = await listenToReplies(world)
  const second = await startWorkerProcess(world)
  await replies.wait(2)
  expect(statesOf(replies.records)).toEqual(['conflict', 'created'])
  const { rows } = await world.owner.query(
    `select request_id, outcome::text, completed_at from registration_request order by outcome::text`,
  )
  const stored = rows.map((row) => [row.request_id, row.outcome, row.completed_at.toISOString()])
  const told = replies.records
    .map(({ value }) => JSON.parse(value!.toString()))
    .map((document) => [document.request_id, document.state, document.completed_at])
    .sort(([, a], [, b]) => (a < b ? -1 : 1))
  expect(told).toEqual(stored)
  expect(await checksum(world)).toBe(before)
  second.process.kill('SIGTERM')
  await second.exited
  expect(second.process.exitCode).toBe(0)
})

/** The tables less the progress, which goes on with each record. */
async function checksumOfOutcomes(world: World): Promise<string> {
  const { progress: _progress, ...outcomes } = JSON.parse(await checksum(world))
  return JSON.stringify(outcomes)
}

/** The broker refuses every reply that is larger. */
async function setLargestReply(world: World, bytes: number): Promise<void> {
  const configEntries = [{ name: 'max.message.bytes', value: String(bytes) }]
  const resource = { type: ConfigResourceTypes.TOPIC, name: world.env.REPLY_TOPIC!, configEntries }
  await asAdmin(world, (admin) => admin.alterConfigs({ validateOnly: false, resources: [resource] }))
}

/** Makes inserts of workflows wait; what it answers lets them go once `count` of them wait. */
async function holdInserts(world: World, count: number): Promise<() => Promise<void>> {
  await world.owner.query(`
    create function wait_for_all() returns trigger language plpgsql as $$
      begin perform pg_advisory_xact_lock_shared(1); return new; end $$;
    create trigger wait_for_all before insert on workflow for each row execute function wait_for_all()`)
  const holder = await world.owner.connect()
  await holder.query('select pg_advisory_lock(1)')
  return async () => {
    await until(`${count} inserts that wait`, async () => {
      const { rowCount } = await world.owner.query(`
        select from pg_locks join pg_database on pg_database.oid = database
        where datname = current_database() and locktype = 'advisory' and not granted`)
      return rowCount === count
    })
    await holder.query('select pg_advisory_unlock(1)')
    holder.release()
  }
}

/** A worker in a process of its own, consuming. */
async function startWorkerProcess(world: World) {
  const bin = path.join(import.meta.dirname, '../../src/bin/worker.ts')
  const child = spawn(process.execPath, [bin], {
    env: { ...process.env, ...world.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  inspectOutput(child)
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      output += chunk
    })
  const exited = once(child, 'exit')
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await exited
  })
  await until('a worker that consumes', () => {
    if (child.exitCode !== null) throw new Error(`the worker ended: ${output}`)
    return output.includes('HTTP: listening')
  })
  return { process: child, exited, output: () => output }
}
