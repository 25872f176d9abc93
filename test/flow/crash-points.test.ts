import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import type { Step } from '../../src/kafka/settle.ts'
import { listen, produce, type Received } from '../support/kafka.ts'
import { leaveGroupForTheDead } from '../support/leave-group.ts'
import { asAdmin, countRecords, hasAll } from '../support/log-ends.ts'
import { inspectOutput } from '../support/process.ts'
import { startTcpProxy } from '../support/tcp-proxy.ts'
import { until } from '../support/until.ts'
import { aWorkflow } from '../support/workflows.ts'
import { makeWorld, startApp, type World } from '../support/world.ts'

/** The records lie in one partition and make two chunks, of 500 and of the rest. */
const FIRST_CHUNK = 500
const REST = 40
const ALL = FIRST_CHUNK + REST

interface Crash {
  at: Step
  nth: number
  rows: number
  replies: number
  /** Whether its dead letters are there. */
  isParked: boolean
}

/** What is there when a worker dies: a chunk is stored, its dead letters parked, then announced, and only then settled. */
const CRASHES: Crash[] = [
  { at: 'fetched', nth: 1, rows: 0, replies: 0, isParked: false },
  { at: 'stored', nth: 1, rows: FIRST_CHUNK, replies: 0, isParked: false },
  { at: 'parked', nth: 1, rows: FIRST_CHUNK, replies: 0, isParked: true },
  { at: 'announced', nth: 2, rows: ALL, replies: ALL, isParked: true },
  { at: 'settled', nth: 1, rows: FIRST_CHUNK, replies: FIRST_CHUNK, isParked: true },
]

test.each(CRASHES)(
  'a worker that is killed once chunk $nth is $at loses nothing and makes up nothing',
  async (crash) => {
    const { at, nth, rows, replies, isParked } = crash
    const world = await aWorld()
    const expected = await produceMixed(world)
    const worker = startCrashingWorker(world, { CRASH_AT: `${at}:${nth}` })
    expect(await worker.exited).toBe('SIGKILL')
    expect(worker.output().trim().split('\n').at(-1)).toBe(`crashing: ${at}`)

    const before = await storedRows(world)
    expect(before).toHaveLength(rows)
    expect(await countRecords(world, world.env.REPLY_TOPIC!)).toBe(replies)
    expect((await countRecords(world, world.env.DEAD_LETTER_TOPIC!)) > 0).toBe(isParked)
    expect(await committed(world)).toBe(-1)
    await expectWholeAfterRestart(world, expected, before)
  },
)

test('a worker that is killed after the commit and before it knows of it loses nothing and makes up nothing', async () => {
  const world = await aWorld()
  const expected = await produceMixed(world)
  const proxy = await startTcpProxy(world.infrastructure.databaseUrl)
  onTestFinished(() => proxy.close())
  const url = new URL(world.infrastructure.databaseUrl)
  url.port = String(proxy.port)
  const answered = proxy.withholdAnswer('insert into workflow')
  const worker = startCrashingWorker(world, { CRASH_AT: 'stored:1', DATABASE_URL: url.href })
  await Promise.race([answered, worker.exited])
  worker.kill()
  expect(await worker.exited).toBe('SIGKILL')
  expect(worker.output()).not.toContain('crashing')

  const before = await storedRows(world)
  expect(before).toHaveLength(FIRST_CHUNK)
  expect(await countRecords(world, world.env.REPLY_TOPIC!)).toBe(0)
  await expectWholeAfterRestart(world, expected, before)
})

async function aWorld(): Promise<World> {
  const world = await makeWorld()
  Object.assign(world.env, { TOPIC_PARTITIONS: '1' })
  onTestFinished(() => world.close())
  const topics = [{ topic: world.env.REQUEST_TOPIC!, numPartitions: 1 }]
  await asAdmin(world, (admin) => admin.createTopics({ topics }))
  return world
}

