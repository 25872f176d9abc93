import { CompressionTypes, type IHeaders, type Message } from 'kafkajs'
import { v5 } from 'uuid'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { ID_NAMESPACE } from '../../src/domain/ids.ts'
import { get } from '../support/http.ts'
import { listen, plainKafka, type Received } from '../support/kafka.ts'
import { asAdmin, hasAll, logEnds } from '../support/log-ends.ts'
import { until } from '../support/until.ts'
import { aWorkflow } from '../support/workflows.ts'
import { makeWorld, startApp, type TestApp, type World, withService } from '../support/world.ts'

type Listener = Awaited<ReturnType<typeof listen>>

let world: World
let service: TestApp
let requests: Listener
let replies: Listener
let deadLetters: Listener
beforeAll(async () => {
  world = await makeWorld()
  service = await startApp(world)
  ;[requests, replies, deadLetters] = await Promise.all([
    listen(world, world.env.REQUEST_TOPIC!),
    listen(world, world.env.REPLY_TOPIC!),
    listen(world, world.env.DEAD_LETTER_TOPIC!),
  ])
})
afterAll(async () => {
  await Promise.all([requests.close(), replies.close(), deadLetters.close()])
  await service.close()
  await world.close()
})

/** Sends records as they are, all in one produce. */
async function send(
  messages: Message[],
  { to = world, compression = CompressionTypes.None }: { to?: World; compression?: CompressionTypes } = {},
): Promise<void> {
  const producer = plainKafka(to).producer()
  await producer.connect()
  await producer.send({ topic: to.env.REQUEST_TOPIC!, messages, compression })
  await producer.disconnect()
}

/** Every reply so far about this request. */
function repliesAbout(requestId: string): Received[] {
  return replies.records.filter(({ headers }) => headers['request-id'] === requestId)
}

async function repliesTo(requestId: string, count = 1): Promise<Received[]> {
  return until(`${count} replies about ${requestId}`, () => {
    const found = repliesAbout(requestId)
    return found.length >= count && found
  })
}

// biome-ignore lint/suspicious/noExplicitAny: a test looks wherever it likes
const documentIn = (reply: Received): any => JSON.parse(reply.value!.toString())

const statusOf = (requestId: string) => get(`${service.url}/api/v1/workflow-requests/${requestId}`)

async function replyAndStatus(requestId: string) {
  const [reply] = await repliesTo(requestId)
  const status = await statusOf(requestId)
  expect(status.status).toBe(200)
  expect(documentIn(reply!)).toEqual(status.body)
  return { reply: reply!, document: status.body }
}

/** Sends a good record to a partition and waits for its reply: everything sent there before is done with. */
async function goodRecordIsSettled(partition: number): Promise<void> {
  const id = crypto.randomUUID()
  await send([{ value: JSON.stringify(aWorkflow()), partition, headers: { 'request-id': id } }])
  const [reply] = await repliesTo(id)
  expect(documentIn(reply!).state).toBe('created')
}

describe('a plain JSON record', () => {
  test('without any header gets a reply that is the status of its request', async () => {
    const workflow = aWorkflow()
    const { workflow_name } = workflow
    await send([{ key: 'any', value: JSON.stringify(workflow) }])
    const reply = await until('a reply', () => replies.records.find(({ key }) => key === workflow_name))
    const requestId = reply.headers['request-id']!
    const { document } = await replyAndStatus(requestId)
    expect(document).toMatchObject({
      request_id: requestId,
      state: 'created',
      workflow_name,
      version: '1.0.0',
    })
    expect((await get(`${service.url}/api/v1/workflows/${document.workflow_id}`)).body).toMatchObject(
      workflow,
    )
  })

  test('without any header has an id made of where it lies', async () => {
    const workflow = aWorkflow()
    await send([{ value: JSON.stringify(workflow) }])
    const isMine = ({ value }: Received) => value?.toString() === JSON.stringify(workflow)
    const { partition, message } = await until('the record', () => requests.records.find(isMine))
    const { clusterId } = await asAdmin(world, (admin) => admin.describeCluster())
    const place = ['record', clusterId, world.env.REQUEST_TOPIC, partition, message.offset, message.timestamp]
    const { document } = await replyAndStatus(v5(place.join('\n'), ID_NAMESPACE))
    expect(document.workflow_name).toBe(workflow.workflow_name)
  })

  test('sent again by its producer without an id is another request, and an identical conflict', async () => {
    const workflow = aWorkflow()
    await send([{ value: JSON.stringify(workflow), partition: 0 }])
    await send([{ value: JSON.stringify(workflow), partition: 0 }])
    const [first, second] = await until('two replies', () => {
      const found = replies.records.filter(({ key }) => key === workflow.workflow_name)
      return found.length === 2 && found.map(documentIn)
    })
    expect(first.state).toBe('created')
    expect(second).toMatchObject({ state: 'conflict', problem: { content: 'identical' } })
    expect(second.request_id).not.toBe(first.request_id)
  })

  test('with a UUID in the header request-id has that id, in lower case', async () => {
    const id = crypto.randomUUID()
    await send([{ value: JSON.stringify(aWorkflow()), headers: { 'request-id': id.toUpperCase() } }])
    expect((await replyAndStatus(id)).document.state).toBe('created')
  })

  test('with any other text in the header request-id has the UUIDv5 of that text', async () => {
    await send([{ value: JSON.stringify(aWorkflow()), headers: { 'request-id': 'order-17' } }])
    const { document } = await replyAndStatus('83dcc613-dd0c-5d9c-8288-1341c74f5eda')
    expect(document.state).toBe('created')
  })
})

