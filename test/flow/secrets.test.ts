import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { createWorkflowSchema, IGNORED_FIELDS, workflowChangeSchema } from '../../src/domain/workflow.ts'
import { get, patch, post } from '../support/http.ts'
import { startIssuer } from '../support/issuer.ts'
import { listen, plainKafka, produce, type Received } from '../support/kafka.ts'
import { CANARY, inspect, inspected, leaks } from '../support/leaks.ts'
import { hasAll } from '../support/log-ends.ts'
import { type Collector, startCollector } from '../support/otlp-collector.ts'
import { startProcess } from '../support/process.ts'
import { raw } from '../support/raw-http.ts'
import { until } from '../support/until.ts'
import { aWorkflow } from '../support/workflows.ts'
import { makeWorld, startApp, type TestApp, type World } from '../support/world.ts'

let world: World
let collector: Collector
let service: TestApp
beforeAll(async () => {
  world = await makeWorld()
  collector = await startCollector()
  service = await startApp(world, { env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url } })
})
afterAll(async () => {
  await service?.close()
  await collector?.close()
  await world?.close()
})

const SYNC = '/api/v1/workflows'
const ASYNC = '/api/v1/workflow-requests'

/** Every field that a request or a change may have, and some that none may; but for the two that are told everywhere. */
const FIELDS = new Set([
  ...Object.keys(createWorkflowSchema.shape),
  ...IGNORED_FIELDS,
  ...Object.keys(workflowChangeSchema.shape),
  ...['expected_duration', 'no_such_field'],
])
for (const told of ['workflow_name', 'version']) FIELDS.delete(told)

/** The canary as a field may have it: as it should be, of another type, too long, with what no text may have, and like a line of a stack. */
const SHAPES: unknown[] = [
  CANARY,
  [CANARY],
  { key: CANARY },
  { key: { key: CANARY } },
  `${CANARY}\0`,
  `${CANARY}\ud800`,
  CANARY.repeat(20_000),
  `${CANARY}\n    at ${CANARY}`,
]

/** Beside it, what else is in a trace counts. */
const TRACEPARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
const withTrace = (header: string) => (header === 'tracestate' ? { traceparent: TRACEPARENT } : {})

/** Sends it through every door, and looks at the status of whatever is settled. */
async function everywhere(body: unknown, headers: Record<string, string> = {}): Promise<void> {
  await post(service.url + SYNC, body, headers)
  await post(`${service.url}${SYNC}?dry_run=true`, body, headers)
  await post(`${service.url}${SYNC}/batch`, { workflows: [body, body] }, headers)
  const accepted = await post(service.url + ASYNC, body, { prefer: 'wait=20', ...headers })
  if (accepted.body?.instance) await get(service.url + accepted.body.instance)
}

async function raws(bodies: readonly unknown[]): Promise<void> {
  const messages = bodies.map((body) => ({ value: typeof body === 'string' ? body : JSON.stringify(body) }))
  await produce(world, messages)
  await isSettled()
}

async function isSettled(): Promise<void> {
  const offsets = await offsetsOf()
  await until('all to be settled', async () => {
    const { rows } = await world.owner.query(
      'select partition, next_offset::int as next from consumer_progress',
    )
    const next = new Map(rows.map((row) => [row.partition, row.next]))
    return [...offsets].every(([partition, high]) => (next.get(partition) ?? 0) >= high)
  })
}

async function offsetsOf(): Promise<Map<number, number>> {
  const admin = plainKafka(world).admin()
  await admin.connect()
  const offsets = await admin.fetchTopicOffsets(world.env.REQUEST_TOPIC!)
  await admin.disconnect()
  return new Map(offsets.map(({ partition, high }) => [partition, Number(high)]))
}

test('the search finds what it looks for', () => {
  inspect('log', `a line with ${CANARY} in it`)
  expect(leaks()).toEqual([`log: a line with ${CANARY} in it`])
  expect(leaks()).toEqual([])
})

test.each([...FIELDS])('what a request or a change has in %s is told by no surface', async (field) => {
  const bodies = SHAPES.map((value) => aWorkflow({ [field]: value }))
  for (const body of bodies) await everywhere(body)
  await raws(bodies)
  const { body: created } = await post(service.url + SYNC, aWorkflow())
  for (const value of SHAPES) await patch(`${service.url}${SYNC}/${created.workflow_id}`, { [field]: value })
  expect(leaks()).toEqual([])
})

