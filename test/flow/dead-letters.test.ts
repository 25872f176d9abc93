import { spawn } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { CompressionTypes, type Message } from 'kafkajs'
import { v5 } from 'uuid'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { ID_NAMESPACE, positionalRequestId, redriveId } from '../../src/domain/ids.ts'
import { get } from '../support/http.ts'
import { listen, plainKafka, type Received } from '../support/kafka.ts'
import { asAdmin, countRecords, hasAll, logEnds } from '../support/log-ends.ts'
import { sharedService } from '../support/shared-service.ts'
import { runTool } from '../support/tool.ts'
import { until } from '../support/until.ts'
import { aWorkflow } from '../support/workflows.ts'
import { type World, withService } from '../support/world.ts'

type Listener = Awaited<ReturnType<typeof listen>>

const world = sharedService({ env: { TOPIC_PARTITIONS: '1' } })
let requests: Listener
let letters: Listener
beforeAll(async () => {
  ;[requests, letters] = await Promise.all([
    listen(world, world.env.REQUEST_TOPIC!),
    listen(world, world.env.DEAD_LETTER_TOPIC!),
  ])
})
afterAll(() => Promise.all([requests?.close(), letters?.close()]))

const dlq = (...args: string[]) => dlqIn(world, ...args)
const dlqIn = (where: World, ...args: string[]) =>
  runTool('dlq' as Parameters<typeof runTool>[0], where, ...args)

/** Sends records as they are, all in one produce. */
async function send(messages: Message[], to: World = world, compression = CompressionTypes.None) {
  const producer = plainKafka(to).producer()
  await producer.connect()
  await producer.send({ topic: to.env.REQUEST_TOPIC!, messages, compression })
  await producer.disconnect()
}

function aRequest(fields: Record<string, unknown> = {}, headers: Record<string, string> = {}) {
  const id = randomUUID()
  const body = aWorkflow(fields)
  const message = {
    key: String(body.workflow_name),
    value: JSON.stringify(body),
    headers: { 'request-id': id, ...headers },
  }
  return { id, body, message }
}

/** What the status says of a request once it has ended. */
async function ended(id: string, url = world.url) {
  return until(`the outcome of ${id}`, async () => {
    const { status, body } = await get(`${url}/api/v1/workflow-requests/${id}`)
    return status === 200 && body.state !== 'pending' && body
  })
}

const lettersOf = (id: string, { records } = letters): Received[] =>
  records.filter(({ headers }) => headers['dead-letter-request-id'] === id)

const letterOf = (id: string, among = letters): Promise<Received> =>
  until(`the dead letter of ${id}`, () => lettersOf(id, among)[0])

const rowsOf = async (sql: string, ...values: unknown[]) => (await world.owner.query(sql, values)).rows

const workflowsMadeBy = (...ids: string[]) =>
  rowsOf('select created_by_request from workflow where created_by_request = any($1::uuid[])', ids)

/** The database refuses every workflow of this owner until the constraint is gone. */
async function refuse(owner: string): Promise<{ allow(): Promise<void> }> {
  const name = `refuses_${owner}`
  await world.owner.query(`alter table workflow add constraint ${name} check (owner <> '${owner}') not valid`)
  return { allow: async () => void (await world.owner.query(`alter table workflow drop constraint ${name}`)) }
}