describe('a CloudEvent in binary mode', () => {
  const event = (id: string): IHeaders => ({
    ce_specversion: '1.0',
    ce_type: 'io.workflow-registrar.registration.requested.v1',
    ce_source: '/shop',
    ce_id: id,
    'content-type': 'application/json',
  })

  test('with a UUID as its id has that id', async () => {
    const id = crypto.randomUUID()
    await send([{ value: JSON.stringify(aWorkflow()), headers: event(id) }])
    expect((await replyAndStatus(id)).document.state).toBe('created')
  })

  test('with any other id has the UUIDv5 of its source and id', async () => {
    await send([{ value: JSON.stringify(aWorkflow()), headers: event('order-17') }])
    const { document } = await replyAndStatus('3afc74cb-6d14-5b1b-a6f2-9c12e7ea6a14')
    expect(document.state).toBe('created')
  })

  test('is answered by a CloudEvent that names its cause', async () => {
    const id = crypto.randomUUID()
    await send([{ value: JSON.stringify(aWorkflow()), headers: event(id) }])
    const { reply, document } = await replyAndStatus(id)
    expect(reply.headers).toMatchObject({
      ce_specversion: '1.0',
      ce_type: 'io.workflow-registrar.registration.completed.v1',
      ce_subject: `${document.workflow_name}@1.0.0`,
      ce_causationid: id,
      'content-type': 'application/json',
      outcome: 'created',
    })
    expect(reply.headers.ce_id).not.toBe(id)
    expect(reply.key).toBe(document.workflow_name)
  })
})

describe('a request id that comes again', () => {
  test('with the same body repeats created under the same reply id, and adds no row', async () => {
    const id = crypto.randomUUID()
    const workflow = aWorkflow()
    const record = { value: JSON.stringify(workflow), headers: { 'request-id': id } }
    await send([record])
    await repliesTo(id)
    await send([record])
    const [first, second] = await repliesTo(id, 2)
    expect(documentIn(first!).state).toBe('created')
    expect(documentIn(second!)).toEqual(documentIn(first!))
    expect(second!.headers.ce_id).toBe(first!.headers.ce_id)
    expect([first!.key, second!.key]).toEqual([workflow.workflow_name, workflow.workflow_name])
    expect(await rows('workflow', 'created_by_request', id)).toBe(1)
    expect(await rows('registration_request', 'request_id', id)).toBe(1)
  })

  test.for([
    ['in the same produce', true],
    ['later', false],
  ] as const)(
    '%s with another body is rejected by a reply of its own, and the first outcome stays',
    async ([, together]) => {
      const id = crypto.randomUUID()
      const record = () => ({
        value: JSON.stringify(aWorkflow()),
        partition: 0,
        headers: { 'request-id': id },
      })
      const [one, other] = [record(), record()]
      if (together) await send([one, other])
      else {
        await send([one])
        await repliesTo(id)
        await send([other])
      }
      const found = await repliesTo(id, 2)
      const [created] = found.filter(({ headers }) => headers.outcome === 'created')
      const [rejected] = found.filter(({ headers }) => headers.outcome === 'rejected')
      expect(documentIn(rejected!)).toMatchObject({
        request_id: id,
        state: 'rejected',
        workflow_name: JSON.parse(other.value).workflow_name,
        problem: { status: 422, retryable: false },
      })
      expect(rejected!.headers.ce_id).not.toBe(created!.headers.ce_id)
      expect((await statusOf(id)).body).toEqual(documentIn(created!))
      expect(await rows('workflow', 'created_by_request', id)).toBe(1)
    },
  )
})

