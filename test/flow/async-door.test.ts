import type { KafkaMessage } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { parseAt } from '../../src/domain/accepted-at.ts'
import { type Answer, get, post } from '../support/http.ts'
import { listen, type Received } from '../support/kafka.ts'
import { countRecords, hasAll } from '../support/log-ends.ts'
import { until } from '../support/until.ts'
import { aWorkflow } from '../support/workflows.ts'
import { makeWorld, startApp, type TestApp, type World, withService } from '../support/world.ts'

const REQUESTS = '/api/v1/workflow-requests'

let world: World
let service: TestApp
beforeAll(async () => {
  world = await makeWorld()
  service = await startApp(world)
})
afterAll(async () => {
  await service.close()
  await world.close()
})

/** Polls the URL of a 202 until it has an outcome; whatever it says on the way is 200. */
async function outcomeOf(url: string, accepted: Answer) {
  return until('an outcome', async () => {
    const { status, body } = await get(`${url}${accepted.headers.get('location')}`)
    expect(status).toBe(200)
    return body.state !== 'pending' && body
  })
}

function acceptedAt(accepted: Answer) {
  const location = new URL(accepted.headers.get('location')!, 'http://any')
  return parseAt(location.searchParams.get('at')!)!
}

/** The first answer that is not 503: while requests wait, or a new topic has no leader yet, nothing can be said. */
function answerWhenKnown(url: string): Promise<Answer> {
  return until('an answer other than 503', async () => {
    const answer = await get(url)
    return answer.status !== 503 && answer
  })
}

async function rowsNamed(name: unknown): Promise<number> {
  const { rowCount } = await world.owner.query('select from workflow where workflow_name = $1', [name])
  return rowCount!
}