describe('a dead letter keeps key, value and headers untouched, and tells where it came from and why', () => {
  const key = Buffer.from([0xff, 0x00, 0x61])
  const headers = {
    trace: Buffer.from([0xfe]),
    several: ['1', '2'],
    none: '',
    'correlation-id': 'c',
    reply: 'r',
  }

  test.each([
    ['of a record that cannot be read', '{"workflow_name": ', 'unreadable', 'not JSON'],
    [
      'of a record that the database refuses',
      JSON.stringify(aWorkflow({ owner: 'kept' })),
      'failed',
      '23514',
    ],
  ])('%s', async (_, value, cause, code) => {
    const { allow } = await refuse('kept')
    const offset = String((await logEnds(world, world.env.REQUEST_TOPIC!)).get(0))
    const timestamp = String(Date.now() - 60_000)
    const start = Date.now()
    await send([{ key, value, headers, timestamp, partition: 0 }])
    const { clusterId } = await asAdmin(world, (admin) => admin.describeCluster())
    const topic = world.env.REQUEST_TOPIC!
    const id = positionalRequestId({ clusterId, topic, partition: 0, offset, timestamp })

    const { message } = await letterOf(id)
    await allow()
    expect(message.key).toEqual(key)
    expect(message.value).toEqual(Buffer.from(value))
    const { 'dead-letter-time': time, 'dead-letter-detail': detail, ...said } = message.headers!
    expect(detail?.toString()).toBe(cause === 'unreadable' ? 'is not JSON in UTF-8' : undefined)
    expect(said).toEqual({
      trace: headers.trace,
      several: [Buffer.from('1'), Buffer.from('2')],
      none: Buffer.alloc(0),
      'correlation-id': Buffer.from('c'),
      reply: Buffer.from('r'),
      'dead-letter-class': Buffer.from(cause),
      'dead-letter-code': Buffer.from(code),
      'dead-letter-request-id': Buffer.from(id),
      'dead-letter-topic': Buffer.from(topic),
      'dead-letter-partition': Buffer.from('0'),
      'dead-letter-offset': Buffer.from(offset),
      'dead-letter-timestamp': Buffer.from(timestamp),
      'dead-letter-attempts': Buffer.from('1'),
    })
    const parkedAt = new Date(String(time)).getTime()
    expect(parkedAt).toBeGreaterThanOrEqual(start)
    expect(parkedAt).toBeLessThanOrEqual(Date.now())
  })
})

test('a header without a value does not keep a record from becoming a dead letter', async () => {
  const own = await withService({ env: { TOPIC_PARTITIONS: '1' } })
  await sendWithEmptyHeader(own, 'not JSON')
  await until('the dead letter', () => hasRecords(own), 10_000).catch(async (error) => {
    const { body } = await get(`${own.url}/health/ready`)
    throw new Error(`no dead letter, and readiness says: ${JSON.stringify(body)}`, { cause: error })
  })
})

