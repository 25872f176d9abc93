import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isAsExpected, verdict } from '../../src/demo/report.ts'
import { type DemoParts, type Progress, type Registration, runDemo } from '../../src/demo/run-demo.ts'
import type { PassTally } from '../../src/demo/tally.ts'
import type { Problem } from '../../src/domain/problem.ts'
import { get, post } from '../support/http.ts'
import { listen, produce } from '../support/kafka.ts'
import { inspectOutput } from '../support/process.ts'
import { until } from '../support/until.ts'
import { makeWorld, startApp, type TestApp, type World, withService } from '../support/world.ts'

const ROOT = path.join(import.meta.dirname, '..', '..')
const RECORDS = readFileSync(path.join(ROOT, 'test/fixtures/workflows.jsonl'), 'utf8')
  .trim()
  .split('\n')
  .map((line): Registration => JSON.parse(line))

let world: World
let app: TestApp

beforeAll(async () => {
  world = await makeWorld()
  app = await startApp(world)
})

afterAll(async () => {
  await app.close()
  await world.close()
})

describe('27 are created and 3 conflict, then 90 of 90 conflict', () => {
  const rotated = (by: number) => [...RECORDS.slice(by), ...RECORDS.slice(0, by)]
  test.each([
    ['as they stand in the file', 'a-', RECORDS],
    ['with each at the next door', 'b-', rotated(1)],
    ['with each at the door after that', 'c-', rotated(2)],
    ['with the duplicates first', 'd-', rotated(26)],
    ['from last to first', 'e-', RECORDS.toReversed()],
  ])('%s', async (_order, prefix, records) => {
    const [first, second] = await bothPasses({ ...parts(world, app), records, prefix })

    expect(first.all.counts).toEqual({ created: 27, conflict: 3, rejected: 0, failed: 0 })
    expect(first.doors.map(({ counts }) => counts.created + counts.conflict)).toEqual([10, 10, 10])
    expect(first).toMatchObject({ identical: 1, alreadyThere: 0, withoutOutcome: [] })
    expect(second.doors.map(({ counts }) => counts)).toEqual(
      Array(3).fill({ created: 0, conflict: 30, rejected: 0, failed: 0 }),
    )
    expect(second).toMatchObject({ identical: 84, withoutOutcome: [] })
    expect([first, second].every(isAsExpected)).toBe(true)

    const { rows } = await world.owner.query(
      `select (select count(*)::int from workflow where starts_with(workflow_name, $1)) as workflows,
              (select count(*)::int from registration_request where starts_with(workflow_name, $1)) as requests`,
      [prefix],
    )
    expect(rows).toEqual([{ workflows: 27, requests: 120 }])
    expect(app.logs.filter(({ level }) => level === 'error' || level === 'fatal')).toEqual([])
  })
})

test('the three doors make the same workflow, and give the same problem', async () => {
  const replies = await listen(world, world.env.REPLY_TOPIC!)
  const throughEach = async (bodies: readonly unknown[]): Promise<unknown[]> => {
    const [sync, queue, topic] = bodies
    const requestId = randomUUID()
    await produce(world, [{ value: JSON.stringify(topic), headers: { 'request-id': requestId } }])
    const accepted = await post(`${app.url}/api/v1/workflow-requests`, queue)
    const polled = await until('the status', async () => {
      const { body } = await get(`${app.url}${accepted.headers.get('location')}`)
      return body.state !== 'pending' && body
    })
    const reply = await until('the reply', () =>
      replies.records.find(({ headers }) => headers['request-id'] === requestId),
    )
    return [(await post(`${app.url}/api/v1/workflows`, sync)).body, polled, JSON.parse(String(reply.value))]
  }

  const workflow = { ...RECORDS[0]!, custom_labels: { team: ['a', 'b'] } }
  const named = ['sync', 'queue', 'topic'].map((name) => ({ ...workflow, workflow_name: `same-${name}` }))
  const made = await throughEach(named)
  const rows = await Promise.all(
    made.map((document) =>
      get(`${app.url}/api/v1/workflows/${(document as { workflow_id: string }).workflow_id}`),
    ),
  )
  for (const [index, { status, body }] of rows.entries()) {
    expect(status).toBe(200)
    expect(body).toEqual({ ...rows[0]!.body, ...named[index], ...own(body) })
  }

  for (const taken of [named[0]!, { ...named[0]!, description: 'Another one' }]) {
    const [sync, polled, reply] = (await throughEach([taken, taken, taken])) as [Problem, Told, Told]
    const anywhere = { ...sync, instance: expect.any(String) }
    expect(sync).toMatchObject({ status: 409, content: taken === named[0] ? 'identical' : 'different' })
    expect(polled.problem).toEqual(anywhere)
    expect(reply.problem).toEqual(anywhere)
    expect(polled.problem.instance).toBe(`/api/v1/workflow-requests/${polled.request_id}`)
  }
  await replies.close()
})

