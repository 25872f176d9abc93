import { once } from 'node:events'
import net from 'node:net'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { get, post } from '../support/http.ts'
import { listen, produce, type Received } from '../support/kafka.ts'
import { CANARY } from '../support/leaks.ts'
import { type CollectedSpan, type Collector, startCollector } from '../support/otlp-collector.ts'
import { startProcess } from '../support/process.ts'
import { until } from '../support/until.ts'
import { aWorkflow } from '../support/workflows.ts'
import { makeWorld, startApp, type TestApp, type World } from '../support/world.ts'

let world: World
let collector: Collector
let ingress: TestApp
let worker: TestApp
let replies: Awaited<ReturnType<typeof listen>>
let requests: Awaited<ReturnType<typeof listen>>
let sendRequest: string
let processRequest: string
let sendReply: string

beforeAll(async () => {
  world = await makeWorld()
  collector = await startCollector()
  ingress = await startApp(world, { roles: ['ingress'], env: tracedBy(collector) })
  worker = await startApp(world, { roles: ['worker'], env: tracedBy(collector) })
  replies = await listen(world, world.env.REPLY_TOPIC!)
  requests = await listen(world, world.env.REQUEST_TOPIC!)
  sendRequest = `send ${world.env.REQUEST_TOPIC}`
  processRequest = `process ${world.env.REQUEST_TOPIC}`
  sendReply = `send ${world.env.REPLY_TOPIC}`
})
afterAll(async () => {
  await Promise.all([replies?.close(), requests?.close()])
  await ingress?.close()
  await worker?.close()
  await collector?.close()
  await world?.close()
})

const tracedBy = ({ url }: Pick<Collector, 'url'>) => ({ OTEL_EXPORTER_OTLP_ENDPOINT: url })

const ASYNC = '/api/v1/workflow-requests'
const SYNC = '/api/v1/workflows'
const BATCH = '/api/v1/workflows/batch'

const at = (door: string, body: unknown, headers: Record<string, string> = {}) =>
  post(ingress.url + door, body, headers)

const replyTo = (requestId: string): Promise<Received> =>
  until(`the reply to ${requestId}`, () =>
    replies.records.find(({ headers }) => headers['request-id'] === requestId),
  )

const recordOf = (requestId: string): Promise<Received> =>
  until(`the record of ${requestId}`, () =>
    requests.records.find(({ headers }) => headers.ce_id === requestId),
  )

/** A trace of a caller's own, which it keeps or does not keep. */
function aTrace(flags: '00' | '01' = '01') {
  const random = (digits: number) => crypto.randomUUID().replaceAll('-', '').slice(0, digits)
  const [traceId, spanId] = [random(32), random(16)]
  return { traceId, spanId, traceparent: `00-${traceId}-${spanId}-${flags}` }
}

const inTrace = (traceId: string) => collector.spans.filter((span) => span.traceId === traceId)

/** The trace once it has as many spans: each as its kind and name, under that of its parent. */
async function outline(traceId: string, count: number): Promise<string[]> {
  const spans = await until(`${count} spans in the trace ${traceId}`, () => {
    const found = inTrace(traceId)
    return found.length >= count && found
  })
  const path = ({ kind, name, parentSpanId }: CollectedSpan): string => {
    const parent = spans.find(({ spanId }) => spanId === parentSpanId)
    return `${parent ? `${path(parent)} > ` : ''}${kind} ${name}`
  }
  return spans.map(path).sort()
}

const named = (traceId: string, name: string) => inTrace(traceId).find((span) => span.name === name)!

/** Resolves when both processes have delivered whatever ended before. */
async function delivered(): Promise<void> {
  const { traceId, traceparent } = aTrace()
  await at(ASYNC, aWorkflow(), { traceparent })
  await outline(traceId, 5)
}