describe('what the database refused', () => {
  test('is failed, and created under a new id that names its cause once it is redriven', async () => {
    const { allow } = await refuse('mended')
    const idempotencyKey = randomUUID()
    const one = aRequest({ owner: 'mended' }, { 'idempotency-key': idempotencyKey, 'correlation-id': 'c-1' })
    await send([{ ...one.message, headers: { ...one.message.headers, several: ['1', '2'] } }])
    const failed = await ended(one.id)
    expect(failed).toMatchObject({ state: 'failed', problem: { status: 500, retryable: false } })
    const letter = await letterOf(one.id)
    expect(letter.headers).toMatchObject({ 'dead-letter-class': 'failed', 'dead-letter-code': '23514' })
    await allow()

    const newId = v5(['redrive', one.id, '1'].join('\n'), ID_NAMESPACE)
    const endsBefore = await ends()
    const dry = await dlq('redrive', '--id', one.id, '--dry-run')
    expect(dry).toMatchObject({ code: 0, stderr: '' })
    expect(dry.stdout).toContain(`${one.id} would go to ${world.env.REQUEST_TOPIC} as ${newId}`)
    expect(await ends()).toEqual(endsBefore)

    const run = await dlq('redrive', '--id', one.id.toUpperCase())
    expect(run).toMatchObject({ code: 0, stderr: '' })
    expect(run.stdout).toContain(`${one.id} goes to ${world.env.REQUEST_TOPIC} as ${newId}`)
    expect(run.stdout).toContain('1 dead letter chosen: 1 redriven')
    expect(await ended(newId)).toMatchObject({ state: 'created', workflow_name: one.body.workflow_name })

    const { message } = await until('the redriven record', () =>
      requests.records.find(({ headers }) => headers['request-id'] === newId),
    )
    expect(message.key).toEqual(letter.message.key)
    expect(message.value).toEqual(letter.message.value)
    expect(message.headers).toEqual({
      'request-id': Buffer.from(newId),
      ce_correlationid: Buffer.from(one.id),
      'correlation-id': Buffer.from('c-1'),
      several: [Buffer.from('1'), Buffer.from('2')],
      ce_causationid: Buffer.from(one.id),
      'redrive-count': Buffer.from('1'),
    })

    expect(await ended(one.id)).toEqual(failed)
    expect(
      await rowsOf(
        'select request_id, outcome::text, idempotency_key from registration_request where workflow_name = $1 order by accepted_at',
        one.body.workflow_name,
      ),
    ).toEqual([
      { request_id: one.id, outcome: 'failed', idempotency_key: idempotencyKey },
      { request_id: newId, outcome: 'created', idempotency_key: null },
    ])

    expect(await dlq('redrive', '--id', one.id)).toMatchObject({ code: 0, stdout: run.stdout })
    const after = aRequest()
    await send([after.message])
    await ended(after.id)
    await hasAll(world, world.env.REQUEST_TOPIC!, requests)
    expect(requests.records.filter(({ headers }) => headers['request-id'] === newId)).toHaveLength(2)
    expect(await workflowsMadeBy(one.id, newId)).toHaveLength(1)
    expect(lettersOf(newId)).toEqual([])

    const another = aRequest({}, { 'idempotency-key': idempotencyKey })
    await send([another.message])
    expect(await ended(another.id)).toMatchObject({ state: 'rejected', problem: { status: 422 } })
  })

  test('as a CloudEvent is redriven as one, with the new id as its id', async () => {
    const { allow } = await refuse('events')
    const id = randomUUID()
    const event = {
      ce_specversion: '1.0',
      ce_type: 'io.workflow-registrar.registration.requested.v1',
      ce_source: '/shop',
      ce_id: id.toUpperCase(),
      'request-id': 'some other',
    }
    const { body, message } = aRequest({ owner: 'events' })
    await send([{ ...message, headers: event }])
    expect((await ended(id)).state).toBe('failed')
    await letterOf(id)
    await allow()
    expect((await dlq('redrive', '--id', id)).code).toBe(0)
    const newId = redriveId(id, 1)
    expect(await ended(newId)).toMatchObject({ state: 'created', workflow_name: body.workflow_name })
    const record = await until('the redriven record', () =>
      requests.records.find(({ headers }) => headers.ce_id === newId),
    )
    expect(record.headers).toEqual({
      ...event,
      ...{ ce_id: newId, 'request-id': newId, ce_causationid: id, 'redrive-count': '1' },
      ce_correlationid: event.ce_id,
    })
  })

  test('as a CloudEvent in structured mode is redriven as one, its value untouched', async () => {
    const { allow } = await refuse('structured')
    const id = randomUUID()
    const { body } = aRequest({ owner: 'structured' })
    const event = {
      ...{ specversion: '1.0', type: 'io.workflow-registrar.registration.requested.v1' },
      ...{ source: '/shop', id, correlationid: 'saga 7', data: body },
    }
    const value = `${JSON.stringify(event)} `
    await send([{ value, headers: { 'content-type': 'application/cloudevents+json' } }])
    expect((await ended(id)).state).toBe('failed')
    await letterOf(id)
    await allow()
    expect((await dlq('redrive', '--id', id)).code).toBe(0)
    const newId = redriveId(id, 1)
    expect(await ended(newId)).toMatchObject({ state: 'created', workflow_name: body.workflow_name })
    const record = await until('the redriven record', () =>
      requests.records.find(({ headers }) => headers.ce_id === newId),
    )
    expect(record.value?.toString()).toBe(value)
  })

  test('and has an id that cannot be read does not multiply when it is redriven', async () => {
    const offset = String((await logEnds(world, world.env.REQUEST_TOPIC!)).get(0))
    const timestamp = String(Date.now())
    const event = {
      ...{ ce_specversion: '1.0', ce_type: 'io.workflow-registrar.registration.requested.v1' },
      ...{ ce_source: Buffer.from([0xff]), ce_id: 'order 42' },
    }
    await send([{ value: '{}', headers: event, timestamp, partition: 0 }])
    const { clusterId } = await asAdmin(world, (admin) => admin.describeCluster())
    const topic = world.env.REQUEST_TOPIC!
    const id = positionalRequestId({ clusterId, topic, partition: 0, offset, timestamp })
    await letterOf(id)
    expect((await dlq('redrive', '--cause', 'unreadable/unreadable id')).stdout).toContain('1 redriven')
    await letterOf(redriveId(id, 1))
    const again = await dlq('redrive', '--cause', 'unreadable/unreadable id')
    expect(again.stdout).toContain(`${id} is left out: it was redriven and came back`)
    expect(again.stdout).toContain('1 redriven')
  })

  test('is redriven from the oldest on, as many as --limit says and no other cause', async () => {
    const { allow } = await refuse('limited')
    const some = [1, 2, 3].map(() => aRequest({ owner: 'limited' }))
    const poison = { id: randomUUID(), value: 'not JSON' }
    await send([
      { value: poison.value, headers: { 'request-id': poison.id } },
      ...some.map((one) => one.message),
    ])
    for (const { id } of some) await letterOf(id)
    const earlier =
      letters.records.filter(({ headers }) => headers['dead-letter-code'] === '23514').length - 3
    await allow()
    const { stdout, code } = await dlq('redrive', '--cause', 'failed/23514', '--limit', String(earlier + 2))
    expect(code).toBe(0)
    expect(stdout).toContain(`${earlier + 3} dead letters chosen: ${earlier + 2} redriven`)
    expect(stdout).toContain('1 left out: more than --limit')
    for (const { id } of some.slice(0, 2)) expect((await ended(redriveId(id, 1))).state).toBe('created')
    await hasAll(world, world.env.REQUEST_TOPIC!, requests)
    const sent = requests.records.map(({ headers }) => headers.ce_causationid)
    expect(sent).not.toContain(some[2]!.id)
    expect(sent).not.toContain(poison.id)
  })
})