/** New workflows with a duplicate, an invalid one and one that is not JSON among every ten. Answers how each ends. */
async function produceMixed(world: World): Promise<Map<string, string>> {
  const records = Array.from({ length: ALL }, (_, index) => {
    const requestId = randomUUID()
    const workflow_name = `wf-${index % 10 === 7 ? index - 1 : index}`
    const kind = ['created', 'conflict', 'rejected', 'unreadable'][Math.max(0, (index % 10) - 6)]!
    const body = JSON.stringify(aWorkflow({ workflow_name, ...(kind === 'rejected' && { version: 'none' }) }))
    return { requestId, kind, value: kind === 'unreadable' ? 'not JSON' : body }
  })
  await produce(
    world,
    records.map(({ requestId, value }) => ({ value, headers: { 'request-id': requestId } })),
  )
  return new Map(records.map(({ requestId, kind }) => [requestId, kind === 'unreadable' ? 'rejected' : kind]))
}

function startCrashingWorker(world: World, env: Record<string, string>) {
  const script = fileURLToPath(new URL('../support/crashing-worker.ts', import.meta.url))
  const child = spawn(process.execPath, [script], {
    env: { ...world.env, LOG_LEVEL: 'trace', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  inspectOutput(child)
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  const exited = once(child, 'close').then(([code, signal]) => signal ?? code)
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await exited
  })
  return { exited, output: () => output, kill: () => child.kill('SIGKILL') }
}

async function storedRows(world: World): Promise<Record<string, unknown>[]> {
  const { rows } = await world.owner.query(
    `select request_id, outcome::text, completed_at, w.workflow_id from registration_request r
     left join workflow w on w.created_by_request = r.request_id order by request_id`,
  )
  return rows
}

/** Where the group goes on; -1 when it has committed nothing. */
async function committed(world: World): Promise<number> {
  const [topic] = await asAdmin(world, (admin) =>
    admin.fetchOffsets({ groupId: world.env.CONSUMER_GROUP!, topics: [world.env.REQUEST_TOPIC!] }),
  )
  return Number(topic!.partitions[0]!.offset)
}

async function expectWholeAfterRestart(
  world: World,
  expected: Map<string, string>,
  before: Record<string, unknown>[],
) {
  await leaveGroupForTheDead(world)
  const replies = await listen(world, world.env.REPLY_TOPIC!)
  const app = await startApp(world, { roles: ['worker'] })
  try {
    await until('all records', async () => (await committed(world)) === ALL)
    await hasAll(world, world.env.REPLY_TOPIC!, replies)
  } finally {
    await app.close()
    await replies.close()
  }

  const after = await storedRows(world)
  expect(new Map(after.map((row) => [row.request_id, row.outcome]))).toEqual(expected)
  const kept = new Set(before.map(({ request_id }) => request_id))
  expect(after.filter(({ request_id }) => kept.has(request_id))).toEqual(before)
  const { rows: catalog } = await world.owner.query('select count(*)::int as count from workflow')
  expect(catalog[0].count).toBe([...expected.values()].filter((outcome) => outcome === 'created').length)

  const told = Map.groupBy(replies.records, ({ headers }) => headers['request-id']!)
  expect(new Set(told.keys())).toEqual(new Set(expected.keys()))
  for (const [requestId, all] of told) {
    const row = after.find(({ request_id }) => request_id === requestId)!
    for (const reply of all) {
      expect(JSON.parse(String(reply.value))).toMatchObject({
        request_id: requestId,
        state: row.outcome,
        completed_at: (row.completed_at as Date).toISOString(),
        ...(row.outcome === 'created' && { workflow_id: row.workflow_id }),
      })
    }
    expect(new Set(all.map(sameness)).size).toBe(1)
  }
  expect(app.crashes).toEqual([])
}

const sameness = ({ value, headers }: Received) => JSON.stringify([String(value), headers])
