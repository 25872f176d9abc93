import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { describeVariables } from '../../src/config.ts'
import { openMetrics } from '../../src/metrics.ts'
import { makeBuild } from '../support/build.ts'
import { get, post } from '../support/http.ts'
import { produce } from '../support/kafka.ts'
import { asAdmin } from '../support/log-ends.ts'
import { sharedService } from '../support/shared-service.ts'
import { until } from '../support/until.ts'
import { aWorkflow } from '../support/workflows.ts'
import { withService } from '../support/world.ts'
import { FILES, WORKLOADS } from './manifests.ts'
import { commandsIn, eachAlternative, RUNBOOK, SECTIONS } from './runbook.ts'

const inProject = (...names: string[]) => path.join(import.meta.dirname, '../..', ...names)
const read = (...names: string[]) => readFileSync(inProject(...names), 'utf8')

/** What a heading is called in a link. */
const anchor = (heading: string) =>
  heading
    .toLowerCase()
    .replaceAll(/[^\w\- ]/g, '')
    .replaceAll(' ', '-')

interface Rules {
  groups: { rules: { alert?: string; annotations: { runbook: string } }[] }[]
}
const { groups }: Rules = parse(read('deploy', 'alerts.yaml'))
const alerts = groups.flatMap(({ rules }) => rules.filter(({ alert }) => alert !== undefined))
const anchors = [...SECTIONS.keys()].map(anchor)

test('every alert has its section, and leads to it', () => {
  expect(alerts.length).toBeGreaterThan(0)
  for (const { alert, annotations } of alerts) {
    expect(SECTIONS.has(alert!), alert).toBe(true)
    expect(annotations.runbook).toBe(`deploy/RUNBOOK.md#${anchor(alert!)}`)
  }
})

test('every link within the runbook leads somewhere', () => {
  const links = [...RUNBOOK.matchAll(/\]\(#([^)]+)\)/g)].map(([, link]) => link!)
  expect(links.length).toBeGreaterThan(0)
  expect(links.filter((link) => !anchors.includes(link))).toEqual([])
})

test('every process, file, deployment and variable that it names is there', async () => {
  const { scripts } = await makeBuild()
  const named = [...RUNBOOK.matchAll(/node dist\/(\S+?\.js)/g)].map(([, script]) => script!)
  expect(named.length).toBeGreaterThan(0)
  expect(named.filter((script) => !scripts.includes(script))).toEqual([])
  const files = [...RUNBOOK.matchAll(/deploy\/kubernetes\/([\w.-]+)/g)].map(([, name]) => name!)
  expect(files.filter((name) => !FILES.includes(name))).toEqual([])
  const deployments = [...RUNBOOK.matchAll(/deploy\/(registrar[\w-]*)/g)].map(([, name]) => name!)
  expect(deployments.filter((named) => !WORKLOADS.some(({ name }) => name === named))).toEqual([])
  const variables = [...RUNBOOK.matchAll(/`([A-Z]+(?:_[A-Z]+)+)`/g)].map(([, name]) => name!)
  const ours = ['METRICS_URL', 'HEALTH_URL']
  expect(
    variables.filter((name) => !ours.includes(name) && !describeVariables().includes(`  ${name} `)),
  ).toEqual([])
})

test('every metric that it names is there, with that label', async () => {
  const metrics = openMetrics()
  metrics.worker(
    () => undefined,
    async () => [],
  )
  metrics.answered('none', 'aborted', 0)
  const text = await metrics.text()
  const named = [...RUNBOOK.matchAll(/`((?:registrar|nodejs)_\w+)(?:\{(\w+)="(\w+)"\})?`/g)]
  expect(named.length).toBeGreaterThan(0)
  for (const [, name, label, value] of named) {
    expect(text).toMatch(new RegExp(`^# TYPE ${name} `, 'm'))
    if (label && label !== 'pool')
      expect(text).toMatch(new RegExp(`^${name}\\{.*\\b${label}="${value}"`, 'm'))
  }
})

test('what it runs in a pod needs no more than a pod has', async () => {
  const { scripts } = await makeBuild()
  const said = [...RUNBOOK.matchAll(/kubectl exec (\S+) -- ([^`\n]+)/g)]
  expect(said.length).toBeGreaterThan(0)
  for (const [, where, command] of said) {
    expect(where).toMatch(/^(\$POD|deploy\/registrar-worker)$/)
    expect(scripts).toContain(/^node dist\/(\S+\.js)/.exec(command!)?.[1])
    expect(command).not.toContain('migrate.js')
  }
  const [, port] = /kubectl port-forward \S+ (\d+)/.exec(RUNBOOK)!
  for (const { container } of WORKLOADS.filter(({ kind }) => kind === 'Deployment'))
    expect(container.ports).toContainEqual({ name: 'metrics', containerPort: Number(port) })
  const owners = WORKLOADS.filter(({ env }) => env.MIGRATE_DATABASE_URL).map(({ kind, name }) => [kind, name])
  expect(owners).toEqual([['Job', 'registrar-migrate']])
})

test('whoever waits for the topic of the replies is sent to Kafka', async () => {
  const service = await withService()
  const topic = service.env.REPLY_TOPIC!
  await asAdmin(service, (admin) => admin.deleteTopics({ topics: [topic] }))
  await produce(service, [{ value: JSON.stringify(aWorkflow()) }])
  const reason = await until('a partition that waits', async () => {
    const { body } = await get(`${service.url}/health/ready`)
    return / waits: ([^"]+)/.exec(JSON.stringify(body))?.[1]
  })
  for (const alert of ['RegistrarPartitionWaits', 'RegistrarOldestPendingTooOld']) {
    const row = SECTIONS.get(alert)!
      .split('\n')
      .find((line) => line.startsWith('|') && line.includes(`\`${reason}\``))
    expect(row, `${alert}: ${reason}`).toMatch(/Kafka takes|Kafka is away/)
  }
})

test('a search for several metrics is tried for each', () => {
  expect(eachAlternative("curl -s x | grep -E '^a_(b|c)'\nnode y\n")).toEqual([
    "curl -s x | grep -E '^a_b'",
    "curl -s x | grep -E '^a_c'",
    'node y',
  ])
})

describe('the commands of each alert', () => {
  const service = sharedService()
  let tools: Record<string, string>
  beforeAll(async () => {
    await until(
      'a service that is ready',
      async () => (await get(`${service.url}/health/ready`)).status === 200,
    )
    const accepted = await post(`${service.url}/api/v1/workflow-requests`, aWorkflow(), { prefer: 'wait=30' })
    expect(accepted.status).toBe(201)
    tools = {
      ...service.env,
      HEALTH_URL: service.url,
      METRICS_URL: service.metricsUrl,
      PATH: process.env.PATH!,
    }
  })

  test.each(alerts.map(({ alert }) => alert!))('of %s can be said as they stand there', async (alert) => {
    const commands = commandsIn(alert)
    expect(commands.length).toBeGreaterThan(0)
    for (const said of commands.flatMap(eachAlternative)) {
      const { stdout } = await promisify(execFile)(
        'sh',
        ['-euc', said.replaceAll('node dist/', 'node src/bin/').replaceAll('.js', '.ts')],
        {
          cwd: inProject(),
          env: tools,
        },
      )
      expect(stdout).not.toBe('')
    }
  })
})
