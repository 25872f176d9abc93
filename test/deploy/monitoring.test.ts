import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { parse } from 'yaml'
import { everyOutcome } from '../support/every-outcome.ts'
import { get, post } from '../support/http.ts'
import { readSamples, type Sample, scrape } from '../support/metrics.ts'
import { dial } from '../support/raw-http.ts'
import { sharedService } from '../support/shared-service.ts'
import { until } from '../support/until.ts'
import { aWorkflow } from '../support/workflows.ts'
import { groupingsIn, labelsNamedIn, labelsOf, selectorsIn } from './expressions.ts'
import { promtool } from './promtool.ts'
import { SECTIONS } from './runbook.ts'

interface Alert {
  alert: string
  expr: string
  labels: { severity: string }
  annotations: { summary: string; runbook: string }
}

interface AlertTests {
  tests: { alert_rule_test: { alertname: string; exp_alerts?: unknown[] }[] }[]
}

interface Dashboard {
  templating: { list: { name: string; type: string; query: string | { query: string } }[] }
  panels: {
    title: string
    datasource: { uid: string }
    targets: { expr: string; legendFormat: string; datasource: { uid: string } }[]
  }[]
}

const inProject = (...names: string[]) => path.join(import.meta.dirname, '..', '..', ...names)
const read = (...names: string[]) => readFileSync(inProject(...names), 'utf8')

const alerts: Alert[] = parse(read('deploy', 'alerts.yaml')).groups.flatMap(
  ({ rules }: { rules: Alert[] }) => rules,
)
const dashboard: Dashboard = JSON.parse(read('deploy', 'dashboard.json'))

/** Every expression that is asked, with where, and the texts beside it that name labels. */
const QUERIES = [
  ...alerts.map(({ alert, expr, annotations: { summary } }) => ({ where: alert, expr, texts: [summary] })),
  ...dashboard.panels.flatMap(({ title, targets }) =>
    targets.map(({ expr, legendFormat }) => ({ where: title, expr, texts: [legendFormat] })),
  ),
].map((query) => [`${query.where}: ${query.expr}`, query] as const)

/** Labels that Prometheus itself gives to what it reads. */
const OF_PROMETHEUS = new Set(['instance', 'job'])

describe('the metrics of a service that has seen every outcome', () => {
  const service = sharedService()
  let text = ''
  let samples: Sample[] = []
  beforeAll(async () => {
    await everyOutcome(service)
    await get(`${service.url}/health/live`)
    await post(`${service.url}/api/v1/workflows/batch`, { workflows: [aWorkflow()] })
    const leaving = dial(service.url)
    leaving.say(
      'POST /api/v1/workflows HTTP/1.1\r\nhost: test\r\ncontent-length: 10\r\nexpect: 100-continue\r\n',
    )
    leaving.say('content-type: application/json\r\n\r\n')
    await until('a request that is read', () => leaving.heard().includes('100 Continue'))
    leaving.hangUp()
    await until('a caller who has left', async () =>
      (await scrape(service.metricsUrl)).some(({ labels }) => labels.status === 'aborted'),
    )
    await until('readiness', async () => (await get(`${service.url}/health/ready`)).status === 200)
    text = await (await fetch(service.metricsUrl)).text()
    samples = readSamples(text)
  })

  test('are as promtool wants them', async () => {
    expect(await promtool(['check', 'metrics'], text)).toBe('')
  })

  test.each(QUERIES)('have all that is asked for by %s', (_, { expr, texts }) => {
    const selectors = selectorsIn(expr)
    expect(selectors).not.toEqual([])
    for (const { metric, matchers } of selectors) {
      const found = samples.filter(({ name }) => name === metric)
      expect(found, metric).not.toEqual([])
      for (const { label, operator, value } of matchers) {
        if (OF_PROMETHEUS.has(label)) continue
        const known = found.flatMap(({ labels }) => labels[label] ?? [])
        const wanted = operator.includes('~') ? value.split('|') : [value]
        for (const one of wanted) {
          const pattern = new RegExp(operator.includes('~') ? `^(?:${one})$` : `^${RegExp.escape(one)}$`)
          expect(
            known.some((text) => pattern.test(text)),
            `${metric}{${label}="${one}"}`,
          ).toBe(true)
        }
      }
    }
    const labels = labelsOf(expr, (metric) => {
      const found = samples.filter(({ name }) => name === metric)
      return new Set([...OF_PROMETHEUS, ...found.flatMap((sample) => Object.keys(sample.labels))])
    })
    for (const label of texts.flatMap(labelsNamedIn)) expect([...labels]).toContain(label)
  })
})

describe('the alerts', () => {
  test('are rules that Prometheus takes', async () => {
    expect(await promtool(['check', 'rules', inProject('deploy', 'alerts.yaml')])).toContain('SUCCESS')
  })

  test('fire when they should, and are silent when they should be', async () => {
    const said = await promtool(['test', 'rules', inProject('test', 'deploy', 'alerts.test.yaml')])
    expect(said).toContain('SUCCESS')
  })

  const tried = (parse(read('test', 'deploy', 'alerts.test.yaml')) as AlertTests).tests.flatMap(
    (one) => one.alert_rule_test,
  )
  test('tell of each job by itself', () => {
    for (const { alert, expr } of alerts) {
      expect(groupingsIn(expr), alert).not.toEqual([])
      for (const labels of groupingsIn(expr)) expect(labels, alert).toContain('job')
    }
  })

  test.each(alerts.map((alert) => [alert.alert, alert] as const))(
    '%s: has a severity, a heading in the runbook, and a test of each kind',
    (name, { labels, annotations }) => {
      expect(labels.severity).toMatch(/^(warning|critical)$/)
      expect(annotations.runbook).toBe(`deploy/RUNBOOK.md#${name.toLowerCase()}`)
      expect([...SECTIONS.keys()]).toContain(name)
      const tests = tried.filter(({ alertname }) => alertname === name)
      expect(tests.some(({ exp_alerts: expected = [] }) => expected.length > 0)).toBe(true)
      expect(tests.some(({ exp_alerts: expected = [] }) => expected.length === 0)).toBe(true)
    },
  )
})

