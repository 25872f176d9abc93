import { Partitioners } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { committed, progressIn, tables } from '../support/group-offsets.ts'
import { post } from '../support/http.ts'
import { plainKafka, produce } from '../support/kafka.ts'
import { asAdmin, logEnds } from '../support/log-ends.ts'
import { runTool, type ToolRun } from '../support/tool.ts'
import { until } from '../support/until.ts'
import { aWorkflow } from '../support/workflows.ts'
import { makeWorld, startApp, type TestApp, type World } from '../support/world.ts'

/** Something that no line of a report may hold. */
const SECRET = 'hush-hush'

/** Records that the tests know by name; those of the second half are there to be spoilt. */
const NAMES = [
  ...(['won', 'lost', 'invalid', 'failed', 'unreadable'] as const),
  ...(['gone', 'altered', 'nothing', 'unrejected', 'unopposed', 'disowned', 'admitted'] as const),
]
type Name = (typeof NAMES)[number]

const newId = () => crypto.randomUUID()
const text = (fields?: Record<string, unknown>) => JSON.stringify(aWorkflow({ content: SECRET, ...fields }))
const withId = (value: string, id: string) => ({ value, headers: { 'request-id': id }, partition: 0 })

async function settled(world: World): Promise<void> {
  const ends = await logEnds(world, world.env.REQUEST_TOPIC!)
  await until('all settled', async () => {
    const progress = await progressIn(world)
    return [...ends].every(([partition, end]) => end === (progress[partition] ?? 0))
  })
}

/** The words of the report's last part, each with its count. */
function counts(stdout: string): Record<string, number> {
  const lines = [...stdout.matchAll(/^([a-z ]+?) {2,}(\d+) {2}/gm)]
  return Object.fromEntries(lines.map(([, kind, count]) => [kind, Number(count)]))
}

describe('of a history of all outcomes at all doors', () => {
  let world: World
  let service: TestApp
  const ids = Object.fromEntries(NAMES.map((name) => [name, newId()])) as Record<Name, string>
  beforeAll(async () => {
    world = await makeWorld()
    world.env.TOPIC_PARTITIONS = '2'
    service = await startApp(world)
    await world.owner.query(`
      alter table workflow add constraint no_such_name check (workflow_name <> 'refused')`)
    const [one, two] = [`one-${newId()}`, `two-${newId()}`]
    const body = text({ workflow_name: one })
    const synchronous = aWorkflow({ workflow_name: two })
    expect((await post(`${service.url}/api/v1/workflows`, synchronous)).status).toBe(201)
    const key = { 'idempotency-key': '"one"' }
    await post(`${service.url}/api/v1/workflow-requests`, aWorkflow(), key)
    await settled(world)
    await post(`${service.url}/api/v1/workflow-requests`, aWorkflow(), key)
    await produce(world, [
      withId(body, ids.won),
      withId(text({ workflow_name: one, name: 'Another' }), ids.lost),
      withId(body, ids.won),
      withId(text({ version: 'v1' }), ids.invalid),
      withId(text(), ids.invalid),
      withId('not JSON', ids.unreadable),
      { value: 'not JSON', partition: 0 },
      { value: null, partition: 0 },
      { value: JSON.stringify(synchronous), partition: 0 },
      withId(text({ workflow_name: 'refused' }), ids.failed),
      ...[ids.gone, ids.altered, ids.nothing, ids.unopposed, ids.disowned].map((id) => withId(text(), id)),
      ...[ids.unrejected, ids.admitted].map((id) => withId(text({ version: 'v2' }), id)),
    ])
    const producer = plainKafka(world).producer({
      ...{ transactionalId: newId(), idempotent: true, maxInFlightRequests: 1 },
      createPartitioner: Partitioners.DefaultPartitioner,
    })
    await producer.connect()
    const dropped = await producer.transaction()
    await dropped.send({ topic: world.env.REQUEST_TOPIC!, messages: [withId(text(), newId())] })
    const before = (await progressIn(world))[0] ?? 0
    await dropped.abort()
    await producer.disconnect()
    await until('the aborted record', async () => ((await progressIn(world))[0] ?? 0) > before)
    await settled(world)
    await service.close()
    await world.owner.query(`
      create schema kept;
      create table kept.workflow as table public.workflow;
      create table kept.registration_request as table public.registration_request`)
  })
  afterAll(() => world.close())
  const query = (sql: string, ...values: unknown[]) => world.owner.query(sql, values)
  const verify = () => runTool('verify-replay', world)

  test('finds nothing wrong, and leaves no trace', async () => {
    const groups = async () => {
      const { groups } = await asAdmin(world, (admin) => admin.listGroups())
      return groups.filter(({ groupId }) => groupId.startsWith(world.env.CONSUMER_GROUP!))
    }
    const before = [await tables(world), await committed(world), await groups()]
    const { code, stdout, stderr } = await verify()
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(counts(stdout)).toEqual({
      ...{ created: 8, conflict: 2, rejected: 5, failed: 1 },
      ...{ 'id reused': 1, 'dead letter': 2, different: 0 },
    })
    expect([await tables(world), await committed(world), await groups()]).toEqual(before)
  })

  test('still knows every created and every conflict when all status rows are purged', async () => {
    await query('delete from registration_request')
    const { code, stdout } = await verify()
    expect(counts(stdout)).toMatchObject({ created: 8, conflict: 2, unknown: 5, different: 2 })
    expect(stdout).toContain(`request ${ids.invalid}: unknown`)
    // Refused by the database, it left nothing at all: for all that is stored, it should be there.
    expect(stdout).toContain(`request ${ids.failed}: stored is nothing; it must be created`)
    expect(code).toBe(1)
  })

  describe('after somebody spoilt it', () => {
    let before: string
    let run: ToolRun
    beforeAll(async () => {
      await world.owner.query(`
        truncate workflow, registration_request;
        insert into workflow select * from kept.workflow;
        insert into registration_request select * from kept.registration_request`)
      const { gone, altered, nothing, unrejected, unopposed, disowned, admitted, won, lost } = ids
      await query('delete from workflow where created_by_request in ($1, $2, $3)', gone, nothing, unopposed)
      await query(`update workflow set request_fingerprint = '\\x00' where created_by_request = $1`, altered)
      await query('delete from registration_request where request_id in ($1, $2)', nothing, unrejected)
      await query(
        `update registration_request set outcome = 'conflict' where request_id in ($1, $2, $3)`,
        ...[unopposed, disowned, won],
      )
      await query(
        `update registration_request set outcome = 'created', reason = null where request_id in ($1, $2)`,
        ...[admitted, lost],
      )
      await query(
        `update workflow set created_by_request = $2,
          request_fingerprint = (select fingerprint from registration_request where request_id = $2)
        where created_by_request = $1`,
        ...[won, lost],
      )
      before = await tables(world)
      run = await verify()
    })

    test.each<[string, Name, string]>([
      [
        'a workflow that is gone',
        'gone',
        'created, without its workflow; it must be created, with its workflow',
      ],
      [
        'a workflow that another body asked for',
        'altered',
        'created, with a workflow that another body asked for; it must be created, with its own workflow',
      ],
      ['a request that left nothing', 'nothing', 'nothing; it must be created'],
      ['a rejection that left nothing', 'unrejected', 'nothing; it must be rejected'],
      [
        'a conflict with nothing in its way',
        'unopposed',
        'conflict, with no workflow in its way; it must be created',
      ],
      [
        'a conflict with its own workflow',
        'disowned',
        'conflict, with a workflow of its own; it must be created',
      ],
      [
        'an invalid request that was created',
        'admitted',
        'created, without its workflow; it must be rejected, with no workflow',
      ],
      [
        'a request that lost to a later one',
        'won',
        'conflict; it must be created: the workflow in its way was made by offset',
      ],
    ])('it finds %s', (_, name, sentence) => {
      expect(run.stdout).toMatch(
        new RegExp(`^partition 0 offset \\d+, request ${ids[name]}: stored is ${sentence}`, 'm'),
      )
    })

    test('it finds nothing else, tells no payload, and changes nothing', async () => {
      expect(counts(run.stdout)).toMatchObject({
        created: 2,
        conflict: 2,
        different: 8,
        rejected: 3,
        failed: 1,
      })
      expect(run.code).toBe(1)
      expect(run.stdout).not.toContain(SECRET)
      expect(await tables(world)).toBe(before)
    })
  })
})