describe('a trace', () => {
  test('goes from a POST through Kafka to the reply', async () => {
    const workflow = aWorkflow()
    const { status, body } = await at(ASYNC, workflow)
    expect(status).toBe(202)
    const [record, reply] = await Promise.all([recordOf(body.request_id), replyTo(body.request_id)])
    const [, traceId, sentId] = record.headers.traceparent!.split('-') as [string, string, string]

    const [door, sent, processed] = [
      `server POST ${ASYNC}`,
      `producer ${sendRequest}`,
      `consumer ${processRequest}`,
    ]
    expect(await outline(traceId, 5)).toEqual([
      door,
      `${door} > ${sent}`,
      `${door} > ${sent} > ${processed}`,
      `${door} > ${sent} > ${processed} > internal register`,
      `${door} > ${sent} > ${processed} > producer ${sendReply}`,
    ])
    expect(named(traceId, sendRequest).spanId).toBe(sentId)
    expect(reply.headers.traceparent).toBe(`00-${traceId}-${named(traceId, sendReply).spanId}-01`)

    const request = {
      'registrar.door': 'async',
      'registrar.request_id': body.request_id,
      'registrar.workflow_name': workflow.workflow_name,
      'registrar.version': '1.0.0',
    }
    const position = {
      'messaging.system': 'kafka',
      'messaging.destination.name': world.env.REQUEST_TOPIC,
      'messaging.destination.partition.id': String(record.partition),
      'messaging.kafka.offset': Number(record.message.offset),
    }
    expect(named(traceId, `POST ${ASYNC}`).attributes).toEqual({
      'http.request.method': 'POST',
      'http.route': ASYNC,
      'http.response.status_code': 202,
      'url.path': ASYNC,
      'url.scheme': 'http',
      ...request,
    })
    expect(named(traceId, sendRequest).attributes).toMatchObject(position)
    expect(named(traceId, processRequest).attributes).toEqual({
      'messaging.operation.name': 'process',
      'messaging.operation.type': 'process',
      'registrar.outcome': 'created',
      ...position,
      ...request,
    })
    expect(named(traceId, 'register').attributes['registrar.batch_size']).toBeGreaterThanOrEqual(1)
    expect(named(traceId, sendReply).attributes['messaging.destination.name']).toBe(world.env.REPLY_TOPIC)
    expect(inTrace(traceId).map(({ failed, service }) => [failed, service])).toEqual(
      Array(5).fill([false, 'workflow-registrar']),
    )
  })

  test("goes on with the caller's, whose state comes back as it was", async () => {
    const { traceId, spanId, traceparent } = aTrace()
    const tracestate = 'vendor=1,other=2'
    const { body } = await at(ASYNC, aWorkflow(), { traceparent, tracestate })
    const [record, reply] = await Promise.all([recordOf(body.request_id), replyTo(body.request_id)])
    await outline(traceId, 5)
    expect(named(traceId, `POST ${ASYNC}`).parentSpanId).toBe(spanId)
    const spanOf = (name: string) => `00-${traceId}-${named(traceId, name).spanId}-01`
    expect(record.headers).toMatchObject({ traceparent: spanOf(sendRequest), tracestate })
    expect(reply.headers).toMatchObject({ traceparent: spanOf(sendReply), tracestate })
  })

  test.each(['as a header', 'as an attribute'])("goes on with a raw producer's, %s", async (how) => {
    const { traceId, spanId, traceparent } = aTrace()
    const id = crypto.randomUUID()
    const event = { specversion: '1.0', type: 'io.workflow-registrar.registration.requested.v1' }
    await produce(world, [
      how === 'as a header'
        ? { value: JSON.stringify(aWorkflow()), headers: { 'request-id': id, traceparent } }
        : {
            value: JSON.stringify({ ...event, source: '/test', id, traceparent, data: aWorkflow() }),
            headers: { 'content-type': 'application/cloudevents+json' },
          },
    ])
    const processed = `consumer ${processRequest}`
    expect(await outline(traceId, 3)).toEqual([
      processed,
      `${processed} > internal register`,
      `${processed} > producer ${sendReply}`,
    ])
    expect(named(traceId, processRequest).parentSpanId).toBe(spanId)
    const reply = await replyTo(id)
    expect(reply.headers.traceparent).toBe(`00-${traceId}-${named(traceId, sendReply).spanId}-01`)
  })

  test('is that of the synchronous door, where a conflict is no error', async () => {
    const workflow = aWorkflow()
    for (const [status, outcome] of [
      [201, 'created'],
      [409, 'conflict'],
    ]) {
      const { traceId, spanId, traceparent } = aTrace()
      expect((await at(SYNC, workflow, { traceparent })).status).toBe(status)
      const door = `server POST ${SYNC}`
      expect(await outline(traceId, 2)).toEqual([door, `${door} > internal register`])
      expect(named(traceId, `POST ${SYNC}`)).toMatchObject({
        parentSpanId: spanId,
        failed: false,
        attributes: {
          'http.response.status_code': status,
          'registrar.door': 'sync',
          'registrar.outcome': outcome,
          'registrar.workflow_name': workflow.workflow_name,
        },
      })
    }
  })

  test('is that of a batch, with how many were registered together', async () => {
    const { traceId, traceparent } = aTrace()
    await at(BATCH, { workflows: [aWorkflow(), {}, aWorkflow()] }, { traceparent })
    const door = `server POST ${BATCH}`
    expect(await outline(traceId, 2)).toEqual([door, `${door} > internal register`])
    expect(named(traceId, `POST ${BATCH}`).attributes).toMatchObject({ 'registrar.batch_size': 3 })
    expect(named(traceId, 'register').attributes).toEqual({ 'registrar.batch_size': 2 })
  })

  test('is that of a request that was refused, too', async () => {
    const { traceId, traceparent } = aTrace()
    expect((await at(SYNC, '{', { traceparent })).status).toBe(400)
    expect(await outline(traceId, 1)).toEqual([`server POST ${SYNC}`])
    expect(named(traceId, `POST ${SYNC}`)).toMatchObject({
      failed: false,
      attributes: { 'http.response.status_code': 400 },
    })
  })

  test('ends with its caller, who may leave before the answer', async () => {
    const { traceId, traceparent } = aTrace()
    const { port } = new URL(ingress.url)
    const socket = net.connect(Number(port), '127.0.0.1')
    await once(socket, 'connect')
    socket.write(
      `POST ${SYNC} HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\ncontent-length: 2\r\ntraceparent: ${traceparent}\r\nexpect: 100-continue\r\n\r\n`,
    )
    await once(socket, 'data') // it waits for the body now
    socket.destroy()
    expect(await outline(traceId, 1)).toEqual([`server POST ${SYNC}`])
    expect(named(traceId, `POST ${SYNC}`)).toMatchObject({
      failed: true,
      attributes: { 'error.type': 'aborted' },
    })
  })

  test('is none where only something is read', async () => {
    const { traceId, traceparent } = aTrace()
    await get(ingress.url + SYNC, { traceparent })
    await get(`${ingress.url}/health/live`, { traceparent })
    await at('/nowhere', {}, { traceparent })
    await delivered()
    expect(inTrace(traceId)).toEqual([])
  })
})