describe('poison that comes back again and again', () => {
  test('is redriven as its newest dead letter only, and stops at the guard', async () => {
    const own = await withService({ env: { TOPIC_PARTITIONS: '1' } })
    const back = await listen(own, own.env.DEAD_LETTER_TOPIC!)
    onTestFinished(() => back.close())
    const id = randomUUID()
    await send([{ value: 'not JSON', headers: { 'request-id': id } }], own)
    await letterOf(id, back)
    const chain: string[] = [id]
    for (let n = 1; n <= 2; n += 1) {
      const run = await dlqIn(own, 'redrive', '--all', '--max-redrives', '2')
      expect(run).toMatchObject({ code: 0, stdout: expect.stringContaining(`${n} dead letter`) })
      expect(run.stdout).toContain('1 redriven')
      chain.push(redriveId(chain.at(-1)!, n))
      const { headers } = await letterOf(chain.at(-1)!, back)
      expect(headers).toMatchObject({ ce_causationid: chain.at(-2), 'redrive-count': String(n) })
    }
    const before = await countRecords(own, own.env.REQUEST_TOPIC!)
    const stopped = await dlqIn(own, 'redrive', '--all', '--max-redrives', '2')
    expect(stopped.code).toBe(1)
    expect(stopped.stdout).toContain('3 dead letters chosen: 0 redriven')
    expect(stopped.stdout).toContain(
      `${chain[2]} is left out: it was redriven as often as --max-redrives allows`,
    )
    expect(stopped.stdout).toContain('2 left out: it was redriven and came back as a newer dead letter')
    expect(await countRecords(own, own.env.REQUEST_TOPIC!)).toBe(before)
    expect(before).toBe(3)
  })

  test('stops after five times by default, and goes once where the worker parked it twice', async () => {
    const [fourth, fifth, twice] = [4, 5, 0].map((count) => {
      const id: string = randomUUID()
      return { id, value: '<poison>', headers: { 'request-id': id, 'redrive-count': String(count) } }
    })
    await send([fourth!, fifth!, twice!, twice!])
    await until('the dead letters', () => lettersOf(twice!.id).length === 2)
    const { code, stdout } = await dlq('redrive', '--cause', 'unreadable/not JSON', '--dry-run')
    expect(code).toBe(1)
    const linesAbout = ({ id }: { id: string }) =>
      stdout
        .split('\n')
        .filter((line) => line.startsWith(id))
        .sort()
    const goes = (to: string) => `would go to ${world.env.REQUEST_TOPIC} as ${to}`
    expect(linesAbout(fourth!)).toEqual([`${fourth!.id} ${goes(redriveId(fourth!.id, 5))}`])
    expect(linesAbout(fifth!)).toEqual([
      `${fifth!.id} is left out: it was redriven as often as --max-redrives allows`,
    ])
    expect(linesAbout(twice!)).toEqual([
      `${twice!.id} is left out: another dead letter of the same request has the same value`,
      `${twice!.id} ${goes(redriveId(twice!.id, 1))}`,
    ])
  })
})