test('a database restored to an earlier state catches up from the topic by itself', async () => {
  const world = await makeWorld()
  onTestFinished(() => world.close())
  world.env.TOPIC_PARTITIONS = '1'
  const send = (count: number) =>
    produce(
      world,
      Array.from({ length: count }, (_, index) => ({
        value: text({ workflow_name: `restored-${index % (count - 1)}` }),
        headers: { 'request-id': newId() },
      })),
    )
  const all = ['workflow', 'registration_request', 'consumer_progress']
  const first = await startApp(world)
  await send(20)
  await settled(world)
  await world.owner.query('create schema kept')
  for (const table of all) await world.owner.query(`create table kept.${table} as table public.${table}`)
  await send(40)
  await settled(world)
  await first.close()
  const outcomes = async () =>
    (await world.owner.query('select request_id, outcome from registration_request order by 1')).rows
  const [before, ends] = [await outcomes(), await progressIn(world)]

  await world.owner.query(`truncate ${all.join(',')}`)
  for (const table of all) await world.owner.query(`insert into ${table} select * from kept.${table}`)
  expect(await outcomes()).toHaveLength(20)
  expect(await committed(world)).toEqual(ends)
  expect(await progressIn(world)).not.toEqual(ends)

  const second = await startApp(world)
  onTestFinished(() => second.close())
  await settled(world)
  expect(await outcomes()).toEqual(before)
  const { code, stdout } = await runTool('verify-replay', world)
  expect(counts(stdout)).toEqual({ created: 39, conflict: 21, different: 0 })
  expect(code).toBe(0)
})

test('what lies beyond the progress is said to be waiting, and is no difference', async () => {
  const world = await makeWorld()
  onTestFinished(() => world.close())
  world.env.TOPIC_PARTITIONS = '1'
  const ingress = await startApp(world, { roles: ['ingress'] })
  onTestFinished(() => ingress.close())
  await produce(world, [{ value: text() }, { value: text() }])
  const { code, stdout } = await runTool('verify-replay', world)
  expect(counts(stdout)).toEqual({ different: 0, waiting: 2 })
  expect(stdout).toMatch(/^0 records of /)
  expect(code).toBe(0)
})