test('an invalid body is rejected in the reply and in the status, and is no dead letter', async () => {
  const id = crypto.randomUUID()
  const body = aWorkflow({ version: 'v1', surprise: true })
  await send([{ value: JSON.stringify(body), partition: 0, headers: { 'request-id': id } }])
  const { reply, document } = await replyAndStatus(id)
  expect(document).toMatchObject({
    state: 'rejected',
    workflow_name: body.workflow_name,
    version: 'v1',
    problem: { status: 400, title: 'Validation Error' },
  })
  expect(document.problem.errors.map(({ pointer }: { pointer: string }) => pointer)).toEqual([
    '/version',
    '/surprise',
  ])
  expect(reply.key).toBe(body.workflow_name)

  await send([{ value: 'not JSON', partition: 0, key: 'after the invalid one' }])
  await until('the dead letter after it', () =>
    deadLetters.records.find(({ key }) => key === 'after the invalid one'),
  )
  expect(deadLetters.records.filter(({ headers }) => headers['request-id'] === id)).toEqual([])
})

describe('an unreadable record', () => {
  const poisons: [name: string, poison: Message][] = [
    ['not JSON', { value: '{"workflow_name": ', headers: { trace: 'a' } }],
    ['an empty value', { value: '' }],
    ['a tombstone', { value: null, headers: { trace: 'b' } }],
    ['invalid UTF-8', { value: Buffer.from([0x22, 0xc3, 0x28, 0x22]) }],
    [
      'an event of an unknown type',
      { value: JSON.stringify(aWorkflow()), headers: { ce_type: 'io.workflow-registrar.other.v9' } },
    ],
  ]

  test.for(poisons)(
    'without an id is a dead letter as it came, without a reply, and the next is settled: %s',
    async ([name, poison]) => {
      const key = Buffer.from([0xff, 0x00, ...Buffer.from(name)])
      const headers = { ...poison.headers, several: ['1', Buffer.from([0xfe])], none: '' }
      const offset = (await logEnds(world, world.env.REQUEST_TOPIC!)).get(1)
      await hasAll(world, world.env.REPLY_TOPIC!, replies)
      const repliesBefore = replies.records.length
      await send([{ ...poison, key, headers, partition: 1 }])
      await goodRecordIsSettled(1)

      const letter = await until('the dead letter', () =>
        deadLetters.records.find(({ message }) => message.key?.equals(key)),
      )
      expect(letter.value).toEqual(poison.value === null ? null : Buffer.from(poison.value))
      const came = letter.message.headers!
      expect(letter.headers).toMatchObject({
        'dead-letter-class': 'unreadable',
        'dead-letter-code': expect.stringMatching(/./),
      })
      expect(came).toMatchObject(
        Object.fromEntries(
          Object.entries(headers).map(([header, value]) => [
            header,
            Array.isArray(value) ? value.map((one) => Buffer.from(one)) : Buffer.from(value as string),
          ]),
        ),
      )
      expect(letter.headers).toMatchObject({
        'dead-letter-topic': world.env.REQUEST_TOPIC,
        'dead-letter-partition': '1',
        'dead-letter-offset': String(offset),
      })
      await hasAll(world, world.env.REPLY_TOPIC!, replies)
      expect(replies.records).toHaveLength(repliesBefore + 1)
    },
  )

  test.for(poisons)(
    'with an id is a dead letter, rejected in reply and status, and the next is settled: %s',
    async ([, poison]) => {
      const id = crypto.randomUUID()
      await send([{ ...poison, partition: 1, headers: { ...poison.headers, 'request-id': id } }])
      await goodRecordIsSettled(1)

      const { reply, document } = await replyAndStatus(id)
      expect(document).toMatchObject({ state: 'rejected', workflow_name: null, problem: { status: 400 } })
      expect(reply.key).toBe(id)
      const letters = await until('the dead letter', () => {
        const found = deadLetters.records.filter(({ headers }) => headers['request-id'] === id)
        return found.length > 0 && found
      })
      expect(letters).toHaveLength(1)
      expect(letters[0]!.value).toEqual(poison.value === null ? null : Buffer.from(poison.value))
    },
  )
})