test('a value that was not kept, or that its topic has no room for, is left out, and the others go', async () => {
  const other = { ce_specversion: '1.0', ce_source: '/shop', ce_type: 'io.workflow-registrar.other.v9' }
  // Kafka takes the first as zstd packs it, and gzip cannot pack it as well.
  const noise = randomBytes(512 * 1024)
  const values = [Buffer.concat(Array(10).fill(noise)), Buffer.alloc(2 * 1024 * 1024, 'x'), Buffer.from('x')]
  const records = values.map((value) => {
    const id = randomUUID()
    return { id, message: { value, headers: { ...other, ce_id: id } } }
  })
  for (const { message } of records) await send([message], world, CompressionTypes.ZSTD)
  const [lost, large, small] = records.map(({ id }) => id)
  for (const { id } of records) await letterOf(id)
  const { code, stdout } = await dlq('redrive', '--cause', 'unreadable/unknown event type')
  expect(code).toBe(1)
  expect(stdout).toContain(`${lost} is left out: its value was too large to be kept`)
  expect(stdout).toContain(`${large} is left out: its topic does not take a record of its size`)
  expect(stdout).toContain(`${small} goes to`)
  expect(stdout).toContain('3 dead letters chosen: 1 redriven')
  expect((await ended(redriveId(small!, 1))).state).toBe('rejected')
})

test('list counts all by cause, shows the newest without what is in them, and leaves no trace', async () => {
  const secret = `secret-${randomUUID()}`
  const { allow } = await refuse('listed')
  await send([
    { value: JSON.stringify(aWorkflow({ owner: 'listed' })) },
    { value: '{}', headers: { ce_type: 'io.workflow-registrar.other.v9' } },
    { key: 'the\u001b[2J last', value: secret, headers: { 'request-id': randomUUID(), secret } },
  ])
  await until('its dead letter', () => letters.records.find(({ value }) => value?.toString() === secret))
  await allow()
  await hasAll(world, world.env.DEAD_LETTER_TOPIC!, letters)
  const endsBefore = await ends()

  const counts: Record<string, number> = {}
  for (const { headers } of letters.records) {
    const cause = `${headers['dead-letter-class']}/${headers['dead-letter-code']}`
    counts[cause] = (counts[cause] ?? 0) + 1
  }
  expect(Object.keys(counts).length).toBeGreaterThanOrEqual(3)

  const json = await dlq('list', '--json', '--limit', '2')
  expect(json).toMatchObject({ code: 0, stderr: '' })
  const { topic, total, causes, newest } = JSON.parse(json.stdout)
  expect({ topic, total }).toEqual({ topic: world.env.DEAD_LETTER_TOPIC, total: letters.records.length })
  expect(
    Object.fromEntries(
      causes.map((one: { class: string; code: string; count: number }) => [
        `${one.class}/${one.code}`,
        one.count,
      ]),
    ),
  ).toEqual(counts)
  expect(newest).toHaveLength(2)
  const last = letters.records.at(-1)!
  expect(newest[0]).toEqual({
    time: last.headers['dead-letter-time'],
    class: 'unreadable',
    code: 'not JSON',
    topic: world.env.REQUEST_TOPIC,
    partition: '0',
    offset: last.headers['dead-letter-offset'],
    request_id: last.headers['dead-letter-request-id'],
    key: 'the\u001b[2J last',
    bytes: secret.length,
    redrives: 0,
    value_lost: false,
    is_batch: false,
  })

  const text = await dlq('list', '--cause', 'unreadable')
  expect(text).toMatchObject({ code: 0, stderr: '' })
  expect(text.stdout).toMatch(new RegExp(`^unreadable/not JSON +${counts['unreadable/not JSON']}$`, 'm'))
  expect(text.stdout).not.toContain('failed')
  expect(text.stdout).toContain(last.headers['dead-letter-request-id'])
  expect(text.stdout).not.toContain('\u001b')
  for (const { stdout } of [json, text]) expect(stdout).not.toContain(secret)

  expect(await ends()).toEqual(endsBefore)
  const { groups } = await asAdmin(world, (admin) => admin.listGroups())
  expect(groups.filter(({ groupId }) => groupId.startsWith(`${world.env.CONSUMER_GROUP}-dlq`))).toEqual([])
})

test('a dead letter that is not there is said, and is exit code 1', async () => {
  expect(await dlq('redrive', '--id', randomUUID())).toMatchObject({
    code: 1,
    stdout: `No such dead letter on ${world.env.DEAD_LETTER_TOPIC}\n`,
  })
})

test('a wrong command line is one sentence, and exit code 2', async () => {
  const [unsaid, foreign] = await Promise.all([dlq('redrive', '--dry-run'), dlq('list', '--all')])
  expect(unsaid).toEqual({ code: 2, stdout: '', stderr: 'Say one of --cause, --id and --all\n' })
  expect(foreign).toEqual({ code: 2, stdout: '', stderr: '--all does not go with list\n' })
})

