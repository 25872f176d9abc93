import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { get, post } from '../support/http.ts'
import { listen, plainKafka } from '../support/kafka.ts'
import { countRecords, hasAll } from '../support/log-ends.ts'
import { type OwnServers, startOwnServers } from '../support/own-servers.ts'
import { type ServiceProcess, startProcess } from '../support/process.ts'
import { until } from '../support/until.ts'
import { aWorkflow } from '../support/workflows.ts'
import { makeWorld, type World } from '../support/world.ts'

/**
 * How long each server stays away: longer than the group waits for a heartbeat. Half of it is under load, the
 * other half shows what mere waiting costs.
 */
const OUTAGE_MS = Number(process.env.OUTAGE_SECONDS || 60) * 1_000
const LIMIT_MS = 2 * OUTAGE_MS + 120_000

/** Of one core. */
const MOST_CPU_WHILE_WAITING = 0.05

let own: OwnServers
beforeAll(async () => {
  own = await startOwnServers()
})
afterAll(() => own?.close())

test('a long outage of PostgreSQL makes requests wait and nothing else', { timeout: LIMIT_MS }, async () => {
  const { world, running } = await startService()
  const requests = startRequests(world, running)
  await until('outcomes', async () => (await storedIds(world)).length >= 5)
  const generation = await generationOf(world)
  expect(generation).toBeGreaterThan(0)

  await own.postgres.stop()
  expect(own.postgres.isRunning()).toBe(false)
  const acceptedBefore = requests.ids.length
  const detail = await during(OUTAGE_MS / 2, async () => {
    expect((await post(`${running.url}/api/v1/workflows`, aWorkflow())).status).toBe(503)
    return await until('all partitions wait', async () => {
      const { status, body } = await get(`${running.url}/health/ready`)
      return (
        status === 503 &&
        [0, 1, 2].every((p) => body.detail.includes(`partition ${p} waits: outage:`)) &&
        body.detail
      )
    })
  })
  expect(detail).toContain('PostgreSQL does not answer')
  // Not before all partitions wait: what was stored at the last moment is still announced.
  const repliesBefore = await countRecords(world, world.env.REPLY_TOPIC!)
  await requests.stop()
  expect(requests.refused).toEqual([])
  expect(requests.ids.length - acceptedBefore).toBeGreaterThan(20)

  expect(await cpuShare(running.pid, OUTAGE_MS / 2)).toBeLessThan(MOST_CPU_WHILE_WAITING)
  expect((await get(`${running.url}/health/live`)).status).toBe(200)
  expect(await countRecords(world, world.env.REPLY_TOPIC!)).toBe(repliesBefore)
  await own.postgres.start()

  await allCreated(world, requests.ids)
  await isReady(running)
  expect(await generationOf(world)).toBe(generation)
  const burst = await Promise.all(
    Array.from({ length: 60 }, () => post(`${running.url}/api/v1/workflows`, aWorkflow())),
  )
  expect(new Set(burst.map(({ status }) => status))).toEqual(new Set([201]))
  const { rows: pools } = await world.owner.query(
    `select application_name as name, count(*)::int as sessions from pg_stat_activity
     where datname = current_database() and application_name like 'workflow-registrar %' group by 1`,
  )
  expect(pools.length).toBeGreaterThan(0)
  for (const { sessions } of pools) expect(sessions).toBeLessThanOrEqual(4)
  expect(running.lines.filter((line) => /"level":"(error|fatal)"/.test(line))).toEqual([])
})

test('a long outage of Kafka makes requests wait and nothing else', { timeout: LIMIT_MS }, async () => {
  const { world, running } = await startService()
  const requests = startRequests(world, running)
  await until('outcomes', async () => (await storedIds(world)).length >= 5)
  await requests.stop()
  expect(requests.refused).toEqual([])
  const generation = await generationOf(world)

  await own.kafka.stop()
  expect(own.kafka.isRunning()).toBe(false)
  const answers = await during(OUTAGE_MS / 2, async () => {
    const workflow = aWorkflow()
    const calls = [
      await post(`${running.url}/api/v1/workflows`, workflow),
      await post(`${running.url}/api/v1/workflows`, workflow),
      await post(`${running.url}/api/v1/workflow-requests`, aWorkflow()),
      await get(`${running.url}/health/ready`),
      await get(`${running.url}/health/live`),
    ]
    return calls.map(({ status }) => status)
  })
  expect(answers).toEqual([201, 409, 503, 503, 200])
  expect(await cpuShare(running.pid, OUTAGE_MS / 2)).toBeLessThan(MOST_CPU_WHILE_WAITING)
  await own.kafka.start()

  const later = startRequests(world, running)
  await until('requests are taken again', () => later.ids.length > 20)
  await later.stop()
  await allCreated(world, [...requests.ids, ...later.ids])
  await isReady(running)
  expect(await generationOf(world)).toBeLessThanOrEqual(generation + 1)
  expect(running.lines.filter((line) => /"level":"(error|fatal)"/.test(line))).toEqual([])
})

