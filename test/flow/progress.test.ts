import { expect, onTestFinished, test } from 'vitest'
import { formatAt, logTag } from '../../src/domain/accepted-at.ts'
import { progressIn, tables } from '../support/group-offsets.ts'
import { get, post } from '../support/http.ts'
import { produce } from '../support/kafka.ts'
import { asAdmin, logEnds } from '../support/log-ends.ts'
import { scrape, valueIn } from '../support/metrics.ts'
import { expectProblem } from '../support/problems.ts'
import { runTool } from '../support/tool.ts'
import { until } from '../support/until.ts'
import { aWorkflow } from '../support/workflows.ts'
import { makeWorld, startApp, type TestApp, type World } from '../support/world.ts'

/** Longer than a worker waits before it looks again. */
const SECONDS = 10_000

async function twoPartitions() {
  const world = await makeWorld()
  onTestFinished(() => world.close())
  world.env.TOPIC_PARTITIONS = '2'
  const service = await startService(world)
  return { world, service, topic: world.env.REQUEST_TOPIC! }
}

async function startService(world: World): Promise<TestApp> {
  const service = await startApp(world)
  onTestFinished(() => service.close())
  return service
}

const records = (count: number, partition: number) =>
  Array.from({ length: count }, () => {
    const headers = { 'request-id': crypto.randomUUID() }
    return { value: JSON.stringify(aWorkflow()), partition, headers }
  })

/** Waits until the progress of the two partitions is so. */
async function settled(world: World, ...progress: number[]): Promise<void> {
  await until(`a progress of ${progress}`, async () => String(await progressIn(world)) === String(progress))
}

async function isReady(service: TestApp): Promise<void> {
  await until('readiness', async () => (await get(`${service.url}/health/ready`)).status === 200, SECONDS)
}

/** Waits until the service says why it is not ready, in words like these. */
async function isNotReady(service: TestApp, reason: RegExp): Promise<void> {
  await until(
    `not ready: ${reason}`,
    async () => {
      const answer = await get(`${service.url}/health/ready`)
      return answer.status === 503 && reason.test(answer.body.detail)
    },
    SECONDS,
  )
}

test('a topic made anew stops the worker until `progress reset`, and what was accepted before is 410', async () => {
  const { world, service, topic } = await twoPartitions()
  const accepted = await Promise.all(
    Array.from({ length: 12 }, (_, index) =>
      // Names of one's choice, so that each partition gets more than the one record it has when it is made anew.
      post(`${service.url}/api/v1/workflow-requests`, aWorkflow({ workflow_name: `anew-${index}` })),
    ),
  )
  const locations = accepted.map(({ headers }) => `${service.url}${headers.get('location')}`)
  for (const location of locations)
    await until('an outcome', async () => (await get(location)).body.state === 'created')
  const [first, second] = await progressIn(world)
  expect(first! + second!).toBe(12)
  expect(Math.min(first!, second!)).toBeGreaterThan(1)
  await service.close()

  await asAdmin(world, async (admin) => {
    await admin.deleteTopics({ topics: [topic] })
    await until('a topic that is gone', async () => !(await admin.listTopics()).includes(topic))
    await until('a topic made anew', async () => {
      await admin.createTopics({ topics: [{ topic, numPartitions: 2 }], waitForLeaders: false })
      return admin.fetchTopicOffsets(topic).catch(() => false as const)
    })
  })
  const [fresh] = records(1, 0)
  await produce(world, [fresh!])
  expect([...(await logEnds(world, topic))].sort()).toEqual([
    [0, 1],
    [1, 0],
  ])
  const before = await tables(world)

  const again = await startService(world)
  const statusUrl = (id: string) => `${again.url}/api/v1/workflow-requests/${id}`
  const sentence = (partition: number, end: number, progress: number) =>
    `partition ${partition}: the log ends at ${end}, before the progress ${progress}; if the topic was made anew, say \`progress reset\``
  await isNotReady(again, new RegExp(`${sentence(0, 1, first!)}.*${sentence(1, 0, second!)}`))
  expect(await tables(world)).toBe(before)
  expect((await logEnds(world, topic)).get(0)).toBe(1)

  const shown = await runTool('progress', world, 'show')
  expect(shown.code).toBe(1)
  expect(shown.stdout).toContain(sentence(0, 1, first!))
  expect(shown.stdout).toContain(sentence(1, 0, second!))

  const one = await runTool('progress', world, 'reset', '--partition', '0')
  expect(one).toMatchObject({ code: 0, stderr: '' })
  expect(one.stdout).toMatch(new RegExp(`^partition 0: the progress goes from ${first} to 0; .+\n$`))
  await settled(world, 1, second!)
  expect((await get(statusUrl(fresh!.headers['request-id']))).body.state).toBe('created')
  expect((await runTool('progress', world, 'reset')).code).toBe(0)
  await settled(world, 1, 0)
  await isReady(again)

  const later = await post(`${again.url}/api/v1/workflow-requests`, aWorkflow())
  const laterUrl = `${again.url}${later.headers.get('location')}`
  await until('an outcome', async () => (await get(laterUrl)).body.state === 'created')
  for (const location of locations) {
    const { pathname, search } = new URL(location)
    expect((await get(`${again.url}${pathname}${search}`)).body.state).toBe('created')
    expectProblem(await get(`${statusUrl(crypto.randomUUID())}${search}`), 'gone')
  }
})

