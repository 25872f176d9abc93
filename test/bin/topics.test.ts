import { expect, onTestFinished, test } from 'vitest'
import { asAdmin } from '../support/log-ends.ts'
import { runTool } from '../support/tool.ts'
import { makeWorld, type World } from '../support/world.ts'

interface Names {
  world: World
  requests: string
  replies: string
  deadLetters: string
}

async function aWorld(env: Record<string, string> = {}): Promise<Names> {
  const world = await makeWorld()
  onTestFinished(() => world.close())
  Object.assign(world.env, env)
  const { REQUEST_TOPIC, REPLY_TOPIC, DEAD_LETTER_TOPIC } = world.env
  return { world, requests: REQUEST_TOPIC!, replies: REPLY_TOPIC!, deadLetters: DEAD_LETTER_TOPIC! }
}

/** The words of each line of a table. */
const rows = (text: string) =>
  text
    .trim()
    .split('\n')
    .map((line) => line.split(/ {2,}/))

const HEAD = ['topic', 'state', 'partitions', 'replicas', 'min.insync', 'retention', 'cleanup']

test('`topics` makes what is missing and shows it, and shows the same when it comes again', async () => {
  const { world, requests, replies, deadLetters } = await aWorld({ TOPIC_RETENTION_DAYS: '14' })
  const shown = (state: string) => [
    HEAD,
    [requests, state, '3', '1', '1', '14 days', 'delete'],
    [replies, state, '3', '1', '1', '14 days', 'delete'],
    [deadLetters, state, '1', '1', '1', '30 days', 'delete'],
  ]
  const first = await runTool('topics', world, '--strict')
  expect(first).toMatchObject({ code: 0, stderr: '' })
  expect(rows(first.stdout)).toEqual(shown('made'))
  const again = await runTool('topics', world, '--check', '--strict')
  expect(again).toMatchObject({ code: 0, stderr: '' })
  expect(rows(again.stdout)).toEqual(shown('there'))
})

test('`topics --check` makes nothing, and its exit code is 1 while a topic is missing', async () => {
  const { world, requests, replies, deadLetters } = await aWorld({ ALLOWED_REPLY_TOPICS: 'of.nobody' })
  await asAdmin(world, (admin) => admin.createTopics({ topics: [{ topic: replies, numPartitions: 5 }] }))
  const checked = await runTool('topics', world, '--check')
  expect(checked).toMatchObject({ code: 1, stderr: '' })
  const [table, findings] = checked.stdout.split('\n\n')
  const dashes = ['-', '-', '-', '-', '-']
  expect(rows(table!)).toEqual([
    HEAD,
    [replies, 'there', '5', '1', '1', '7 days', 'delete'],
    [requests, 'missing', ...dashes],
    [deadLetters, 'missing', ...dashes],
    ['of.nobody', 'missing', ...dashes],
  ])
  expect(findings).toMatch(/^of\.nobody: not there, [^\n]+\n$/)
  const present = await asAdmin(world, (admin) => admin.listTopics())
  expect(present.filter((name) => [requests, deadLetters, 'of.nobody'].includes(name))).toEqual([])
})

test('what is unsafe is told in words and left as it is, with an exit code of 1 for who is strict', async () => {
  const { world, requests } = await aWorld({ REQUEST_RETENTION_DAYS: '0' })
  const configEntries = [{ name: 'retention.ms', value: '90000000' }]
  await asAdmin(world, (admin) =>
    admin.createTopics({ topics: [{ topic: requests, numPartitions: 2, configEntries }] }),
  )
  const warned = await runTool('topics', world)
  expect(warned).toMatchObject({ code: 0, stderr: '' })
  const [table, findings] = warned.stdout.split('\n\n')
  expect(rows(table!)[1]).toEqual([requests, 'there', '2', '1', '1', '1.04 days', 'delete'])
  expect(findings).toBe(
    `${requests}: retention.ms is 90000000, less than the 7 days of TOPIC_RETENTION_DAYS: a request that waits longer is lost; set retention.ms=604800000 (kafka-configs --alter)\n`,
  )
  const strict = await runTool('topics', world, '--strict')
  expect(strict.code).toBe(1)
  expect(strict.stdout.split('\n\n')[1]).toBe(findings)
  world.env.TOPICS_STRICT = 'true'
  expect((await runTool('topics', world)).code).toBe(1)
})

test('a topic that outlives the status rows is told too: no worker would start', async () => {
  const { world, requests } = await aWorld({ TOPIC_RETENTION_DAYS: '40', REQUEST_RETENTION_DAYS: '0' })
  expect((await runTool('topics', world)).code).toBe(0)
  Object.assign(world.env, { TOPIC_RETENTION_DAYS: '7', REQUEST_RETENTION_DAYS: '30' })
  const shown = await runTool('topics', world)
  expect(shown.code).toBe(0)
  expect(shown.stdout).toContain(
    `\n\n${requests}: REQUEST_RETENTION_DAYS is 30, but the request topic keeps its records for 40 days (retention.ms is 3456000000)`,
  )
})

test('what the brokers refuse, and what nobody can mean, is one sentence', async () => {
  const { world } = await aWorld({ TOPIC_REPLICAS: '2' })
  const [refused, words, help] = await Promise.all([
    runTool('topics', world),
    runTool('topics', world, 'check'),
    runTool('topics', world, '--help'),
  ])
  expect(refused).toEqual({
    code: 1,
    stdout: '',
    stderr: 'TOPIC_REPLICAS is 2, but there is only one broker to make topics on\n',
  })
  expect(words).toEqual({
    code: 2,
    stdout: '',
    stderr: 'It takes no words, only options; --help tells more\n',
  })
  expect(help).toMatchObject({ code: 0, stderr: '' })
  expect(help.stdout).toMatch(/^Examples:$/m)
  for (const name of ['--check', '--strict', 'TOPIC_REPLICAS', 'TOPICS_STRICT'])
    expect(help.stdout).toContain(name)
})