test('workflows that were here already are told from those that the demo made', async () => {
  const some = await bothPasses({ ...parts(world, app), records: RECORDS.slice(0, 10), prefix: 'kept-' })
  expect(some[0].all.counts.created).toBe(10)

  const [first, second] = await bothPasses({ ...parts(world, app), prefix: 'kept-' })
  expect(first).toMatchObject({ alreadyThere: 10, all: { counts: { created: 17, conflict: 13 } } })
  expect(verdict(1, first)[0]).toBe(
    'Pass 1: 17 created and 13 conflicts, as expected: 10 of the 27 workflows were here already.',
  )
  expect([first, second].every(isAsExpected)).toBe(true)
})

test('an outcome that should not be is counted where it came, and told beside what was expected', async () => {
  const records = RECORDS.slice(0, 6).map((record, index) =>
    index < 3 ? { ...record, version: 'v1' } : record,
  )
  const [first] = await bothPasses({ ...parts(world, app), records, prefix: 'wrong-' })

  expect(first.doors.map(({ counts }) => counts)).toEqual(
    Array(3).fill({ created: 1, conflict: 0, rejected: 1, failed: 0 }),
  )
  expect(isAsExpected(first)).toBe(false)
  expect(verdict(1, first)[0]).toBe('Pass 1: 3 created and 3 rejected, but 6 created were expected.')
})

test('requests without an outcome in time are named, and end the demo', async () => {
  const idle = await withService({ roles: ['ingress'] })
  const seen: Progress[] = []
  const passes = await runDemo({
    ...parts(idle, idle),
    records: RECORDS.slice(0, 3),
    passTimeoutMs: 1_500,
    onProgress: (progress) => seen.push(progress),
  })

  expect(passes).toHaveLength(1)
  const first = passes[0]!
  expect(first.all.counts).toEqual({ created: 1, conflict: 0, rejected: 0, failed: 0 })
  expect(first.withoutOutcome).toEqual([
    'oomkill-scale-down-replicas 1.0.0 (POST /api/v1/workflow-requests)',
    `crashloop-fix-configuration 1.0.0 (topic ${idle.env.REQUEST_TOPIC})`,
  ])
  expect(seen.slice(0, 2)).toEqual([
    { pass: 1, done: 0, total: 3 },
    { pass: 1, done: 1, total: 3 },
  ])
  expect(verdict(1, first)).toContainEqual(expect.stringContaining('No outcome'))
})