test('records that are lost stop their partition alone, until `progress accept`', async () => {
  const { world, service, topic } = await twoPartitions()
  await produce(world, records(2, 0))
  await produce(world, records(1, 1))
  await settled(world, 2, 1)
  await service.close()
  await produce(world, records(5, 0))
  const logs = await asAdmin(world, async (admin) => {
    await admin.fetchTopicOffsets(topic) // without it, kafkajs does not know where the partition is
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '5' }] })
    return admin.fetchTopicOffsets(topic)
  })
  expect(logs.find(({ partition }) => partition === 0)).toMatchObject({ low: '5', high: '7' })

  const again = await startService(world)
  const sentence =
    'partition 0: the log begins at 5, after the progress 2; if the records between are lost, say `progress accept`'
  await isNotReady(again, new RegExp(sentence))
  await produce(world, records(1, 1))
  await settled(world, 2, 2)
  const before = await tables(world)

  const [shown, dry, reset] = await Promise.all([
    runTool('progress', world, 'show', '--partition', '0'),
    runTool('progress', world, 'accept', '--dry-run'),
    runTool('progress', world, 'reset'),
  ])
  expect(shown.code).toBe(1)
  expect(shown.stdout).toMatch(/^partition +log start +log end +progress +committed +lag +verdict$/m)
  expect(shown.stdout).toMatch(new RegExp(`^ +0 +5 +7 +2 +\\S+ +- +${sentence}$`, 'm'))
  expect(dry).toEqual({
    code: 0,
    stdout: 'partition 0: the progress would go from 2 to 5; 3 offsets are given up\n',
    stderr: '',
  })
  expect(reset).toEqual({ code: 1, stdout: '', stderr: `Nothing to reset: ${sentence}\n` })
  expect(await tables(world)).toBe(before)

  expect(await runTool('progress', world, 'accept')).toEqual({
    code: 0,
    stdout: 'partition 0: the progress goes from 2 to 5; 3 offsets are given up\n',
    stderr: '',
  })
  await settled(world, 7, 2)
  await isReady(again)
})