describe('the dashboard', () => {
  test('asks the data source that its reader chooses', () => {
    expect(dashboard.templating.list).toMatchObject([
      { name: 'datasource', type: 'datasource', query: 'prometheus' },
      { name: 'job', type: 'query', query: { query: 'label_values(registrar_build_info, job)' } },
    ])
    for (const { datasource, targets } of dashboard.panels)
      for (const { uid } of [datasource, ...targets.map((target) => target.datasource)])
        expect(uid).toBe('$' + '{datasource}')
  })

  test('shows the jobs that its reader chooses, and nothing of others', () => {
    for (const [, { where, expr }] of QUERIES.slice(alerts.length))
      for (const { metric, matchers } of selectorsIn(expr))
        expect(matchers, `${where}: ${metric}`).toContainEqual({
          label: 'job',
          operator: '=~',
          value: '$job',
        })
  })

  test('asks in expressions that Prometheus takes', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'workflow-registrar-dashboard-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const rules = dashboard.panels.flatMap(({ targets }, panel) =>
      targets.map(({ expr }, index) => ({
        record: `panel:${panel}:${index}`,
        expr: expr.replaceAll('$__rate_interval', '5m').replaceAll('$job', 'registrar'),
      })),
    )
    const file = path.join(folder, 'rules.json') // JSON is YAML
    writeFileSync(file, JSON.stringify({ groups: [{ name: 'dashboard', rules }] }))
    expect(await promtool(['check', 'rules', file])).toContain(`${rules.length} rules found`)
  })

  test.each([
    ['requests by door and outcome', 'registrar_requests_total'],
    ['time to outcome', 'registrar_time_to_outcome_seconds_bucket'],
    ['lag per partition', 'registrar_lag_records'],
    ['the oldest that is pending', 'registrar_oldest_pending_age_seconds'],
    ['dead letters', 'registrar_dead_letters_total'],
    ['retries by class', 'registrar_retries_total'],
    ['whether the worker goes on', 'registrar_worker_troubles'],
    ['pools', 'registrar_pool_connections'],
    ['the event loop', 'nodejs_eventloop_lag_p99_seconds'],
    ['HTTP by status', 'registrar_http_requests_total'],
    ['items of batches by status', 'registrar_batch_items_total'],
  ])('shows %s', (_, metric) => {
    const shown = QUERIES.slice(alerts.length).flatMap(([, { expr }]) => selectorsIn(expr))
    expect(shown.map((selector) => selector.metric)).toContain(metric)
  })
})

describe('of an expression', () => {
  const labels = new Map([
    ['registrar_x_total', new Set(['door', 'outcome'])],
    ['registrar_y', new Set(['pool'])],
    ['registrar_z_bucket', new Set(['door', 'le'])],
    ['process_z', new Set<string>()],
  ])
  const of = (expression: string) => [...labelsOf(expression, (metric) => labels.get(metric)!)]

  test('every metric is seen, with its conditions, and every grouping', () => {
    const expression =
      'sum by (le, door) (rate(registrar_x_total{door="sync",outcome!~"a|b"}[5m])) > typo_total + max(y)'
    expect(selectorsIn(expression)).toEqual([
      {
        metric: 'registrar_x_total',
        matchers: [
          { label: 'door', operator: '=', value: 'sync' },
          { label: 'outcome', operator: '!~', value: 'a|b' },
        ],
      },
      { metric: 'typo_total', matchers: [] },
      { metric: 'y', matchers: [] },
    ])
    expect(groupingsIn(expression)).toEqual([['le', 'door'], []])
  })

  test.each([
    ['registrar_x_total{door="sync"}', ['door', 'outcome']],
    ['sum by (door) (rate(registrar_x_total[$__rate_interval])) > 5', ['door']],
    ['1 - sum(registrar_x_total)', []],
    ['absent(registrar_x_total)', []],
    ['registrar_x_total or registrar_z_bucket', ['door']],
    ['sum by (door) (registrar_x_total and on (door) registrar_z_bucket)', ['door']],
    ['histogram_quantile(0.5, sum by (door, le) (rate(registrar_z_bucket[5m])))', ['door']],
  ])('the result has the labels that Prometheus gives it: %s', (expression, expected) => {
    expect(of(expression)).toEqual(expected)
  })

  test.each([
    ['No label door', 'sum by (door) (registrar_x_total) / sum by (door) (registrar_y)'],
    ['No label le', 'histogram_quantile(0.5, sum by (door) (rate(registrar_z_bucket[5m])))'],
    ['No label pool', 'registrar_x_total and on (pool) process_z'],
    ['No label pool', 'registrar_x_total > registrar_y'],
    ['Not understood', 'tally(registrar_x_total)'],
    ['Not understood', 'sum without (door) (registrar_x_total)'],
  ])('what cannot be is refused. %s: %s', (said, expression) => {
    expect(() => of(expression)).toThrow(said)
  })

  test('the labels that its texts name are seen', () => {
    expect(labelsNamedIn('{{door}} at {{ $labels.class }} is {{ $value }}')).toEqual(['door', 'class'])
  })
})