test.each(['postgres', 'kafka'] as const)(
  'a process that is told to stop while %s is away ends in good order',
  async (server) => {
    const { running } = await startService()
    await own[server].stop()
    onTestFinished(() => own[server].start())
    expect(own[server].isRunning()).toBe(false)
    await until('that it is noticed', async () => (await get(`${running.url}/health/ready`)).status === 503)
    const toldAt = performance.now()
    running.kill('SIGTERM')
    expect(await running.exited).toEqual({ code: 0, signal: null })
    expect(performance.now() - toldAt).toBeLessThan(10_000)
  },
)

async function startService(): Promise<{ world: World; running: ServiceProcess }> {
  const world = await makeWorld(own.servers)
  onTestFinished(() => world.close())
  const running = await startProcess('all-in-one', world)
  await isReady(running)
  return { world, running }
}

async function isReady(running: ServiceProcess) {
  await until('readiness', async () => (await get(`${running.url}/health/ready`)).status === 200)
}

/** A steady stream of raw records to each partition, and of requests at the asynchronous door. */
function startRequests(world: World, { url }: ServiceProcess) {
  const ids: string[] = []
  const refused: unknown[] = []
  let goesOn = true
  const producer = plainKafka(world).producer()
  async function run() {
    await producer.connect()
    while (goesOn) {
      const records = [0, 1, 2].map((partition) => ({ partition, requestId: randomUUID() }))
      const sent = producer.send({
        topic: world.env.REQUEST_TOPIC!,
        messages: records.map(({ partition, requestId }) => ({
          partition,
          value: JSON.stringify(aWorkflow()),
          headers: { 'request-id': requestId },
        })),
      })
      const [{ status, body }] = await Promise.all([
        post(`${url}/api/v1/workflow-requests`, aWorkflow()),
        sent,
      ])
      if (status === 202) ids.push(body.request_id)
      else refused.push(body)
      ids.push(...records.map(({ requestId }) => requestId))
      const pause = performance.now() + 100
      await until('the next turn', () => performance.now() > pause)
    }
    await producer.disconnect()
  }
  const done = run()
  done.catch(() => {}) // `stop` tells
  return {
    ids,
    refused,
    async stop() {
      goesOn = false
      await done
    },
  }
}

async function storedIds(world: World): Promise<string[]> {
  const { rows } = await world.owner.query('select request_id from registration_request')
  return rows.map(({ request_id }) => request_id)
}

/** Each request has its one outcome, `created`, and a reply; nothing is parked. */
async function allCreated(world: World, ids: readonly string[]) {
  const { rows } = await until('all outcomes', async () => {
    const found = await world.owner.query(
      'select outcome::text, count(*)::int as count from registration_request where request_id = any($1) group by 1',
      [ids],
    )
    return found.rows.reduce((sum, { count }) => sum + count, 0) === ids.length && found
  })
  expect(rows).toEqual([{ outcome: 'created', count: ids.length }])
  const replies = await listen(world, world.env.REPLY_TOPIC!)
  const missing = () => {
    const told = new Set(replies.records.map(({ headers }) => headers['request-id']))
    return ids.filter((id) => !told.has(id))
  }
  await until('all replies', () => missing().length === 0)
  await replies.close()
  expect(await countRecords(world, world.env.DEAD_LETTER_TOPIC!)).toBe(0)
}

/** Does something, and comes back when the time is over. */
async function during<T>(ms: number, work: () => Promise<T>): Promise<T> {
  const end = performance.now() + ms
  const result = await work()
  await until('the end of the outage', () => performance.now() > end, ms + 1_000)
  return result
}

/** How much of a core a process uses in that time. */
async function cpuShare(pid: number, ms: number): Promise<number> {
  const began = { cpu: cpuMs(pid), at: performance.now() }
  await during(ms, async () => {})
  return (cpuMs(pid) - began.cpu) / (performance.now() - began.at)
}

/** User and system time so far, which Linux counts in hundredths of a second. */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}

/** How often the group has been put together, as the broker has noted it in its own topic. */
async function generationOf(world: World): Promise<number> {
  const notes = await listen(world, '__consumer_offsets')
  await hasAll(world, '__consumer_offsets', notes)
  await notes.close()
  const groupKey = (group: string) => {
    const key = Buffer.alloc(4)
    key.writeInt16BE(2, 0) // metadata of a group
    key.writeInt16BE(Buffer.byteLength(group), 2)
    return Buffer.concat([key, Buffer.from(group)])
  }
  const mine = groupKey(world.env.CONSUMER_GROUP!)
  const last = notes.records.findLast(({ message, value }) => value && message.key?.equals(mine))!.value!
  return last.readInt32BE(4 + last.readInt16BE(2)) // after the version and the type of protocol
}
