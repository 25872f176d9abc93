import { expect, onTestFinished, test } from 'vitest'
import { post } from '../support/http.ts'
import { listen, produce } from '../support/kafka.ts'
import { leaveGroupForTheDead } from '../support/leave-group.ts'
import { asAdmin, countRecords, hasAll } from '../support/log-ends.ts'
import { type ServiceProcess, startProcess } from '../support/process.ts'
import { until } from '../support/until.ts'
import { aWorkflow } from '../support/workflows.ts'
import { makeWorld, startApp, type World } from '../support/world.ts'

const ENOUGH_TO_DRAIN_MS = 10_000
/** Two signals that are closer together than this count as one. */
const SAME_SIGNAL_MS = 500

async function aWorld(): Promise<World> {
  const world = await makeWorld()
  onTestFinished(() => world.close())
  return world
}

/**
 * Callers that POST one request after another, each to its end, until the process is no longer there: a request that has
 * no answer then was not taken on.
 */
function load(url: string, callers: number) {
  const accepted: string[] = []
  const acceptedNames: string[] = []
  const created: string[] = []
  const unexpected: unknown[] = []
  async function call(isSync: boolean) {
    for (;;) {
      const body = aWorkflow()
      const answer = await post(`${url}/api/v1/${isSync ? 'workflows' : 'workflow-requests'}`, body).catch(
        () => undefined, // no connection: it has gone, or is about to
      )
      if (!answer) return
      if (answer.status === 201) created.push(String(body.workflow_name))
      else if (answer.status !== 202) unexpected.push(answer.body)
      else {
        accepted.push(answer.body.request_id)
        acceptedNames.push(String(body.workflow_name))
      }
    }
  }
  const done = Promise.all(Array.from({ length: callers }, (_, index) => call(index % 2 === 0)))
  return { accepted, acceptedNames, created, unexpected, done }
}

/** Where the group goes on, and what the database knows as settled, for each partition. */
async function offsets(world: World) {
  const [topic] = await asAdmin(world, (admin) =>
    admin.fetchOffsets({ groupId: world.env.CONSUMER_GROUP!, topics: [world.env.REQUEST_TOPIC!] }),
  )
  const { rows } = await world.owner.query(
    'select partition, next_offset::int as offset from consumer_progress order by partition',
  )
  const committed = topic!.partitions
    .map(({ partition, offset }) => ({ partition, offset: Number(offset) }))
    .filter(({ offset }) => offset >= 0)
    .sort((one, other) => one.partition - other.partition)
  return { committed, settled: rows }
}

async function endOf(running: ServiceProcess) {
  const began = performance.now()
  const end = await running.exited
  return { ...end, ms: performance.now() - began }
}

test('a process that is told to stop under load loses nothing that it took on, refuses nobody with an error, and ends with 0', async () => {
  const world = await aWorld()
  const running = await startProcess('all-in-one', world)
  const callers = load(running.url, 16)
  const raw = Array.from({ length: 2_000 }, () => {
    const workflow = aWorkflow()
    return { name: String(workflow.workflow_name), value: JSON.stringify(workflow) }
  })
  await until('a load', () => callers.accepted.length >= 200 && callers.created.length >= 20)
  await produce(world, raw)
  await until('raw records under way', async () => {
    const { rows } = await world.owner.query('select count(*)::int as count from registration_request')
    return rows[0].count > callers.accepted.length + callers.created.length + 100
  })
  const linesBefore = running.lines.length
  running.kill('SIGINT')
  running.kill('SIGTERM') // at once, as from a terminal and from npm: it counts as the same
  const { code, ms } = await endOf(running)
  expect(code).toBe(0)
  expect(ms).toBeLessThan(ENOUGH_TO_DRAIN_MS)
  await callers.done
  expect(callers.unexpected).toEqual([])
  const requests = await listen(world, world.env.REQUEST_TOPIC!)
  onTestFinished(() => requests.close())
  await hasAll(world, world.env.REQUEST_TOPIC!, requests)
  const ids = requests.records.flatMap(({ headers }) => headers.ce_id ?? [])
  expect(new Set(ids)).toEqual(new Set(callers.accepted))
  const afterwards = running.lines.slice(linesBefore)
  expect(afterwards.filter((line) => /"level":"(warn|error|fatal)"/.test(line))).toEqual([])

  // What is settled is announced and committed too, and what is not is left whole.
  const { committed, settled } = await offsets(world)
  expect(committed).toEqual(settled)
  const settledCount = settled.reduce((sum: number, { offset }: { offset: number }) => sum + offset, 0)
  expect(await countRecords(world, world.env.REPLY_TOPIC!)).toBe(settledCount)
  expect(settledCount).toBeGreaterThan(0)

  const app = await startApp(world, { roles: ['worker'] })
  onTestFinished(() => app.close())
  const all = await countRecords(world, world.env.REQUEST_TOPIC!)
  expect(all).toBeGreaterThanOrEqual(callers.accepted.length + raw.length)
  await until('the rest', async () => (await countRecords(world, world.env.REPLY_TOPIC!)) >= all)
  const { rows } = await world.owner.query(
    'select outcome::text, count(*)::int as count from registration_request where request_id = any($1) group by 1',
    [callers.accepted],
  )
  expect(rows).toEqual([{ outcome: 'created', count: callers.accepted.length }])
  const { rows: catalog } = await world.owner.query('select workflow_name as name from workflow')
  const names = [...callers.created, ...callers.acceptedNames, ...raw.map(({ name }) => name)]
  expect(catalog.map(({ name }) => name).sort()).toEqual(names.sort())
  expect(await countRecords(world, world.env.DEAD_LETTER_TOPIC!)).toBe(0)
})

test('a second signal ends a process at once with 1, whatever is in hand, and nothing is lost', async () => {
  const world = await aWorld()
  const running = await startProcess('worker', world)
  const holder = await world.owner.connect()
  onTestFinished(() => holder.release(true))
  await holder.query('begin')
  await holder.query('lock table workflow in exclusive mode')
  const requestId = crypto.randomUUID()
  await produce(world, [{ value: JSON.stringify(aWorkflow()), headers: { 'request-id': requestId } }])
  await until('a chunk in hand', async () => {
    const { rowCount } = await world.owner.query(
      `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    )
    return rowCount! > 0
  })
  const first = performance.now()
  running.kill('SIGTERM')
  let ended = false
  void running.exited.then(() => {
    ended = true
  })
  await until('time for another signal', () => performance.now() - first > SAME_SIGNAL_MS + 100)
  expect(ended).toBe(false)
  running.kill('SIGTERM')
  const { code, ms } = await endOf(running)
  expect(code).toBe(1)
  expect(ms).toBeLessThan(1_000)
  await holder.query('rollback')

  await leaveGroupForTheDead(world)
  const app = await startApp(world, { roles: ['worker'] })
  onTestFinished(() => app.close())
  const stored = await until('the outcome', async () => {
    const { rows } = await world.owner.query('select request_id, outcome::text from registration_request')
    return rows.length > 0 && rows
  })
  expect(stored).toEqual([{ request_id: requestId, outcome: 'created' }])
})