test('the name of a field, a label or a parameter is told to its caller, and to nobody else', async () => {
  const name = `name-${crypto.randomUUID()}`
  const bodies = [
    aWorkflow({ [name]: 1 }),
    ...['labels', 'custom_labels', 'detected_labels'].map((field) => aWorkflow({ [field]: { [name]: {} } })),
  ]
  for (const body of bodies) {
    const { body: problem } = await post(service.url + SYNC, body)
    expect(problem.errors[0].pointer).toMatch(new RegExp(`/${name}$`))
    await everywhere(body)
  }
  await raws(bodies)
  expect((await get(`${service.url}${SYNC}?${name}=1`)).body.detail).toContain(name)
  const last = aWorkflow()
  await post(service.url + SYNC, last)
  await until('the trace of the last one', () => collector.text().includes(String(last.workflow_name)))
  const metrics = await (await fetch(service.metricsUrl)).text()
  for (const text of [JSON.stringify(service.logs), metrics, collector.text()])
    expect(text).not.toContain(name)
})

test('what is no request at all is told by no surface', async () => {
  const bodies = [CANARY, `"${CANARY}"`, `{"${CANARY}`, `{"workflow_name": "${CANARY}`, `[["${CANARY}"]]`]
  for (const body of bodies) await everywhere(body)
  await raws(bodies)
  const typed = { 'content-type': `text/${CANARY}` }
  await post(service.url + SYNC, CANARY, typed)
  await raw(service.url, `${CANARY} / HTTP/1.1\r\nhost: ${CANARY}\r\n\r\n`)
  await raw(service.url, `GET /${CANARY} HTTP/1.1\r\nhost: ${CANARY}\r\nconnection: close\r\n\r\n`)
  expect(leaks()).toEqual([])
})

const HEADERS = [
  ...['idempotency-key', 'prefer', 'traceparent', 'tracestate', 'baggage', 'authorization', 'if-none-match'],
  ...[
    'accept',
    'accept-encoding',
    'x-request-id',
    'x-forwarded-for',
    'forwarded',
    'referer',
    'origin',
    'from',
  ],
]

test.each(HEADERS)('what a caller has in the header %s is told by no surface', async (header) => {
  const values = [CANARY, `"${CANARY}"`, `wait=${CANARY}`, `00-${CANARY}-${CANARY}-01`, CANARY.repeat(100)]
  for (const value of values) {
    const headers = { ...withTrace(header), [header]: value }
    await everywhere(aWorkflow(), headers)
    await everywhere({}, headers)
    for (const path of [SYNC, ASYNC, '/health/ready', '/none']) await get(service.url + path, headers)
  }
  expect(leaks()).toEqual([])
})

test('what a caller has in a URL is told by no surface', async () => {
  for (const path of [
    `${SYNC}/${CANARY}`,
    `${ASYNC}/${CANARY}`,
    `${ASYNC}/${crypto.randomUUID()}?at=${CANARY}`,
    `${ASYNC}?state=${CANARY}`,
    `${ASYNC}?cursor=${CANARY}`,
    `${SYNC}?owner=${CANARY}&limit=${CANARY}`,
    `${SYNC}?labels[team]=${CANARY}`,
    `/${CANARY}`,
    `/%${CANARY}`,
  ])
    await get(service.url + path)
  await post(`${service.url}${SYNC}?dry_run=${CANARY}`, aWorkflow())
  const created = await post(service.url + SYNC, aWorkflow())
  await patch(`${service.url}${SYNC}/${created.body.workflow_id}`, { status: CANARY, status_reason: CANARY })
  await patch(`${service.url}${SYNC}/${created.body.workflow_id}`, { status_reason: CANARY, name: CANARY })
  expect(leaks()).toEqual([])
})

describe('what a record has in its headers', () => {
  const RECORD_HEADERS = [
    ...[
      'request-id',
      'content-type',
      'reply-topic',
      'traceparent',
      'tracestate',
      'principal',
      'idempotency-key',
    ],
    ...['ce_specversion', 'ce_type', 'ce_source', 'ce_id', 'ce_time', 'ce_correlationid', 'ce_subject'],
    ...['kafka_replyTopic', 'kafka_correlationId', 'REPLY_TOPIC', 'REPLY_CORRELATION_ID', 'anything'],
  ]

  /** What a reply gives back; as `ce_correlationid` the id of a request, too. */
  const ECHOED = [
    ...['REPLY_CORRELATION_ID', 'REPLY_TOPIC', 'ce_correlationid'],
    ...['kafka_correlationId', 'kafka_replyTopic', 'tracestate'],
  ]

  test('is told by no surface', async () => {
    for (const header of RECORD_HEADERS) {
      const headers = { ...withTrace(header), [header]: CANARY }
      await produce(
        world,
        [JSON.stringify(aWorkflow()), CANARY, null].map((value) => ({ value, headers })),
      )
    }
    await isSettled()
    expect(leaks()).toEqual([])
  })

  test('is in its reply alone, where it is to come back', async () => {
    const replies = await listen(world, world.env.REPLY_TOPIC!)
    onTestFinished(() => replies.close())
    await hasAll(world, world.env.REPLY_TOPIC!, replies)
    const echoed = new Set(
      replies.records.flatMap(({ headers }: Received) =>
        Object.keys(headers).filter((name) => headers[name]!.includes(CANARY)),
      ),
    )
    expect([...echoed].sort()).toEqual(ECHOED)
    for (const { value } of replies.records) expect(String(value)).not.toContain(CANARY)
  })
})