describe('while no worker runs', () => {
  test('a 202 means that the record is on the topic, as it came', async () => {
    const ingress = await withService({ roles: ['ingress'] })
    const topic = ingress.env.REQUEST_TOPIC!
    const body = `  ${JSON.stringify(aWorkflow({ workflow_name: 'as-it-came' }))}\n`
    expect(await countRecords(ingress, topic)).toBe(0)

    const accepted = await post(`${ingress.url}${REQUESTS}`, body)
    expect(accepted.status).toBe(202)
    expect(await countRecords(ingress, topic)).toBe(1)
    const requestId = accepted.body.request_id
    expect(accepted.headers.get('location')).toMatch(
      new RegExp(`^/api/v1/workflow-requests/${requestId}\\?at=[\\w-]+$`),
    )
    expect(Number(accepted.headers.get('retry-after'))).toBeGreaterThan(0)

    const listener = await listen(ingress, topic)
    await hasAll(ingress, topic, listener)
    await listener.close()
    const [record] = listener.records
    expect(record!.value!.toString()).toBe(body)
    expect(record!.key).toBe('as-it-came')
    expect(record!.headers).toMatchObject({ ce_id: requestId, ce_specversion: '1.0' })
    expect(acceptedAt(accepted)).toMatchObject({
      partition: record!.partition,
      offset: BigInt(record!.message.offset),
    })
  })

  test('the URL of a 202 is 200 and pending with its distance, and created once a worker starts', async () => {
    const ingress = await withService({ roles: ['ingress'] })
    const send = (version: string) =>
      post(`${ingress.url}${REQUESTS}`, aWorkflow({ workflow_name: 'waits', version }))
    const first = await send('1.0.0')
    const second = await send('2.0.0')
    const read = (accepted: Answer) => get(`${ingress.url}${accepted.headers.get('location')}`)

    for (const [accepted, distance] of [
      [first, 1],
      [second, 2],
    ] as const) {
      const status = await read(accepted)
      expect(status.status).toBe(200)
      expect(status.body).toEqual({ ...accepted.body, state: 'pending', queue_distance: distance })
      expect(status.body.completed_at).toBeNull()
      expect(Number(status.headers.get('retry-after'))).toBeGreaterThan(0)
    }

    await startWorker(ingress)
    for (const [accepted, version] of [
      [first, '1.0.0'],
      [second, '2.0.0'],
    ] as const) {
      const settled = await outcomeOf(ingress.url, accepted)
      expect(settled).toMatchObject({ state: 'created', workflow_name: 'waits', version })
      expect(settled.accepted_at).toBe(accepted.body.accepted_at)
    }
  })

  test('an id without a position is 503 while requests wait, 200 once settled, and 404 when none wait', async () => {
    const ingress = await withService({ roles: ['ingress'] })
    const unknown = `${ingress.url}${REQUESTS}/${crypto.randomUUID()}`
    expect((await answerWhenKnown(unknown)).status).toBe(404)

    const accepted = await post(`${ingress.url}${REQUESTS}`, aWorkflow())
    const bare = `${ingress.url}${REQUESTS}/${accepted.body.request_id}`
    for (const url of [bare, unknown]) {
      const unclear = await get(url)
      expect(unclear.status).toBe(503)
      expect(Number(unclear.headers.get('retry-after'))).toBeGreaterThan(0)
      expect(unclear.body).toMatchObject({ status: 503, retryable: true })
    }

    await startWorker(ingress)
    await outcomeOf(ingress.url, accepted)
    expect(await get(bare)).toMatchObject({ status: 200, body: { state: 'created' } })
    const none = await get(unknown)
    expect(none.status).toBe(404)
    expect(none.headers.get('content-type')).toContain('application/problem+json')
  })

  test('of three waiting requests for one name, the first is created and the others conflict', async () => {
    const ingress = await withService({ roles: ['ingress'] })
    const workflow = aWorkflow({ description: 'first' })
    const accepted: Answer[] = []
    for (const description of ['first', 'first', 'third'])
      accepted.push(await post(`${ingress.url}${REQUESTS}`, { ...workflow, description }))

    await startWorker(ingress)
    const [first, second, third] = await Promise.all(accepted.map((one) => outcomeOf(ingress.url, one)))
    expect(first.state).toBe('created')
    expect(second).toMatchObject({ state: 'conflict', problem: { status: 409, content: 'identical' } })
    expect(third).toMatchObject({ state: 'conflict', problem: { status: 409, content: 'different' } })
    for (const lost of [second, third]) expect(lost.problem.existing.workflow_id).toBe(first.workflow_id)
    const { rows } = await ingress.owner.query('select description from workflow')
    expect(rows).toEqual([{ description: 'first' }])
  })

  test('each URL names its own record when 200 requests at once share batches over three partitions', async () => {
    const ingress = await withService({ roles: ['ingress'] })
    const topic = ingress.env.REQUEST_TOPIC!
    const accepted = await Promise.all(
      Array.from({ length: 200 }, () => post(`${ingress.url}${REQUESTS}`, aWorkflow())),
    )
    expect(accepted.every(({ status }) => status === 202)).toBe(true)

    const listener = await listen(ingress, topic)
    await hasAll(ingress, topic, listener)
    await listener.close()
    const { records } = listener
    const batches = new Set(records.map((record) => `${record.partition}/${firstOffsetOfBatch(record)}`))
    expect(new Set(records.map(({ partition }) => partition)).size).toBe(3)
    expect(batches.size).toBeLessThan(200)

    const onTopic = new Map(
      records.map(({ partition, headers, message }) => [
        headers.ce_id,
        { partition, offset: BigInt(message.offset), acceptedAt: new Date(Number(message.timestamp)) },
      ]),
    )
    expect(onTopic.size).toBe(200)
    for (const one of accepted) {
      const { tag: _tag, ...position } = acceptedAt(one)
      expect(position).toEqual(onTopic.get(one.body.request_id))
    }
  })
})

describe('the position in the URL', () => {
  test.for([
    ['empty', () => ''],
    ['no base64url', () => '§§§'],
    ['no position inside', () => Buffer.from('nothing').toString('base64url')],
    ['another tag of the wrong length', (at: string) => recoded(at, (text) => `x${text}`)],
    ['a negative offset', (at: string) => recoded(at, (text) => text.replace(/\.(\d+)\./, '.-$1.'))],
    ['something after it', (at: string) => recoded(at, (text) => `${text}.1`)],
    ['characters that base64url does not have', (at: string) => `${at.slice(0, 4)}!!${at.slice(4)}`],
    ['given twice', (at: string) => `${at}&at=${at}`],
  ] as const)('is 400 when it is none of ours: %s', async ([, forge]) => {
    const accepted = await post(`${service.url}${REQUESTS}`, aWorkflow())
    const [path, at] = accepted.headers.get('location')!.split('?at=')
    await outcomeOf(service.url, accepted)
    const forged = forge(at!)
    const answer = await get(`${service.url}${path}?at=${forged}`)
    expect(answer.status).toBe(400)
    expect(answer.body).toMatchObject({ title: 'Validation Error', retryable: false })
  })

  test('of a log that this service does not read tells nothing: 404 when none wait', async () => {
    const accepted = await post(`${service.url}${REQUESTS}`, aWorkflow())
    await outcomeOf(service.url, accepted)
    const at = new URL(accepted.headers.get('location')!, 'http://any').searchParams.get('at')!
    const elsewhere = recoded(at, (text) => `AAAAAAAAAAA${text.slice(11)}`)
    const id = crypto.randomUUID()
    const answer = await answerWhenKnown(`${service.url}${REQUESTS}/${id}?at=${elsewhere}`)
    expect(answer.status).toBe(404)
  })
})

