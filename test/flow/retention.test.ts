import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { StartError } from '../../src/start-error.ts'
import { progressIn } from '../support/group-offsets.ts'
import { type Answer, get, post } from '../support/http.ts'
import { listen, produce } from '../support/kafka.ts'
import { asAdmin, logEnds } from '../support/log-ends.ts'
import { until } from '../support/until.ts'
import { aWorkflow } from '../support/workflows.ts'
import { makeWorld, startApp, type TestApp, type World } from '../support/world.ts'

const REQUESTS = '/api/v1/workflow-requests'
const DAY_MS = 86_400_000

describe('when status rows have been purged', () => {
  let world: World
  let service: TestApp
  const body = aWorkflow()
  const key = { 'idempotency-key': '"purged"' }
  const raw = { won: crypto.randomUUID(), lost: crypto.randomUUID() }
  let created: Answer
  let conflict: Answer
  let rejectedId: string
  let documents: Map<string, Record<string, unknown>>
  let catalog: string

  beforeAll(async () => {
    world = await makeWorld()
    world.env.TOPIC_PARTITIONS = '1'
    service = await startApp(world)
    created = await post(`${service.url}${REQUESTS}`, body, key)
    conflict = await post(`${service.url}${REQUESTS}`, body)
    rejectedId = crypto.randomUUID()
    const [name, other] = [crypto.randomUUID(), crypto.randomUUID()]
    await produce(world, [
      {
        value: JSON.stringify(aWorkflow({ workflow_name: name })),
        headers: { 'request-id': raw.won },
      },
      {
        value: JSON.stringify(aWorkflow({ workflow_name: name, name: other })),
        headers: { 'request-id': raw.lost },
      },
      { value: JSON.stringify(aWorkflow({ version: 'v1' })), headers: { 'request-id': rejectedId } },
    ])
    await settled(world)
    documents = new Map()
    for (const id of [created.body.request_id, conflict.body.request_id, raw.won, raw.lost, rejectedId]) {
      const { status, body } = await get(`${service.url}${REQUESTS}/${id}`)
      expect(status).toBe(200)
      documents.set(id, body)
    }
    catalog = await checksum(world)

    await world.owner.query("update registration_request set completed_at = now() - interval '721 hours'")
    const purger = await startApp(world, { roles: ['worker'] })
    await until('the purge', () => purger.logs.some(({ msg }) => msg === 'purged status rows'))
    expect(purger.logs.find(({ msg }) => msg === 'purged status rows')).toMatchObject({
      level: 'info',
      total: 5,
      days: 30,
    })
    await purger.close()
    expect(await countRows(world)).toBe(0)
  })
  afterAll(async () => {
    await service.close()
    await world.close()
  })

  test.each(['with', 'without'])(
    'the URL of one that was created, %s its at, is 410 and tells the workflow',
    async (at) => {
      const id = created.body.request_id
      const url = at === 'with' ? created.headers.get('location') : `${REQUESTS}/${id}`
      const { status, headers, body: problem } = await get(`${service.url}${url}`)
      expect(status).toBe(410)
      expect(headers.get('content-type')).toMatch(/^application\/problem\+json/)
      const workflowId = documents.get(id)!.workflow_id
      const workflow = await get(`${service.url}/api/v1/workflows/${workflowId}`)
      expect(problem).toEqual({
        type: expect.stringMatching(/\/problems\/gone$/),
        title: 'Gone',
        status: 410,
        detail: `The status of this request is no longer kept: it created workflow '${body.workflow_name}' version '1.0.0'`,
        instance: `${REQUESTS}/${id}`,
        retryable: false,
        state: 'created',
        existing: {
          workflow_id: workflowId,
          content_hash: workflow.body.content_hash,
          created_at: workflow.body.created_at,
          href: `/api/v1/workflows/${workflowId}`,
        },
      })
    },
  )

  test('the URL of one that made no workflow is 410 too, and tells no state', async () => {
    const { status, body: problem } = await get(`${service.url}${conflict.headers.get('location')}`)
    expect(problem).toMatchObject({
      type: expect.stringMatching(/\/problems\/gone$/),
      detail: 'How this request ended is no longer kept',
      instance: `${REQUESTS}/${conflict.body.request_id}`,
    })
    expect(status).toBe(410)
    expect(problem).not.toHaveProperty('state')
    expect(problem).not.toHaveProperty('existing')
  })

  test('the synchronous door repeats one that was created, and adds nothing', async () => {
    const repeated = await post(`${service.url}/api/v1/workflows`, body, key)
    expect(repeated.status).toBe(201)
    expect(repeated.headers.get('idempotent-replayed')).toBe('true')
    expect(repeated.body.workflow_id).toBe(documents.get(created.body.request_id)!.workflow_id)
    expect(await checksum(world)).toBe(catalog)
  })

  test('a replay from the beginning leaves the catalog as it is, and repeats each created and conflict', async () => {
    const before = await listen(world, world.env.REPLY_TOPIC!)
    onTestFinished(() => before.close())
    await until('the first replies', () => before.records.length === 5)
    const again = await startApp(world, { roles: ['worker'], env: { CONSUMER_GROUP: crypto.randomUUID() } })
    onTestFinished(() => again.close())
    await until('the replies again', () => before.records.length >= 10)

    const told = before.records.slice(5).map(({ value }) => JSON.parse(value!.toString()))
    expect(told.map(endingOf).sort(byId)).toEqual([...documents.values()].map(endingOf).sort(byId))
    expect(told.map(({ state }) => state).sort()).toEqual([
      ...['conflict', 'conflict', 'created', 'created', 'rejected'],
    ])
    const ids = before.records.map(({ headers }) => headers.ce_id)
    expect(ids.slice(5).sort()).toEqual(ids.slice(0, 5).sort())
    expect(await checksum(world)).toBe(catalog)
    expect(again.logs.filter(({ level }) => level === 'error')).toEqual([])
  })
})