test('a log that grew past the progress after it was made anew is reset by force, and its worker goes on', async () => {
  const { world, service } = await twoPartitions()
  const ask = () => post(`${service.url}/api/v1/workflow-requests`, aWorkflow())
  const accepted = await ask()
  const location = new URL(`${service.url}${accepted.headers.get('location')}`)
  const another = `${service.url}/api/v1/workflow-requests/${crypto.randomUUID()}`
  await until('an outcome', async () => (await get(location.href)).body.state === 'created')
  const [partition] = [...(await logEnds(world, world.env.REQUEST_TOPIC!))].find(([, end]) => end === 1)!

  const [reset, accept, ...wrong] = await Promise.all([
    runTool('progress', world, 'reset'),
    runTool('progress', world, 'accept'),
    runTool('progress', world, 'rewind'),
    runTool('progress', world, 'show', '--partition', '2'),
  ])
  const refused = (sentence: string) => ({ code: 1, stdout: '', stderr: `${sentence}\n` })
  expect(reset).toEqual(
    refused('Nothing to reset: no log ends before its progress; --force does it all the same'),
  )
  expect(accept).toEqual(refused('Nothing to accept: no log begins after its progress'))
  for (const { code, stdout, stderr } of wrong) {
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toMatch(/^[^\n]+\n$/)
  }

  const forced = await runTool('progress', world, 'reset', '--force', '--partition', String(partition))
  expect(forced.code).toBe(0)
  expectProblem(await get(`${another}${location.search}`), 'gone')
  expect((await get(location.href)).body.state).toBe('created')
  await produce(world, records(1, partition))
  await until('a progress that goes on', async () => (await progressIn(world))[partition] === 2)
  await isReady(service)
})

test('what was accepted into a log that is no longer read is 410, and into one never known 404', async () => {
  const { world, service, topic } = await twoPartitions()
  const accepted = await post(`${service.url}/api/v1/workflow-requests`, aWorkflow())
  const location = accepted.headers.get('location')!
  await until('an outcome', async () => (await get(`${service.url}${location}`)).body.state === 'created')
  await service.close()

  world.env.REQUEST_TOPIC = `${topic}.again`
  const again = await startService(world)
  const { search } = new URL(location, again.url)
  const another = `${again.url}/api/v1/workflow-requests/${crypto.randomUUID()}`
  expect((await get(`${again.url}${location}`)).body.state).toBe('created')
  expectProblem(await get(`${another}${search}`), 'gone')
  const elsewhere = {
    tag: logTag('another-cluster', topic),
    partition: 0,
    offset: 0n,
    acceptedAt: new Date(),
  }
  expectProblem(await get(`${another}?at=${formatAt(elsewhere)}`), 'not-found')

  await produce(world, records(1, 1))
  await until('a progress', async () => (await progressIn(world))[1] === 1)
  const { code, stdout, stderr } = await runTool('progress', world)
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).toMatch(/^ +0 +0 +0 +(0|-) +(0|-) +0 +ok$/m)
  expect(stdout).toMatch(/^ +1 +0 +1 +1 +\S+ +0 +ok$/m)
  const { clusterId } = await asAdmin(world, (admin) => admin.describeCluster())
  expect(stdout).toMatch(new RegExp(`^${clusterId} +${topic} +\\d +1$`, 'm'))
})

test('what was in hand and is lost holds nothing up once `progress accept` was said', async () => {
  const { world, service, topic } = await twoPartitions()
  await produce(world, records(1, 1))
  await until('a progress', async () => (await progressIn(world))[1] === 1)
  await world.owner.query(`
    create function full_disk() returns trigger language plpgsql as $$
      begin raise exception 'full' using errcode = '53100'; end $$;
    create trigger full_disk before insert on registration_request for each statement execute function full_disk()`)
  await produce(world, records(3, 1))
  await isNotReady(service, /partition 1 waits: outage: 53100/)
  await asAdmin(world, async (admin) => {
    await admin.fetchTopicOffsets(topic) // or kafkajs does not know who leads the partition
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 1, offset: '4' }] })
  })
  await world.owner.query('drop trigger full_disk on registration_request')
  expect((await runTool('progress', world, 'accept')).code).toBe(0)
  expect((await progressIn(world))[1]).toBe(4)
  await isReady(service)
  const samples = await scrape(service.metricsUrl)
  for (const name of ['oldest_pending_age_seconds', 'waiting_partitions', 'worker_troubles'])
    expect(valueIn(samples, `registrar_${name}`)).toBe(0)
})
