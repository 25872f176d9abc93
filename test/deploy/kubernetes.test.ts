import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { describeVariables, parseConfig } from '../../src/config.ts'
import { run } from '../../src/embedded/command.ts'
import { OPERATIONS } from '../../src/http/contract/openapi.ts'
import { makeBuild } from '../support/build.ts'
import { virtualEnvironment } from '../support/python.ts'
import { declaredIn, FILES, FOLDER, KUSTOMIZATION, MANIFESTS, WORKLOADS } from './manifests.ts'
import { commandsIn } from './runbook.ts'

const REQUIREMENTS = path.join(import.meta.dirname, 'requirements.txt')

/** How long a process takes at most that is told to stop, whatever is in hand. */
const LONGEST_END_SECONDS = 12

const inProject = (...names: string[]) => path.join(import.meta.dirname, '../..', ...names)
const services = WORKLOADS.filter(({ kind }) => kind === 'Deployment')
const defaults = parseConfig({})

test('there are manifests for what runs, and all of them keep to the schemas of Kubernetes', async () => {
  expect(FILES.length).toBeGreaterThan(0)
  const commands = await virtualEnvironment('kubernetes-validate', REQUIREMENTS)
  const files = FILES.map((file) => path.join(FOLDER, file))
  const validated = await run(path.join(commands, 'kubernetes-validate'), ['--strict', ...files])
  expect(validated).toMatchObject({ code: 0 })
  expect(validated.output.match(/ passed for resource /g)).toHaveLength(MANIFESTS.length)
})

test('two ingresses, three workers and a migration are declared', () => {
  const declared = MANIFESTS.filter(({ spec }) => spec?.template).map(({ kind, metadata, spec }) => [
    kind,
    metadata.name,
    spec?.replicas,
  ])
  expect(declared).toEqual([
    ['Deployment', 'registrar-ingress', 2],
    ['Job', 'registrar-migrate', undefined],
    ['Deployment', 'registrar-worker', 3],
  ])
})

test('kustomize applies everything but the example of secrets and the migration', () => {
  const { resources } = parse(readFileSync(path.join(FOLDER, KUSTOMIZATION), 'utf8'))
  expect([...resources, 'migrate.yaml', 'secret.example.yaml'].sort()).toEqual(FILES)
})

test('applied in the order of the runbook, each process finds what it refers to, and nothing is left out', () => {
  const { resources } = parse(readFileSync(path.join(FOLDER, KUSTOMIZATION), 'utf8'))
  const [commands = ''] = commandsIn('Install and upgrade in Kubernetes')
  const applied = [...commands.matchAll(/ -(?:f deploy\/kubernetes\/(\S+)|k deploy\/kubernetes$)/gm)].flatMap(
    ([, file]): string[] => (file ? [file] : resources),
  )
  const secrets = 'secret.example.yaml' // stands for what the reader has made before
  const there = new Set<string>()
  for (const { kind, metadata, spec } of [secrets, ...applied].flatMap(declaredIn)) {
    const pod = spec?.template?.spec
    if (pod) {
      const refersTo = pod.containers.flatMap(({ envFrom }) =>
        envFrom.map(({ configMapRef, secretRef }) =>
          configMapRef ? `ConfigMap ${configMapRef.name}` : `Secret ${secretRef?.name}`,
        ),
      )
      refersTo.push(`ServiceAccount ${pod.serviceAccountName}`)
      if (kind !== 'Job') refersTo.push('Job registrar-migrate')
      expect(
        refersTo.filter((one) => !there.has(one)),
        `before ${kind} ${metadata.name}`,
      ).toEqual([])
    }
    there.add(`${kind} ${metadata.name}`)
  }
  expect([...new Set([secrets, ...applied])].sort()).toEqual(FILES)
  expect(commands).toMatch(/migrate\.yaml\nkubectl wait --for=condition=complete .* job\/registrar-migrate\n/)
})

test('no manifest says in which namespace it is', () => {
  for (const { metadata } of MANIFESTS) expect(metadata).not.toHaveProperty('namespace')
})

test('no manifest holds a secret', () => {
  for (const { kind, stringData = {}, data = {} } of MANIFESTS)
    for (const [name, value] of Object.entries({ ...stringData, ...data })) {
      const password = /^postgres/.test(value) ? new URL(value).password : /PASSWORD/.test(name) && value
      if (!password) continue
      expect(kind).toBe('Secret')
      expect(password).toBe('CHANGE-ME')
    }
  const secrets = MANIFESTS.filter(({ kind }) => kind === 'Secret')
  expect(secrets).toEqual(declaredIn('secret.example.yaml'))
})

