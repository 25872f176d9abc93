import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { freePort } from '../../src/embedded/ports.ts'
import { makeBuild } from '../support/build.ts'
import { listen, produce } from '../support/kafka.ts'
import { asAdmin, countRecords, hasAll } from '../support/log-ends.ts'
import type { ServiceProcess } from '../support/process.ts'
import { dial } from '../support/raw-http.ts'
import { DOOR_NAMES, DOORS, type Door, type Ended, startLoad } from '../support/steady-load.ts'
import { until } from '../support/until.ts'
import { aWorkflow } from '../support/workflows.ts'
import { makeWorld, type World } from '../support/world.ts'

const WORKERS = 3
const INGRESSES = 2
const ROUNDS = 2
const PARTITIONS = 6

test('three workers and two ingresses are replaced one after the other, twice, and no request comes to harm', {
  timeout: 120_000,
}, async () => {
  const world = await makeWorld()
  onTestFinished(() => world.close())
  world.env.TOPIC_PARTITIONS = String(PARTITIONS)
  const build = await makeBuild()
  /** Each has a name of its own at PostgreSQL, and does not give up the wait for a lock before it is told to stop. */
  const startIn = async (name: Place['name']): Promise<Place> => {
    const port = await freePort()
    const database = new URL(world.env.DATABASE_URL!)
    database.searchParams.set('application_name', `${name} ${port}`)
    database.searchParams.set('options', '-c lock_timeout=0')
    const env = { ...world.env, PORT: String(port), DATABASE_URL: database.href, LOG_LEVEL: 'debug' }
    const start = () => build.start(name, env)
    const process = await start()
    return { name, url: process.url, process, start }
  }
  const places = await Promise.all([
    ...Array.from({ length: INGRESSES }, () => startIn('ingress')),
    ...Array.from({ length: WORKERS }, () => startIn('worker')),
  ])
  const ingresses = places.filter(({ name }) => name === 'ingress')
  const workers = places.filter(({ name }) => name === 'worker')
  const replies = await listen(world, world.env.REPLY_TOPIC!)
  onTestFinished(() => replies.close())
  const load = startLoad(ingresses)
  onTestFinished(() => load.stop())
  const raw: string[] = []

  for (let round = 1; round <= ROUNDS; round += 1) {
    for (const ingress of ingresses) {
      await until('a load on both doors', load.wentOn())
      const slow = await Promise.all(DOOR_NAMES.map((door) => beginSlowly(ingress.url, door)))
      await replace(ingress, async () => {
        for (const request of slow) load.ended.push(await request.finish())
      })
    }
    for (const worker of workers) {
      await haveJoined(world)
      const held = await holdUp(world)
      raw.push(...held.requestIds)
      const { told } = await replace(worker, () => held.letGo())
      expect(told.some((line) => held.requestIds.some((id) => line.includes(id)))).toBe(true)
    }
  }
  await haveJoined(world)
  await until('a load on both doors', load.wentOn())
  await load.stop()

  expect(load.faults).toEqual([])
  const accepted = load.ended.filter(({ door }) => door === 'workflow-requests')
  expect(accepted.length).toBeGreaterThan(0)
  const records = [...accepted.map(({ requestId }) => requestId!), ...raw]
  const requests = await listen(world, world.env.REQUEST_TOPIC!)
  onTestFinished(() => requests.close())
  await hasAll(world, world.env.REQUEST_TOPIC!, requests)
  const sent = requests.records.map(({ headers }) => headers.ce_id ?? headers['request-id'])
  expect(new Set(sent)).toEqual(new Set(records)) // nothing that was not answered
  const total = load.ended.length + raw.length
  const outcomes = await until('an outcome of each request', async () => {
    const stored = await outcomesOf(world)
    return stored.length >= total && new Map(stored)
  })
  expect(outcomes.size).toBe(total)
  expect([...new Set(outcomes.values())]).toEqual(['created'])
  expect(records.filter((id) => !outcomes.has(id))).toEqual([])
  expect(await namesIn(world)).toEqual(new Set([...load.ended.map(({ name }) => name), ...raw]))

  const answered = () => new Set(replies.records.map(({ headers }) => headers['request-id']))
  await until('a reply to each record', () => records.every((id) => answered().has(id)))
  await hasAll(world, world.env.REPLY_TOPIC!, replies)
  for (const { headers } of replies.records)
    expect(headers.outcome).toBe(outcomes.get(headers['request-id']!))
  expect(await countRecords(world, world.env.DEAD_LETTER_TOPIC!)).toBe(0)
})