describe('a hostile body is rejected in reply and status, and the next record is settled', () => {
  const withField = (field: string) => JSON.stringify(aWorkflow()).replace('{', `{${field},`)
  const hostile: [name: string, body: string | Buffer, status: number][] = [
    ['__proto__ as a field', withField('"__proto__":{"owner":"x"}'), 400],
    ['__proto__ as a label', withField('"custom_labels":{"__proto__":"x"}'), 400],
    ['5000 levels deep', withField(`"parameters":${'['.repeat(5000)}${']'.repeat(5000)}`), 400],
    [
      '5000 levels deep in an unknown field',
      withField(`"x":${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}`),
      400,
    ],
    [
      '70 000 keys',
      withField(`"parameters":{${Array.from({ length: 70_000 }, (_, key) => `"${key}":1`).join()}}`),
      413,
    ],
    [
      '20 000 keys',
      withField(`"parameters":{${Array.from({ length: 20_000 }, (_, key) => `"${key}":1`).join()}}`),
      400,
    ],
    ['NUL in a text', withField('"owner":"a\\u0000b"'), 400],
    ['NUL in a name', withField('"custom_labels":{"a\\u0000b":"x"}'), 400],
    ['half of a surrogate pair in a text', withField('"owner":"\\ud800"'), 400],
    ['half of a surrogate pair in a name', withField('"custom_labels":{"\\udc00":"x"}'), 400],
    ['half of a surrogate pair as an unknown field', withField('"\\ud83d":1'), 400],
    ['a number that loses digits', withField('"parameters":{"n":12345678901234567890}'), 400],
    ['a value just below 1 MiB', JSON.stringify(aWorkflow({ content: 'x'.repeat(1_047_000) })), 413],
    ['a list', '[]', 400],
    ['null', 'null', 400],
  ]

  test.for(hostile)('%s', async ([, value, status]) => {
    const id = crypto.randomUUID()
    await send([{ value, partition: 2, headers: { 'request-id': id } }])
    await goodRecordIsSettled(2)
    const { document } = await replyAndStatus(id)
    expect(document).toMatchObject({ state: 'rejected', problem: { status, retryable: false } })
  })

  test('all of them in one produce, with good ones between', async () => {
    const bodies = hostile.filter(([, value]) => value.length < 100_000).map(([, value]) => value)
    const bad = bodies.map((value) => ({ value, id: crypto.randomUUID() }))
    const good = bodies.map(() => ({ value: JSON.stringify(aWorkflow()), id: crypto.randomUUID() }))
    const records = bad.flatMap((one, index) => [one, good[index]!])
    await send(records.map(({ value, id }) => ({ value, partition: 2, headers: { 'request-id': id } })))
    for (const { id } of good) expect((await replyAndStatus(id)).document.state).toBe('created')
    for (const { id } of bad) expect((await replyAndStatus(id)).document.state).toBe('rejected')
  })
})

test('an unreadable record that is too large for a dead letter, once unpacked, does not block its partition', async () => {
  const own = await withService({ env: { TOPIC_PARTITIONS: '1' } })
  const ids = { large: crypto.randomUUID(), next: crypto.randomUUID() }
  await send(
    [
      {
        value: Buffer.alloc(6 * 1024 * 1024, 'x'),
        headers: { 'request-id': ids.large, ce_type: 'io.workflow-registrar.other.v9' },
      },
    ],
    { to: own, compression: CompressionTypes.GZIP },
  )
  await send([{ value: JSON.stringify(aWorkflow()), headers: { 'request-id': ids.next } }], { to: own })
  const stateOf = async (id: string) =>
    (await get(`${own.url}/api/v1/workflow-requests/${id}`)).body.state as string | undefined
  expect(await until('the next one settled', () => stateOf(ids.next), 10_000)).toBe('created')
  expect(await stateOf(ids.large)).toBe('rejected')
  const letters = await listen(own, own.env.DEAD_LETTER_TOPIC!)
  onTestFinished(() => letters.close())
  const letter = await until('a dead letter', () => letters.records[0])
  expect(letter.headers).toMatchObject({ 'request-id': ids.large, 'dead-letter-offset': '0' })
})

test('nothing of all that was an error of the service', () => {
  const errors = service.logs.filter(({ level }) => level === 'error' || level === 'fatal')
  expect(errors).toEqual([])
  expect(service.crashes).toEqual([])
})

async function rows(table: string, column: string, id: string): Promise<number> {
  const { rowCount } = await world.owner.query(`select from ${table} where ${column} = $1`, [id])
  return rowCount!
}