describe('what a token has in it', () => {
  /** A service whose issuer and audience have the canary in them, and the URL of whose keys has it too. */
  async function guarded() {
    const named = { iss: `https://${CANARY}.test`, aud: CANARY }
    const issuer = await startIssuer()
    onTestFinished(() => issuer.close())
    const start = async () => {
      const app = await startApp(world, {
        roles: ['ingress'],
        env: {
          JWT_ISSUER: named.iss,
          JWT_AUDIENCE: named.aud,
          JWT_JWKS_URL: `${issuer.env.JWT_JWKS_URL}?key=${CANARY}`,
          OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        },
      })
      onTestFinished(() => app.close())
      return app
    }
    const token: typeof issuer.token = (claims, options) => issuer.token({ ...named, ...claims }, options)
    return { issuer, start, token }
  }

  /** Comes to every operation with it, and to the three doors with a request. */
  async function comeTo({ url }: TestApp, token: string): Promise<number[]> {
    const bearer = { authorization: `Bearer ${token}` }
    const workflow = aWorkflow()
    const created = await post(url + SYNC, workflow, bearer)
    const answers = [
      created,
      await post(url + SYNC, workflow, bearer),
      await post(`${url}${SYNC}/batch`, { workflows: [workflow, {}] }, bearer),
      await post(url + ASYNC, aWorkflow(), { ...bearer, 'idempotency-key': crypto.randomUUID() }),
      await get(`${url}${ASYNC}/${created.body.created_by_request ?? crypto.randomUUID()}`, bearer),
      await get(url + ASYNC, bearer),
      await get(url + SYNC, bearer),
      await patch(`${url}${SYNC}/${created.body.workflow_id}`, { status: 'disabled' }, bearer),
    ]
    return answers.map(({ status }) => status)
  }

  const sub = `somebody ${CANARY}`
  const everything = { sub, jti: CANARY, azp: CANARY, [CANARY]: { [CANARY]: [CANARY] } }
  const scope = `workflows:read workflows:write workflows:operate ${CANARY}`

  test('is told by no surface, but for its name on what it made', async () => {
    const { start, token } = await guarded()
    const app = await start()
    const good = await token({ ...everything, scope })
    expect(await comeTo(app, good)).toEqual([201, 409, 200, 202, 200, 200, 200, 200])
    const made = await world.owner.query('select from workflow where principal = $1', [sub])
    expect(made.rowCount).toBeGreaterThan(0)

    const forbidden = await token({ ...everything, scope: CANARY })
    expect(new Set(await comeTo(app, forbidden))).toEqual(new Set([403]))
    const [head = '', payload = '', signature = ''] = good.split('.')
    const unreadable = Buffer.from(`{"alg":"${CANARY}","kid":"${CANARY}","${CANARY}`).toString('base64url')
    for (const refused of [
      await token({ ...everything, scope, iss: `https://${CANARY}.example` }),
      await token({ ...everything, scope, aud: [CANARY.toUpperCase(), `${CANARY}.`] }),
      await token({ ...everything, scope, exp: 1 }),
      await token({ ...everything, scope, sub: CANARY.repeat(20) }),
      await token({ ...everything, scope }, { header: { kid: CANARY } }),
      await token(
        { ...everything, scope },
        { header: { kid: CANARY, typ: CANARY, jku: `https://${CANARY}/` } },
      ),
      ...[CANARY, `${CANARY}.${CANARY}.${CANARY}`, `${head}.${CANARY}.${signature}`],
      ...[`${head}.${payload}.${CANARY}`, `${CANARY}.${payload}.${signature}`, `${good}${CANARY}`],
      ...[`${unreadable}.${payload}.${signature}`, `${good} ${CANARY}`, CANARY.repeat(500)],
    ])
      expect(new Set(await comeTo(app, refused)), refused).toEqual(new Set([401]))
    expect(await (await fetch(app.metricsUrl)).text()).not.toContain(CANARY)
    expect(JSON.stringify(app.logs)).not.toContain(good.slice(0, 40))
    expect(leaks()).toEqual([])
  })

  test('is told by no surface while its issuer answers with anything else than keys, and neither is where that is', async () => {
    const { issuer, start, token } = await guarded()
    const good = await token({ ...everything, scope })
    for (const [code, answer] of [
      ['NOT_A_JWKS', `{"${CANARY}`],
      ['NOT_A_JWKS', `{"keys":["${CANARY}"]}`],
      ['HTTP_418', CANARY],
    ] as const) {
      issuer.answer((response) => response.writeHead(code === 'HTTP_418' ? 418 : 200, CANARY).end(answer))
      const app = await start()
      expect(new Set(await comeTo(app, good))).toEqual(new Set([503]))
      expect(await get(`${app.url}/health/ready`)).toMatchObject({
        status: 503,
        body: { detail: expect.stringContaining(`the keys of JWT_JWKS_URL cannot be had (${code})`) },
      })
    }
    expect(leaks()).toEqual([])
  })
})