describe('an idempotency key', () => {
  test('sent twice with one body gives two 202s, one request and one workflow', async () => {
    const workflow = aWorkflow()
    const send = () => post(`${service.url}${REQUESTS}`, workflow, key('twice'))
    const [first, second] = [await send(), await send()]
    expect([first.status, second.status]).toEqual([202, 202])
    expect(second.body.request_id).toBe(first.body.request_id)
    expect(second.headers.get('location')).not.toBe(first.headers.get('location'))

    for (const accepted of [first, second])
      expect(await outcomeOf(service.url, accepted)).toMatchObject({ state: 'created' })
    expect(await rowsNamed(workflow.workflow_name)).toBe(1)
  })

  test('sent again with another body gets a 202 whose status is rejected, and the first stays created', async () => {
    const [one, other] = [aWorkflow(), aWorkflow()]
    const first = await post(`${service.url}${REQUESTS}`, one, key('reused'))
    expect(await outcomeOf(service.url, first)).toMatchObject({ state: 'created' })
    const second = await post(`${service.url}${REQUESTS}`, other, key('reused'))
    expect(second.status).toBe(202)
    expect(second.body.request_id).not.toBe(first.body.request_id)

    const lost = await outcomeOf(service.url, second)
    expect(lost).toMatchObject({ state: 'rejected', problem: { status: 422, retryable: false } })
    expect(lost.problem.type).toMatch(/\/problems\/idempotency-key-reused$/)
    expect(await outcomeOf(service.url, first)).toMatchObject({ state: 'created' })
    expect(await rowsNamed(other.workflow_name)).toBe(0)
  })

  test('with one body means the same request at both doors, in either order', async () => {
    const [one, other] = [aWorkflow(), aWorkflow()]
    const now = await post(`${service.url}/api/v1/workflows`, one, key('now-then-later'))
    expect(now.status).toBe(201)
    const later = await post(`${service.url}${REQUESTS}`, one, key('now-then-later'))
    expect(later.status).toBe(202)
    expect(later.body.request_id).toBe(now.body.created_by_request)
    expect(await outcomeOf(service.url, later)).toMatchObject({
      state: 'created',
      workflow_id: now.body.workflow_id,
    })

    const first = await post(`${service.url}${REQUESTS}`, other, key('later-then-now'))
    const settled = await outcomeOf(service.url, first)
    const again = await post(`${service.url}/api/v1/workflows`, other, key('later-then-now'))
    expect(again.status).toBe(201)
    expect(again.headers.get('idempotent-replayed')).toBe('true')
    expect(again.body.workflow_id).toBe(settled.workflow_id)
    expect(await rowsNamed(one.workflow_name)).toBe(1)
    expect(await rowsNamed(other.workflow_name)).toBe(1)
  })

  test('used at one door is taken at the other for another body, in either order', async () => {
    const now = await post(`${service.url}/api/v1/workflows`, aWorkflow(), key('taken-now'))
    expect(now.status).toBe(201)
    const later = await post(`${service.url}${REQUESTS}`, aWorkflow(), key('taken-now'))
    const lost = await outcomeOf(service.url, later)
    expect(lost).toMatchObject({ state: 'rejected', problem: { status: 422 } })

    const first = await post(`${service.url}${REQUESTS}`, aWorkflow(), key('taken-later'))
    const settled = await outcomeOf(service.url, first)
    const refused = await post(`${service.url}/api/v1/workflows`, aWorkflow(), key('taken-later'))
    expect(refused.status).toBe(422)
    expect({ ...refused.body, instance: '' }).toEqual({ ...lost.problem, instance: '' })
    expect(await outcomeOf(service.url, first)).toEqual(settled)
  })
})

const key = (name: string) => ({ 'idempotency-key': `"${name}"` })

/** A worker in that world, gone when the test is over. */
async function startWorker(ingress: World): Promise<void> {
  const worker = await startApp(ingress, { roles: ['worker'] })
  onTestFinished(() => worker.close())
}

/** Where the batch begins that the broker got this record in. */
function firstOffsetOfBatch({ message }: Received): string {
  const { batchContext } = message as KafkaMessage & { batchContext: { firstOffset: string } }
  return String(batchContext.firstOffset)
}

function recoded(at: string, change: (text: string) => string): string {
  return Buffer.from(change(Buffer.from(at, 'base64url').toString())).toString('base64url')
}