/** Where a process runs, and after it the next one. */
interface Place {
  name: 'ingress' | 'worker'
  url: string
  process: ServiceProcess
  start(): Promise<ServiceProcess>
}

/**
 * Tells the process at a place to stop, does `meanwhile` once it takes on nothing new, sees it end in good order, and
 * starts the next one there. Answers what it still said in its log.
 */
async function replace(place: Place, meanwhile: () => Promise<void>): Promise<{ told: string[] }> {
  const { process, url } = place
  const linesBefore = process.lines.length
  process.kill('SIGTERM')
  await until('an end of what it takes on', () => isRefused(url))
  await meanwhile()
  expect(await process.exited).toEqual({ code: 0, signal: null })
  const told = process.lines.slice(linesBefore)
  expect(told.filter((line) => /"level":"(error|fatal)"/.test(line))).toEqual([])
  place.process = await place.start()
  return { told }
}

async function isRefused(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  try {
    await once(socket, 'connect')
    return false
  } catch {
    return true
  } finally {
    socket.destroy()
  }
}

/** Sends a request but for the end of its body; resolves when the process has begun to read it. */
async function beginSlowly(url: string, door: Door) {
  const workflow = aWorkflow()
  const body = JSON.stringify(workflow)
  const line = dial(url)
  onTestFinished(() => line.hangUp())
  line.say(
    `POST /api/v1/${door} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\nexpect: 100-continue\r\n\r\n`,
  )
  await until('a process that reads', () => line.heard().includes('100 Continue'))
  line.say(body.slice(0, 20))

  /** The answer comes, and says that it is the last on this connection. */
  async function finish(): Promise<Ended> {
    line.say(body.slice(20))
    await until('an answer to the end', () => line.isClosed())
    const [, head = '', answer = ''] = line.heard().split('\r\n\r\n')
    expect(head).toMatch(new RegExp(`^HTTP/1.1 ${DOORS[door]} `))
    expect(head).toMatch(/^connection: close$/im)
    return { door, name: String(workflow.workflow_name), requestId: JSON.parse(answer).request_id }
  }
  return { finish }
}

/** Waits until the group is at rest and each worker is in it. */
async function haveJoined(world: World): Promise<void> {
  await asAdmin(world, (admin) =>
    until(`a group of ${WORKERS}`, async () => {
      const { groups } = await admin.describeGroups([world.env.CONSUMER_GROUP!])
      return groups[0]?.state === 'Stable' && groups[0].members.length === WORKERS
    }),
  )
}

/**
 * Sends a record to each partition for a workflow whose name somebody holds, and resolves when each worker waits for
 * that with a chunk in hand.
 */
async function holdUp(world: World): Promise<{ requestIds: string[]; letGo(): Promise<void> }> {
  const requestIds = Array.from({ length: PARTITIONS }, () => randomUUID())
  const holder = new pg.Client({ connectionString: world.infrastructure.migrateDatabaseUrl })
  await holder.connect()
  onTestFinished(() => holder.end())
  await holder.query('begin')
  const held = await holder.query('select pg_backend_pid() as pid')
  await holder.query(
    `insert into workflow
      select made.* from (select * from workflow limit 1) one, unnest($1::text[]) held,
        jsonb_populate_record(null::workflow, to_jsonb(one) || jsonb_build_object('workflow_name', held,
          'workflow_id', gen_random_uuid(), 'created_by_request', gen_random_uuid())) made`,
    [requestIds],
  )
  await produce(
    world,
    requestIds.map((id, partition) => ({
      partition,
      value: JSON.stringify(aWorkflow({ workflow_name: id })),
      headers: { 'request-id': id },
    })),
  )
  await until('a chunk in the hands of each worker', async () => {
    const { rows } = await world.owner.query(
      'select distinct application_name from pg_stat_activity where $1 = any(pg_blocking_pids(pid))',
      [held.rows[0].pid],
    )
    return rows.length >= WORKERS
  })
  return {
    requestIds,
    letGo: async () => void (await holder.query('rollback')),
  }
}

async function outcomesOf(world: World): Promise<[id: string, outcome: string][]> {
  const { rows } = await world.owner.query('select request_id, outcome::text from registration_request')
  return rows.map(({ request_id, outcome }) => [request_id, outcome])
}

async function namesIn(world: World): Promise<Set<string>> {
  const { rows } = await world.owner.query('select workflow_name from workflow')
  return new Set(rows.map(({ workflow_name }) => workflow_name))
}
