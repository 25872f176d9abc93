import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { command, docker, inspect } from '../support/containers/docker.ts'
import { LABELLED } from '../support/containers/leftovers.ts'

const ROOT = path.join(import.meta.dirname, '../..')
const MB = 1_000_000
const image = process.env.REGISTRAR_IMAGE!
const project = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8'))

/** A container of it that never ran. */
let container: string
let files: string[]
beforeAll(async () => {
  const labels = Object.entries(LABELLED).flatMap(([name, value]) => ['--label', `${name}=${value}`])
  container = await docker('create', ...labels, image)
  const archive = execFileSync('docker', ['export', container], { maxBuffer: 512 * MB })
  files = execFileSync('tar', ['-t'], { input: archive, encoding: 'utf8' }).split('\n')
})
afterAll(async () => void (await docker('rm', '--force', '--volumes', container)))

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
})

test('it lists the packages that it is made of', async () => {
  const archive = execFileSync('docker', ['cp', `${container}:/app/dist/sbom.cdx.json`, '-'])
  const list = JSON.parse(execFileSync('tar', ['-xO'], { input: archive, encoding: 'utf8' }))
  expect(list.bomFormat).toBe('CycloneDX')
  const listed = list.components.map(({ name, version }: Record<string, string>) => `${name}@${version}`)
  const bundled = ['drizzle-orm', 'fastify', 'kafkajs', 'pg', 'pino', 'zod']
  expect(listed).toEqual(
    expect.arrayContaining(bundled.map((name) => `${name}@${project.dependencies[name]}`)),
  )
  expect(listed.filter((name: string) => /^(vitest|esbuild|typescript)@/.test(name))).toEqual([])
})

test('its health check fails where nothing listens, and says so', async () => {
  const labels = Object.entries(LABELLED).flatMap(([name, value]) => ['--label', `${name}=${value}`])
  const check = command('docker', ['run', '--rm', ...labels, image, 'node', 'dist/health.js', 'live'])
  await expect(check).rejects.toThrow('http://127.0.0.1:8080/health/live does not answer')
})