describe.each(WORKLOADS)('$name', ({ name, labels, pod, container, env }) => {
  test('runs a process that the build makes, of the image of this version', async () => {
    const { scripts } = await makeBuild()
    const process = `${name.replace('registrar-', '')}.js`
    expect(scripts).toContain(process)
    const { version } = JSON.parse(readFileSync(inProject('package.json'), 'utf8'))
    expect(container).toMatchObject({
      command: ['node', `dist/${process}`],
      image: `workflow-registrar:${version}`,
    })
  })

  test('has an environment that the service knows and accepts', () => {
    const known = [...describeVariables().matchAll(/^ {2}(\w+) /gm)].map(([, variable]) => variable)
    expect(Object.keys(env).filter((variable) => !known.includes(variable))).toEqual([])
    const { http, infrastructure, access } = parseConfig(env)
    expect(http).toEqual({
      host: '0.0.0.0',
      port: defaults.http.port,
      metricsPort: defaults.http.metricsPort,
    })
    expect(infrastructure).toBeDefined()
    expect(access, 'whoever listens beyond its own machine asks for tokens').toBeDefined()
    expect(infrastructure?.migrateDatabaseUrl !== undefined).toBe(name === 'registrar-migrate')
  })

  test('runs as nobody special, may nothing, and writes nowhere', () => {
    expect(pod).toMatchObject({
      serviceAccountName: 'registrar',
      automountServiceAccountToken: false,
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
    })
    expect(pod.securityContext.runAsUser).toBeGreaterThan(0)
    expect(container.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    })
    expect(container.resources).toMatchObject({
      requests: { cpu: expect.any(String), memory: expect.any(String) },
      limits: { memory: expect.any(String) },
    })
    expect(labels['app.kubernetes.io/name']).toBe('workflow-registrar')
  })
})

describe.each(services)('$name', ({ name, labels, pod, container }) => {
  const own = (kind: string) => MANIFESTS.find((one) => one.kind === kind && one.metadata.name === name)

  test('is asked for its health where the service answers', () => {
    const urls = OPERATIONS.map(({ url }) => url)
    const { startupProbe, livenessProbe, readinessProbe } = container
    const asked = [startupProbe, livenessProbe, readinessProbe].map((probe) => probe?.httpGet)
    expect(asked).toEqual([
      { path: '/health/live', port: 'http' },
      { path: '/health/live', port: 'http' },
      { path: '/health/ready', port: 'http' },
    ])
    for (const get of asked) expect(urls).toContain(get?.path)
  })

  test('has the ports that the service listens on, and Prometheus is told of the one with the metrics', () => {
    const { port, metricsPort } = defaults.http
    expect(container.ports).toEqual([
      { name: 'http', containerPort: port },
      { name: 'metrics', containerPort: metricsPort },
    ])
    const deployment = own('Deployment')
    expect(deployment?.spec?.template?.metadata.annotations).toEqual({
      'prometheus.io/scrape': 'true',
      'prometheus.io/port': String(metricsPort),
      'prometheus.io/path': '/metrics',
    })
  })

  test('is replaced one by one, and each has time for an orderly end', () => {
    expect(own('Deployment')?.spec?.strategy?.rollingUpdate).toMatchObject({ maxUnavailable: 0 })
    const sleep = container.lifecycle?.preStop.sleep.seconds ?? 0
    expect(pod.terminationGracePeriodSeconds).toBeGreaterThan(sleep + LONGEST_END_SECONDS)
    expect(own('PodDisruptionBudget')?.spec).toMatchObject({
      maxUnavailable: 1,
      unhealthyPodEvictionPolicy: 'AlwaysAllow',
    })
  })

  test('is meant by whatever selects its pods', () => {
    const { spec: { selector } = {} } = own('Deployment') ?? {}
    expect(selector).toEqual({ matchLabels: labels })
    expect(own('PodDisruptionBudget')?.spec?.selector).toEqual({ matchLabels: labels })
    expect(own('NetworkPolicy')?.spec?.podSelector).toEqual({ matchLabels: labels })
    expect(pod.topologySpreadConstraints?.map(({ labelSelector }) => labelSelector)).toEqual([
      { matchLabels: labels },
    ])
  })
})

test('the service leads to the ingresses, which go on serving until it has forgotten them', () => {
  const ingress = services.find(({ name }) => name === 'registrar-ingress')
  const service = MANIFESTS.find(({ kind }) => kind === 'Service')
  expect(service?.spec?.selector).toEqual(ingress?.labels)
  expect(service?.spec?.ports).toMatchObject([{ targetPort: 'http' }])
  expect(ingress?.container.lifecycle?.preStop.sleep.seconds).toBeGreaterThan(0)
})