describe('the command', () => {
  test('shows the outcomes, on kept data says that they were here, and --fresh takes new names', async () => {
    const flags = ['--url', app.url]
    const first = await demo(flags, world.env)
    expect(first).toMatchObject({ code: 0, stderr: '' })
    expect(first.stdout).toContain('Pass 1: 27 created and 3 conflicts, as expected')
    expect(first.stdout).toContain('Pass 2: 90 conflicts, as expected')
    const table = first.stdout.split('\n').filter((line) => /^(pass|[12]) /.test(line))
    expect(table).toHaveLength(9)
    expect(new Set(table.map((line) => line.length)).size).toBe(1)

    const again = await demo(flags, world.env)
    expect(again).toMatchObject({ code: 0, stderr: '' })
    expect(again.stdout).toContain('Pass 1: 30 conflicts: these registrations were here already.')
    expect(again.stdout).toContain('npm run demo -- --fresh')

    const fresh = [...flags, '--fresh']
    for (const { stdout } of await Promise.all([demo(fresh, world.env), demo(fresh, world.env)]))
      expect(stdout).toContain('Pass 1: 27 created and 3 conflicts')
  })

  test('fails when an outcome is not what it should be, and says what was expected', async () => {
    const faulty = await withService()
    await faulty.owner.query(`
      create function refuse() returns trigger language plpgsql as
        $$ begin raise 'no taints today' using errcode = 'check_violation'; end $$;
      create trigger refuse before insert on workflow for each row
        when (new.workflow_name = 'remove-taint-v1') execute function refuse()`)
    const { code, stdout } = await demo(['--url', faulty.url], faulty.env)
    expect(stdout).toContain(
      'Pass 1: 26 created, 3 conflicts and 1 failed, but 27 created and 3 conflicts were expected.',
    )
    expect(stdout).toContain('Pass 2: 87 conflicts and 3 failed, but 90 conflicts were expected.')
    expect(code).toBe(1)
  })

  test.concurrent.each([
    [
      'no service answers',
      () => ['--url', 'http://127.0.0.1:1'],
      'No service answers at http://127.0.0.1:1: start it with `npm start`\n',
    ],
    [
      'no Kafka answers',
      () => ['--url', app.url, '--brokers', '127.0.0.1:1'],
      'No Kafka answers at 127.0.0.1:1: start it with `npm start`\n',
    ],
  ])('says in one sentence that %s', async (_what, flags, sentence) => {
    expect(await demo(flags(), world.env)).toEqual({ code: 1, stdout: '', stderr: sentence })
  })

  test.concurrent('says which topic the Kafka does not have', async () => {
    const { code, stderr } = await demo(['--url', app.url], { ...world.env, REPLY_TOPIC: 'nowhere' })
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringMatching(/^The Kafka at .* has no topic nowhere: .*\n$/),
    })
  })

  test('ends at once when it is interrupted while outcomes are awaited', async () => {
    const idle = await withService({ roles: ['ingress'] })
    const running = spawnDemo(['--url', idle.url], idle.env)
    await Promise.race([until('the first pass', () => running.stdout().includes('Pass 1')), running.ended])
    const interruptedAt = Date.now()
    running.child.kill('SIGINT')
    expect(await running.ended).toMatchObject({ code: 130, stderr: '' })
    expect(running.stdout()).toContain('Stopped.')
    expect(Date.now() - interruptedAt).toBeLessThan(6_000)
  })
})

interface Told {
  request_id: string
  problem: Problem
}

/** What no two workflows share. */
function own({ workflow_id, created_at, updated_at, created_by_request, request_fingerprint }: Registration) {
  return { workflow_id, created_at, updated_at, created_by_request, request_fingerprint }
}

function parts({ infrastructure, env }: World, { url }: TestApp) {
  return {
    url,
    brokers: infrastructure.kafka.brokers,
    topics: { requests: env.REQUEST_TOPIC!, replies: env.REPLY_TOPIC! },
    records: RECORDS,
  }
}

async function bothPasses(parts: DemoParts) {
  const passes = await runDemo(parts)
  expect(passes).toHaveLength(2)
  return passes as [PassTally, PassTally]
}

function demo(flags: readonly string[], env: Record<string, string>) {
  return spawnDemo(flags, env).ended
}

function spawnDemo(flags: readonly string[], env: Record<string, string>) {
  const child = spawn(process.execPath, ['src/bin/demo.ts', ...flags], {
    cwd: ROOT,
    env: { PATH: process.env.PATH, ...env },
  })
  inspectOutput(child)
  const output = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const)
    child[name].setEncoding('utf8').on('data', (text) => {
      output[name] += text
    })
  const ended = new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) => {
    child.on('close', (code) => resolve({ code, ...output }))
  })
  return { child, ended, stdout: () => output.stdout }
}