describe('what nobody keeps the trace of', () => {
  test('is not traced, and its trace comes back byte for byte', async () => {
    const { traceId, traceparent } = aTrace('00')
    const trace = { traceparent, tracestate: 'vendor=1, \tother=2' }
    const { body } = await at(ASYNC, aWorkflow(), trace)
    const [record, reply] = await Promise.all([recordOf(body.request_id), replyTo(body.request_id)])
    expect(record.headers).toMatchObject(trace)
    expect(reply.headers).toMatchObject(trace)
    await at(SYNC, aWorkflow(), trace)
    await delivered()
    expect(inTrace(traceId)).toEqual([])
  })

  test('begins none in the worker', async () => {
    const id = crypto.randomUUID()
    await produce(world, [{ value: JSON.stringify(aWorkflow()), headers: { 'request-id': id } }])
    expect((await replyTo(id)).headers).not.toHaveProperty('traceparent')
    await delivered()
    expect(collector.spans.filter(({ attributes }) => attributes['registrar.request_id'] === id)).toEqual([])
  })
})

describe('a span', () => {
  /** Of a field and a parameter that there are not, which the caller is told. */
  const NAME = 'no-such-name'

  /** What a driver would say of it. */
  const REFUSAL = `doppelter Schlüsselwert ${CANARY}`

  beforeAll(() =>
    world.owner.query(`
      create function refuse() returns trigger language plpgsql security definer set log_min_messages = panic as $$
        begin
          if new.owner = '${CANARY} refused' then
            raise exception using errcode = '23514', message = '${REFUSAL} ' || new.content;
          end if;
          return new;
        end $$;
      create trigger refuse before insert on workflow for each row execute function refuse()`),
  )

  test('tells an error by its type and code', async () => {
    const { traceId, traceparent } = aTrace()
    const refused = aWorkflow({ owner: `${CANARY} refused` })
    expect((await at(ASYNC, refused, { traceparent })).status).toBe(202)
    await outline(traceId, 5)
    expect(named(traceId, processRequest)).toMatchObject({
      failed: true,
      attributes: { 'registrar.outcome': 'failed', 'error.type': 'failed', 'error.code': '23514' },
    })

    const sync = aTrace()
    expect((await at(SYNC, refused, { traceparent: sync.traceparent })).status).toBe(500)
    await outline(sync.traceId, 2)
    expect(named(sync.traceId, `POST ${SYNC}`)).toMatchObject({
      failed: true,
      attributes: { 'http.response.status_code': 500, 'error.type': '500' },
    })
  })

  test('is there for each try', async () => {
    await world.owner.query('alter table registration_request rename to elsewhere')
    onTestFinished(async () => {
      await world.owner.query('alter table if exists elsewhere rename to registration_request')
    })
    const systemic = { failed: true, attributes: { 'error.type': 'Fault', 'error.code': '42P01' } }
    const sync = aTrace()
    expect((await at(SYNC, aWorkflow(), { traceparent: sync.traceparent })).status).toBe(500)
    await outline(sync.traceId, 2)
    expect(named(sync.traceId, 'register')).toMatchObject(systemic)

    const { traceId, traceparent } = aTrace()
    const { body } = await at(ASYNC, aWorkflow(), { traceparent })
    const tries = () => inTrace(traceId).filter(({ name }) => name === processRequest)
    await until('two tries', () => tries().length > 1)
    await world.owner.query('alter table elsewhere rename to registration_request')
    expect((await replyTo(body.request_id)).headers.outcome).toBe('created')
    const last = await until('the last try', () => tries().find(({ failed }) => !failed))
    expect(last.attributes).toMatchObject({ 'registrar.outcome': 'created' })
    for (const one of tries().slice(0, 2)) expect(one).toMatchObject(systemic)
  })

  test('has nothing of a body, a header, a key or an error', async () => {
    const { traceId, traceparent } = aTrace()
    const canaries = Object.fromEntries(
      ['name', 'description', 'content', 'owner', 'maintainer', 'container_image', 'container_digest'].map(
        (field) => [field, `${CANARY} ${field}`],
      ),
    )
    const workflow = (fields: Record<string, unknown> = {}) =>
      aWorkflow({
        ...canaries,
        ...{
          labels: { [CANARY]: CANARY },
          custom_labels: { [CANARY]: CANARY },
          parameters: { [CANARY]: CANARY },
        },
        ...fields,
      })
    const headers = {
      traceparent,
      tracestate: `vendor=${CANARY}`,
      'idempotency-key': `"${CANARY}"`,
      'user-agent': CANARY,
      authorization: `Bearer ${CANARY}`,
      baggage: `${CANARY}=${CANARY}`,
      'x-any': CANARY,
    }
    const refused = workflow({ owner: `${CANARY} refused` })
    for (const door of [SYNC, ASYNC]) {
      await at(`${door}?${NAME}=${CANARY}`, workflow(), headers)
      await at(door, workflow(), { ...headers, 'idempotency-key': `${CANARY}-${door}` })
      await at(door, refused, { ...headers, 'idempotency-key': `${CANARY}-${door}-refused` })
      await at(door, workflow({ [NAME]: CANARY }), headers)
      await at(door, `{"${CANARY}`, headers)
    }
    await at(BATCH, { workflows: [workflow(), refused, { [NAME]: CANARY }] }, headers)
    const id = `${CANARY} last`
    await produce(
      world,
      [JSON.stringify(workflow()), JSON.stringify(refused), `{"${CANARY}`, null].map((value, index) => ({
        value,
        key: CANARY,
        partition: 0,
        headers: {
          ...headers,
          'request-id': index === 3 ? id : `${CANARY} ${index}`,
          'reply-topic': CANARY,
          kafka_correlationId: CANARY,
          'content-type': `application/json; ${CANARY}`,
        },
      })),
    )
    await until('the last reply', () =>
      replies.records.find(({ headers: { ce_correlationid } }) => ce_correlationid === id),
    )
    await delivered()
    expect(inTrace(traceId).filter(({ name }) => name === processRequest).length).toBeGreaterThanOrEqual(6)
    const exported = collector.text()
    expect(exported).not.toContain(CANARY)
    expect(exported).not.toContain(NAME)
    expect(exported).not.toContain('Schlüsselwert')
    expect(exported).not.toMatch(/\.ts:\d/)
  })
})