/** How the database refuses a row, and how it stops. What a trigger says is kept out of the server's own log, which has all messages. */
const REFUSALS = [
  [
    'by a constraint, with the row',
    `alter table workflow add constraint ck_nobody check (owner is distinct from '${CANARY} refused') not valid`,
    'alter table workflow drop constraint ck_nobody',
  ],
  [
    'by a trigger, with its own words',
    `create function refuse() returns trigger language plpgsql security definer set log_min_messages = panic as $$
       begin
         raise exception using errcode = '23514', message = new.content, detail = new.description,
           hint = new.name, constraint = 'ck_of_a_trigger';
       end $$;
     create trigger refuse before insert on workflow for each row execute function refuse();`,
    'drop trigger refuse on workflow',
  ],
] as const

test.each(REFUSALS)(
  'what the database says when it refuses a request %s is told by no surface',
  async (_, refuse, stop) => {
    const failed = async () => {
      const { rows } = await world.owner.query(
        `select count(*)::int as failed from registration_request where outcome = 'failed'`,
      )
      return rows[0].failed
    }
    const before = await failed()
    await world.owner.query(refuse)
    onTestFinished(() => world.owner.query(stop).then(() => {}))
    const refused = () => aWorkflow({ owner: `${CANARY} refused`, content: `${CANARY}\n    at ${CANARY}` })
    await everywhere(refused())
    await raws([refused(), refused()])
    expect(await failed()).toBe(before + 6)
    expect(leaks()).toEqual([])
  },
)

test('a start tells nothing of the database that it was given', async () => {
  const { lines } = await startProcess('start', world)
  await until('its welcome', () => lines.includes('  PostgreSQL  as DATABASE_URL says'))
  const { host, pathname } = new URL(world.env.DATABASE_URL!)
  for (const part of [host, pathname]) expect(lines.join()).not.toContain(part)
})

test('how a collector of traces is logged in to is told by no surface, also while it is away', async () => {
  const guarded = await startCollector()
  const endpoint = new URL(guarded.url)
  endpoint.username = 'tracer'
  endpoint.password = CANARY
  const ingress = await startProcess('ingress', world, {
    LOG_LEVEL: 'trace',
    OTEL_EXPORTER_OTLP_ENDPOINT: endpoint.href,
    OTEL_EXPORTER_OTLP_HEADERS: `x-api-key=${CANARY}`,
  })
  await post(ingress.url + SYNC, aWorkflow())
  await until('a delivery', () => guarded.deliveries.length > 0)
  expect(guarded.deliveries[0]).toMatchObject({ 'x-api-key': CANARY })
  await guarded.close()
  await post(ingress.url + SYNC, aWorkflow())
  await until('a loss', () => ingress.lines.some((line) => line.includes('traces are lost')))
  expect(leaks()).toEqual([])
})

test('every surface was looked at', async () => {
  await until('traces', () => collector.spans.length > 0)
  expect(await (await fetch(service.metricsUrl)).text()).not.toContain(CANARY)
  const { log, problem, trace } = inspected()
  expect(Math.min(log, problem, trace)).toBeGreaterThan(0)
  expect(service.logs.length).toBeGreaterThan(100)
  const { rows } = await world.owner.query(
    'select count(*)::int as sent from workflow where content like $1',
    [`%${CANARY}%`],
  )
  expect(rows[0].sent).toBeGreaterThan(0)
  expect(leaks()).toEqual([])
})