describe('a worker whose topic keeps requests', () => {
  test.each([
    ['longer than their status rows', 31 * DAY_MS, {}, 'for 31 days (retention.ms is 2678400000)'],
    ['a little longer', 30 * DAY_MS + 36_000_000, {}, 'for 30.42 days'],
    ['for ever', -1, { REQUEST_RETENTION_DAYS: '36500' }, 'for ever (retention.ms is -1)'],
  ])('%s does not start, and says why in a sentence', async (_, retentionMs, env, words) => {
    const world = await worldWithTopicOf(retentionMs)
    const started = startApp(world, { env })
    started.then((app) => app.close()).catch(() => {})
    const error = await started.then(
      () => undefined,
      (error) => error,
    )
    expect(error).toBeInstanceOf(StartError)
    const { REQUEST_RETENTION_DAYS: days = '30' } = env as Record<string, string>
    expect(error.message).toMatch(/^Cannot start: [^\n]+$/)
    expect(error.message).toContain(`REQUEST_RETENTION_DAYS is ${days}, but the request topic keeps`)
    expect(error.message).toContain(words)
  })

  test.each([
    ['exactly as long', 30 * DAY_MS, {}],
    ['for ever, like their status rows', -1, { REQUEST_RETENTION_DAYS: '0' }],
  ])('%s starts', async (_, retentionMs, env) => {
    const world = await worldWithTopicOf(retentionMs)
    const app = await startApp(world, { env, roles: ['worker'] })
    await app.close()
    expect(app.logs.filter(({ level }) => level === 'warn')).toEqual([])
  })
})

async function worldWithTopicOf(retentionMs: number): Promise<World> {
  const world = await makeWorld()
  onTestFinished(() => world.close())
  const configEntries = [{ name: 'retention.ms', value: String(retentionMs) }]
  await asAdmin(world, (admin) =>
    admin.createTopics({ topics: [{ topic: world.env.REQUEST_TOPIC!, numPartitions: 1, configEntries }] }),
  )
  return world
}

async function settled(world: World): Promise<void> {
  await until('all settled', async () => {
    const ends = await logEnds(world, world.env.REQUEST_TOPIC!)
    return (await progressIn(world))[0] === ends.get(0)
  })
}

/** The catalog, in one word that any change to any row would change. */
async function checksum(world: World): Promise<string> {
  const { rows } = await world.owner.query(
    "select count(*) || ' ' || md5(string_agg(t::text, '|' order by workflow_id)) as word from workflow t",
  )
  return rows[0].word
}

async function countRows(world: World): Promise<number> {
  return (await world.owner.query('select from registration_request')).rowCount!
}

const byId = (a: { request_id: string }, b: { request_id: string }) => (a.request_id < b.request_id ? -1 : 1)

/** A document less its times, which nobody keeps after a purge. */
// biome-ignore lint/suspicious/noExplicitAny: whatever the service says
function endingOf({ accepted_at: _accepted, completed_at: _completed, ...rest }: any) {
  return rest
}