describe('a collector that is away', () => {
  test.each(['refuses', 'falls silent'])('costs the doors nothing, and no end: it %s', async (how) => {
    const away = await startCollector()
    if (how === 'refuses') await away.close()
    else {
      away.fallSilent()
      onTestFinished(() => away.close())
    }
    const own = await makeWorld()
    onTestFinished(() => own.close())
    const service = await startProcess('all-in-one', own, tracedBy(away))
    const lost = () => service.lines.filter((line) => line.includes('traces are lost'))
    for (let posted = 0; posted < 20 || lost().length === 0; posted += 1) {
      const body = aWorkflow()
      expect((await post(service.url + ASYNC, body)).status).toBe(202)
      expect((await post(service.url + SYNC, aWorkflow())).status).toBe(201)
    }
    service.kill('SIGTERM')
    expect(await service.exited).toEqual({ code: 0, signal: null })
    expect(lost()).toHaveLength(1)
    expect(JSON.parse(lost()[0]!)).toMatchObject({ level: 'warn' })
    expect(service.stderr).toEqual([])
    if (how === 'falls silent') expect(away.deliveries.length).toBeGreaterThan(0)
  })

  test('only since the end began is not waited for', async () => {
    const own = await makeWorld()
    onTestFinished(() => own.close())
    const leaving = await startCollector()
    onTestFinished(() => leaving.close())
    const service = await startProcess('ingress', own, tracedBy(leaving))
    const create = async () => expect((await post(service.url + SYNC, aWorkflow())).status).toBe(201)
    await create()
    await until('a delivery', () => leaving.spans.length > 0)
    leaving.fallSilent()
    const { length } = leaving.deliveries
    await create()
    service.kill('SIGTERM')
    expect(await service.exited).toEqual({ code: 0, signal: null })
    expect(leaving.deliveries.length).toBeGreaterThan(length)
    expect(service.stderr).toEqual([])
  })

  test('gets what comes once it is back, and the log says so', async () => {
    const first = await startCollector()
    const { port } = new URL(first.url)
    await first.close()
    const app = await startApp(world, { roles: ['ingress'], env: tracedBy(first) })
    onTestFinished(() => app.close())
    const said = (msg: string) => app.logs.filter((line) => line.msg === msg)
    const create = () => post(app.url + SYNC, aWorkflow())
    await until('the loss to be told', async () => {
      await create()
      return said('traces are lost: the collector does not take them').length > 0
    })
    const back = await startCollector(Number(port))
    onTestFinished(() => back.close())
    await until('a span', async () => {
      await create()
      return back.spans.length > 0
    })
    await until('that to be told', () => said('the collector takes traces again').length > 0)
    expect(said('traces are lost: the collector does not take them')).toHaveLength(1)
  })
})

describe('an end', () => {
  test('delivers the last spans', async () => {
    const own = await startCollector()
    onTestFinished(() => own.close())
    const app = await startApp(world, { roles: ['ingress'], env: tracedBy(own) })
    expect((await post(app.url + SYNC, aWorkflow())).status).toBe(201)
    await app.close()
    expect(own.spans.map(({ name }) => name).sort()).toEqual([`POST ${SYNC}`, 'register'])
  })
})

describe('without a collector', () => {
  const env = { NODE_OPTIONS: `--import ${new URL('../support/report-modules.ts', import.meta.url)}` }
  const loaded = ({ stderr }: { stderr: readonly string[] }) =>
    stderr.filter((line) => /^loaded (@opentelemetry\/(?!api$)|fastify$)/.test(line))

  test('nothing of the SDK is even loaded', async () => {
    const own = await makeWorld()
    onTestFinished(() => own.close())
    const off = await startProcess('all-in-one', own, env)
    const on = await startProcess('ingress', own, { ...env, ...tracedBy(collector) })
    expect(loaded(off)).toEqual(['loaded fastify'])
    expect(loaded(on)).toContain('loaded @opentelemetry/sdk-trace')
  })
})
