import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { freePort } from '../../src/embedded/ports.ts'
import { command, docker, inspect } from '../support/containers/docker.ts'
import { runFirstStage } from '../support/containers/first-stage.ts'
import { LABELLED } from '../support/containers/leftovers.ts'
import { startContainerServers } from '../support/containers/servers.ts'
import { get, post } from '../support/http.ts'
import { until } from '../support/until.ts'
import { aWorkflow } from '../support/workflows.ts'
import { makeWorld } from '../support/world.ts'

const ROOT = path.join(import.meta.dirname, '../..')
const MB = 1_000_000
const image = process.env.REGISTRAR_IMAGE!
const project = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8'))

const labels = Object.entries(LABELLED).flatMap(([name, value]) => ['--label', `${name}=${value}`])

/** What its Node says of itself. */
async function versionOfNode(): Promise<string> {
  const said = await docker('run', '--rm', ...labels, image, 'node', '--version')
  return said.slice(1)
}

/** A container of it that never ran. */
let container: string
let files: string[]
beforeAll(async () => {
  container = await docker('create', ...labels, image)
  const archive = execFileSync('docker', ['export', container], { maxBuffer: 512 * MB })
  files = execFileSync('tar', ['-t'], { input: archive, encoding: 'utf8' }).split('\n')
})
afterAll(async () => void (await docker('rm', '--force', '--volumes', container)))

test('compose builds it on the bases that the Dockerfile names, where nothing else is said', () => {
  const text = (name: string) => readFileSync(path.join(ROOT, name), 'utf8')
  const bases = [...text('Dockerfile').matchAll(/^ARG (\w+_IMAGE)=(\S+)$/gm)]
  expect(bases).toHaveLength(2)
  for (const [, name, base] of bases) expect(text('docker-compose.yml')).toContain(`\${${name}:-${base}}`)
})

test('it takes 200 MB at most', async () => {
  expect((await inspect(image)).Size).toBeLessThanOrEqual(200 * MB)
})

test('it runs as a user that has a number, no name to look up, and no privileges', async () => {
  const { User } = (await inspect(image)).Config
  expect(User).toMatch(/^[1-9]\d*:[1-9]\d*$/)
})

test('it has Node, the production build and no other program: no shell, no npm', () => {
  expect(files).toEqual(
    expect.arrayContaining([
      'usr/local/bin/node',
      'app/dist/all-in-one.js',
      'etc/ssl/certs/ca-certificates.crt',
    ]),
  )
  expect(files.filter((file) => /(^|\/)(sh|bash|busybox|npm|npx|apt|dpkg|wget|curl)$/.test(file))).toEqual([])
  expect(files.filter((file) => file.includes('node_modules'))).toEqual([])
  expect(files.filter((file) => file.startsWith('app/') && !file.startsWith('app/dist/'))).toEqual(['app/'])
})

test('its labels say what it is, in the words of package.json', async () => {
  const { Labels } = (await inspect(image)).Config
  expect(Labels).toMatchObject({
    'org.opencontainers.image.title': project.name,
    'org.opencontainers.image.description': project.description,
    'org.opencontainers.image.version': project.version,
    'org.opencontainers.image.licenses': project.license,
  })
  expect(Labels).toHaveProperty(['org.opencontainers.image.revision'])
  expect(Labels).toHaveProperty(['org.opencontainers.image.created'])
  if (image.startsWith('registrar-test/'))
    // made just now; another one may not say it
    expect(Labels['org.opencontainers.image.created']).toMatch(/^\d{4}-\d\d-\d\dT/)
})

test('it lists what it is, the packages that it is made of, and its Node', async () => {
  const archive = execFileSync('docker', ['cp', `${container}:/app/dist/sbom.cdx.json`, '-'])
  const list = JSON.parse(execFileSync('tar', ['-xO'], { input: archive, encoding: 'utf8' }))
  expect(list.bomFormat).toBe('CycloneDX')
  expect(list.metadata.component).toMatchObject({ name: project.name, version: project.version })
  const listed = list.components.map(({ name, version }: Record<string, string>) => `${name}@${version}`)
  const bundled = ['drizzle-orm', 'fastify', 'kafkajs', 'pg', 'pino', 'zod']
  expect(listed).toEqual(
    expect.arrayContaining(bundled.map((name) => `${name}@${project.dependencies[name]}`)),
  )
  expect(listed).toContain(`node@${await versionOfNode()}`)
  expect(listed.filter((name: string) => /^(vitest|esbuild|typescript)@/.test(name))).toEqual([])
})

test('its health check fails where nothing listens, and says so', async () => {
  const check = command('docker', ['run', '--rm', ...labels, image, 'node', 'dist/health.js', 'live'])
  await expect(check).rejects.toThrow('http://127.0.0.1:8080/health/live does not answer')
})

test('what the first stage of the Dockerfile says makes the same files, of no others than it is given', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'workflow-registrar-stage-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  await runFirstStage(folder)
  const made = await command('find', ['dist', '-type', 'f'], { cwd: folder })
  const carried = files.filter((file) => file.startsWith('app/dist/') && !file.endsWith('/'))
  expect(carried.map((file) => file.slice('app/'.length)).sort()).toEqual(made.split('\n').sort())
})

test('as it comes, with its own command, health check and ports, it does its job and ends in good order', async () => {
  const own = await startContainerServers()
  onTestFinished(() => own.close())
  const world = await makeWorld(own.servers)
  onTestFinished(() => world.close())
  const { PORT: _, METRICS_PORT: __, ...env } = own.inside(world.env)
  const port = await freePort()
  const running = await docker(
    ...['run', '--detach', ...labels, '--network', own.network, '--network-alias', 'registrar'],
    ...['--publish', `127.0.0.1:${port}:8080`, '--read-only'],
    ...Object.entries(env).flatMap(([name, value]) => ['--env', `${name}=${value}`]),
    image,
  )
  onTestFinished(async () => void (await docker('rm', '--force', '--volumes', running)))
  await until(
    'a healthy container',
    async () => (await inspect(running)).State.Health.Status === 'healthy',
    90_000,
  )
  const url = `http://127.0.0.1:${port}`
  await until('readiness', async () => (await get(`${url}/health/ready`)).status === 200)
  expect((await post(`${url}/api/v1/workflows`, aWorkflow())).status).toBe(201)

  const ask = `process.stdout.write(await (await fetch('http://registrar:9464/metrics')).text())`
  const asking = ['node', '--input-type=module', '--eval', ask]
  const metrics = await docker('run', '--rm', ...labels, '--network', own.network, image, ...asking)
  expect(metrics).toMatch(/^registrar_requests_total\{.*door="sync".*\} 1$/m)

  await docker('stop', '--time', '15', running)
  expect((await inspect(running)).State).toMatchObject({ Running: false, ExitCode: 0 })
})
