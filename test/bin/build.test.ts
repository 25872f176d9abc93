import { execFile, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { CompressionTypes } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { get, post } from '../support/http.ts'
import { listen, plainKafka } from '../support/kafka.ts'
import { startCollector } from '../support/otlp-collector.ts'
import { startScript } from '../support/process.ts'
import { runScript } from '../support/tool.ts'
import { until } from '../support/until.ts'
import { aWorkflow } from '../support/workflows.ts'
import { makeWorld, type World } from '../support/world.ts'

const folder = () => mkdtempSync(path.join(tmpdir(), 'workflow-registrar-build-'))

/** What the build made; whatever runs is started elsewhere, in a folder that is empty. */
const build = folder()
const cwd = folder()
const built = (name: string) => path.join(build, `${name}.js`)

beforeAll(async () => {
  const root = path.join(import.meta.dirname, '..', '..')
  await promisify(execFile)(process.execPath, ['esbuild.config.ts', build], { cwd: root })
})
afterAll(() => {
  for (const made of [build, cwd]) rmSync(made, { recursive: true, force: true })
})

const PROCESSES = ['ingress', 'worker', 'all-in-one', 'migrate']
const TOOLS = ['dlq', 'progress', 'topics', 'verify-replay']

/** A world that the build has migrated. */
async function aWorld(): Promise<World> {
  const world = await makeWorld()
  onTestFinished(() => world.close())
  const migrated = await runScript([built('migrate')], { env: world.env, cwd })
  expect(migrated).toEqual({ code: 0, stdout: 'The schema is up to date\n', stderr: '' })
  return world
}

function startBuilt(name: string, world: World, more: Record<string, string> = {}) {
  const { MIGRATE_DATABASE_URL: _, ...env } = world.env
  return startScript(built(name), { ...env, ...more }, cwd)
}

const isReady = (url: string) =>
  until(`${url} to be ready`, async () => (await get(`${url}/health/ready`)).status === 200)

test.each([...PROCESSES, ...TOOLS])('%s tells what it is for', async (name) => {
  const told = await runScript([built(name), '--help'], { env: {}, cwd })
  expect(told).toMatchObject({ code: 0, stderr: '' })
  expect(told.stdout).toContain('KAFKA_BROKERS')
  expect(told.stdout, 'where there is no npm').not.toContain('npm')
})

test.each(TOOLS)('%s tells how it is called', async (name) => {
  const told = await runScript([built(name), '--help'], { env: {}, cwd })
  expect(told.stdout).toContain(`\n  node dist/${name}.js`)
  const root = path.join(import.meta.dirname, '..', '..')
  const source = await runScript([path.join(root, 'src', 'bin', `${name}.ts`), '--help'], { env: {}, cwd })
  expect(source.stdout).toContain(`\n  npm run ${name}`)
})

test('a process on a schema that is behind names the command that mends it', async () => {
  const world = await makeWorld()
  onTestFinished(() => world.close())
  const { MIGRATE_DATABASE_URL: owner, ...env } = world.env
  expect(await runScript([built('worker')], { env: { ...env, DATABASE_URL: owner! }, cwd })).toMatchObject({
    code: 1,
    stderr: 'The schema of the database is behind this code: run `node dist/migrate.js` as its owner first\n',
  })
})

test.each([...PROCESSES, ...TOOLS])('%s neither starts nor joins embedded servers', async (name) => {
  const told = await runScript([built(name)], { env: {}, cwd })
  expect(told).toMatchObject({ code: 1, stdout: '' })
  expect(told.stderr).toMatch(/^[^\n]*DATABASE_URL (and KAFKA_BROKERS are missing|are needed)[^\n]*\n$/)
})

describe('a build', () => {
  test('registers workflows on both doors, and its tools see them', async () => {
    const world = await aWorld()
    const [ingress, worker] = await Promise.all([startBuilt('ingress', world), startBuilt('worker', world)])
    await isReady(worker.url)

    expect((await post(`${ingress.url}/api/v1/workflows`, aWorkflow())).status).toBe(201)
    const waited = await post(`${ingress.url}/api/v1/workflow-requests`, aWorkflow(), {
      prefer: 'wait=30',
    })
    expect(waited.status).toBe(201)

    const verified = await runScript([built('verify-replay')], { env: world.env, cwd })
    expect(verified).toMatchObject({ code: 0, stderr: '' })
    expect(verified.stdout).toMatch(/^1 records of .+ are settled\ncreated +1 /)
  })

  test('does all of it in one process', async () => {
    const { url } = await startBuilt('all-in-one', await aWorld())
    const waited = await post(`${url}/api/v1/workflow-requests`, aWorkflow(), { prefer: 'wait=30' })
    expect(waited.status).toBe(201)
  })

  test('has the pages of the documentation, with every file that they load', async () => {
    const { url } = await startBuilt('ingress', await aWorld())
    for (const page of ['/docs', '/docs/events']) {
      const response = await fetch(url + page)
      expect(response.status).toBe(200)
      const loaded = [
        ...(await response.text()).matchAll(/<(?:script|link)\b[^>]*?\b(?:src|href)="([^"]+)"/g),
      ]
      expect(loaded.length).toBeGreaterThan(0)
      for (const [, file] of loaded) {
        const answer = await fetch(new URL(file!, url + page))
        expect([file, answer.status, (await answer.text()) !== '']).toEqual([file, 200, true])
      }
    }
  })

  test('traces where it is asked to', async () => {
    const collector = await startCollector()
    onTestFinished(() => collector.close())
    const { url } = await startBuilt('all-in-one', await aWorld(), {
      OTEL_EXPORTER_OTLP_ENDPOINT: `${collector.url}/`,
      OTEL_EXPORTER_OTLP_HEADERS: 'x-tenant=catalog',
      OTEL_SERVICE_NAME: 'registrar-of-ours',
    })
    const { status } = await post(`${url}/api/v1/workflow-requests`, aWorkflow(), { prefer: 'wait=30' })
    expect(status).toBe(201)
    await until('the trace', () => collector.spans.length >= 5)
    expect(new Set(collector.spans.map(({ traceId }) => traceId)).size).toBe(1)
    expect(new Set(collector.spans.map(({ service }) => service))).toEqual(new Set(['registrar-of-ours']))
    expect(collector.deliveries[0]).toMatchObject({ 'x-tenant': 'catalog' })
  })

  test('does not wake up for nothing', async () => {
    const worker = await startBuilt('worker', await aWorld())
    await isReady(worker.url)
    worker.kill('SIGTERM')
    expect(await worker.exited).toEqual({ code: 0, signal: null })
    expect(worker.stderr).toEqual([]) // where Node would warn of timers that are in the past
  })

  test('sees records of a transaction that is still open', async () => {
    const world = await aWorld()
    const { url } = await startBuilt('ingress', world)
    const unknown = `${url}/api/v1/workflow-requests/${crypto.randomUUID()}`
    expect((await get(unknown)).status).toBe(404)
    const producer = plainKafka(world).producer({
      ...{ transactionalId: crypto.randomUUID(), idempotent: true, maxInFlightRequests: 1 },
    })
    await producer.connect()
    onTestFinished(() => producer.disconnect())
    const transaction = await producer.transaction()
    onTestFinished(() => transaction.abort())
    await transaction.send({ topic: world.env.REQUEST_TOPIC!, messages: [{ value: 'any' }] })
    expect((await get(unknown)).status).toBe(503)
  })

  test('goes on behind a batch that cannot be read', async () => {
    const world = await aWorld()
    const worker = await startBuilt('worker', world)
    const replies = await listen(world, world.env.REPLY_TOPIC!)
    onTestFinished(() => replies.close())
    const producer = plainKafka(world).producer()
    await producer.connect()
    onTestFinished(() => producer.disconnect())
    const topic = world.env.REQUEST_TOPIC!
    await producer.send({ topic, messages: TOO_MUCH, compression: CompressionTypes.GZIP })
    await producer.send({ topic, messages: [{ value: JSON.stringify(aWorkflow()), partition: 0 }] })
    await until('the reply to the record behind it', () => replies.records.length > 0)
    expect(replies.records[0]!.headers).toMatchObject({ outcome: 'created' })
    expect((await get(`${worker.url}/health/ready`)).status).toBe(200)
  })

  test.each(oldNodes())('tells an old Node (%s) that it is too old', async (version, node) => {
    for (const name of [...PROCESSES, ...TOOLS])
      expect(await runScript([built(name)], { env: {}, cwd, node })).toEqual({
        code: 1,
        stdout: '',
        stderr: `Node 24 or later is needed; this is ${version}\n`,
      })
  })
})

/** One batch that is small, and expands to more than a batch may. */
const TOO_MUCH = Array.from({ length: 65 }, () => ({ value: Buffer.alloc(1024 * 1024), partition: 0 }))

/** The versions of Node on this machine that are too old to run a build, each with its command. */
function oldNodes(): [version: string, node: string][] {
  const folders = new Set([...(process.env.PATH ?? '').split(path.delimiter), '/usr/local/bin', '/usr/bin'])
  const found = [...folders].flatMap((folder): [string, string][] => {
    const node = path.join(folder, 'node')
    const { status, stdout } = spawnSync(node, ['--version'], { encoding: 'utf8' })
    return status === 0 ? [[stdout.trim(), node]] : []
  })
  return [...new Map(found)].filter(([version]) => Number.parseInt(version.slice(1), 10) < 24)
}