describe('a record that ends the session of whoever inserts it', () => {
  beforeAll(() =>
    world.owner.query(`
      create sequence deaths;
      create function die() returns trigger language plpgsql security definer as $$
        begin
          if new.description = 'dies' then
            perform nextval('public.deaths');
            perform pg_terminate_backend(pg_backend_pid());
          end if;
          return new;
        end $$;
      create trigger die before insert on workflow for each row execute function public.die()`),
  )

  const deaths = async () => {
    const [row] = await rowsOf(
      'select case when is_called then last_value else 0 end::int as count from deaths',
    )
    return row.count as number
  }
  const ready = () => get(`${world.url}/health/ready`)

  test('is failed with a dead letter while its neighbours in the batch are created', async () => {
    const [first, deadly, last] = [aRequest(), aRequest({ description: 'dies' }), aRequest()]
    const before = await deaths()
    await send([first, deadly, last].map(({ message }) => message))
    expect((await ended(deadly.id)).state).toBe('failed')
    expect(await deaths()).toBeGreaterThanOrEqual(before + 3)
    expect((await ended(first.id)).state).toBe('created')
    expect((await ended(last.id)).state).toBe('created')
    expect((await letterOf(deadly.id)).headers).toMatchObject({
      'dead-letter-class': 'failed',
      'dead-letter-code': '57P01',
    })
    const next = aRequest()
    await send([next.message])
    expect((await ended(next.id)).state).toBe('created')
    expect((await ready()).status).toBe(200)
    expect(lettersOf(deadly.id)).toHaveLength(1)
  })

  test('alone it waits, which readiness tells, until a neighbour comes', async () => {
    const deadly = aRequest({ description: 'dies' })
    const before = await deaths()
    await send([deadly.message])
    await until('a worker that waits', async () => {
      const { status, body } = await ready()
      return status === 503 && body.detail.includes('partition 0 waits: systemic: 57P01')
    })
    expect(await deaths()).toBeGreaterThanOrEqual(before + 3)
    expect(await rowsOf('select from registration_request where request_id = $1', deadly.id)).toEqual([])
    expect(lettersOf(deadly.id)).toEqual([])

    const neighbour = aRequest()
    await send([neighbour.message])
    expect((await ended(neighbour.id)).state).toBe('created')
    expect((await ended(deadly.id)).state).toBe('failed')
    expect(Number((await letterOf(deadly.id)).headers['dead-letter-attempts'])).toBeGreaterThan(1)
    await until('readiness', async () => (await ready()).status === 200)
  })
})

test('nothing of all that ended the service', () => {
  expect(world.crashes).toEqual([])
})

const hasRecords = async (where: World) => (await countRecords(where, where.env.DEAD_LETTER_TOPIC!)) > 0

/** How far the topics reach that a tool could write to. */
async function ends() {
  const { REQUEST_TOPIC, REPLY_TOPIC, DEAD_LETTER_TOPIC } = world.env
  const topics = [REQUEST_TOPIC!, REPLY_TOPIC!, DEAD_LETTER_TOPIC!]
  return Promise.all(topics.map((topic) => countRecords(world, topic)))
}

/**
 * Sends a record with a header whose value is null, as producers in other languages do. kafkajs would, if only it
 * did not measure the value first: in a process of its own that is mended.
 */
async function sendWithEmptyHeader(to: World, value: string): Promise<void> {
  const script = `
    import { Kafka } from 'kafkajs'
    const { byteLength } = Buffer
    Buffer.byteLength = (value, ...more) => (value === null ? 0 : byteLength(value, ...more))
    const [brokers, topic, value] = process.argv.slice(1)
    const producer = new Kafka({ brokers: brokers.split(','), logLevel: 0 }).producer()
    await producer.connect()
    await producer.send({ topic, messages: [{ value, headers: { nothing: null } }] })
    await producer.disconnect()`
  const { KAFKA_BROKERS, REQUEST_TOPIC } = to.env
  const child = spawn(
    process.execPath,
    ['--no-warnings', '--input-type=module', '-e', script, KAFKA_BROKERS!, REQUEST_TOPIC!, value],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  )
  expect(await once(child, 'close')).toEqual([0, null])
}
