import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sharedService } from '../support/shared-service.ts'

const run = promisify(execFile)
const ROOT = path.join(import.meta.dirname, '..', '..')
const README = readFileSync(path.join(ROOT, 'README.md'), 'utf8')

const PROGRAMS = blocksOf('ts')

const service = sharedService()
/** A project of somebody else, with the package installed as npm would, from what npm would publish. */
const project = mkdtempSync(path.join(tmpdir(), 'workflow-registrar-client-'))
const inProject = (...names: string[]) => path.join(project, ...names)

beforeAll(async () => {
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', project], { cwd: ROOT })
  const [packed] = JSON.parse(stdout.slice(stdout.indexOf('[')))
  mkdirSync(inProject('node_modules', 'workflow-registrar'), { recursive: true })
  await run(
    'tar',
    ['xzf', packed.filename, '-C', 'node_modules/workflow-registrar', '--strip-components=1'],
    {
      cwd: project,
    },
  )
  symlinkSync(path.join(ROOT, 'node_modules/openapi-fetch'), inProject('node_modules', 'openapi-fetch'))
  writeFileSync(inProject('package.json'), JSON.stringify({ type: 'module' }))
  writeFileSync(inProject('tsconfig.json'), JSON.stringify({ compilerOptions: COMPILER_OPTIONS }))
})
afterAll(() => rmSync(project, { recursive: true, force: true }))

/** Without the types of Node, and with a look into the types of the package. */
const COMPILER_OPTIONS = {
  ...{ target: 'es2024', lib: ['es2024', 'dom', 'dom.iterable'], types: [], module: 'nodenext' },
  ...{ strict: true, exactOptionalPropertyTypes: true, skipLibCheck: false, noEmit: true },
}

test('the package has the client, and nothing else that runs', async () => {
  const { stdout } = await run('find', ['.', '-type', 'f'], {
    cwd: inProject('node_modules', 'workflow-registrar'),
  })
  const files = stdout.trim().split('\n')
  expect(files).toContain('./dist/client/index.js')
  expect(files).toContain('./dist/client/index.d.ts')
  expect(files.filter((file) => !/^\.\/(dist\/client\/|package\.json|README|LICENSE)/.test(file))).toEqual([])
})

test('it runs under plain Node, with the constants of the document', async () => {
  writeFileSync(
    inProject('constants.js'),
    `import { createRegistrarClient, executionEngineValues, outcomeValues } from 'workflow-registrar/client'
     const registrar = createRegistrarClient({ baseUrl: '${service.url}' })
     const { data } = await registrar.GET('/health/live')
     console.log(data.status, executionEngineValues, outcomeValues)`,
  )
  const { stdout } = await run(process.execPath, ['constants.js'], { cwd: project })
  expect(stdout).toBe("live [ 'tekton' ] [ 'created', 'conflict', 'rejected', 'failed' ]\n")
})

test('its types know the paths, the fields and the values, and let no other pass; the README is right', async () => {
  writeFileSync(inProject('uses.ts'), USES)
  for (const [index, program] of PROGRAMS.entries()) writeFileSync(inProject(`program-${index}.ts`), program)
  const tsc = path.join(ROOT, 'node_modules/.bin/tsc')
  const { stdout } = await run(tsc, ['-p', '.'], { cwd: project }).catch((error) => error)
  expect(stdout).toBe('')
}, 180_000)

describe('the README', () => {
  const commands = blocksOf('sh').filter((block) => block.startsWith('curl '))

  test('has examples in TypeScript and for curl', () => {
    expect(PROGRAMS).not.toEqual([])
    expect(commands).not.toEqual([])
  })

  test.each(PROGRAMS.map((program, index) => [`program ${index + 1}`, program]))(
    '%s does what it says',
    async (_name, program) => {
      writeFileSync(inProject('run.ts'), program.replaceAll('http://127.0.0.1:8080', service.url))
      const { stdout } = await run(process.execPath, ['run.ts'], { cwd: project })
      expect(stdout).toMatch(/^created [0-9a-f-]{36}\n$/)
    },
  )

  test.each(commands.map((command, index) => [`curl ${index + 1}`, command]))(
    '%s is answered with a 2xx',
    async (_name, command) => {
      const runnable = command
        .split('\n')
        .filter((line) => !line.includes('…')) // a place that only an earlier answer can tell
        .join('\n')
      const { stdout } = await run('bash', ['-ec', runnable.replaceAll('http://127.0.0.1:8080', service.url)])
      const statuses = [...stdout.matchAll(/^HTTP\/1\.1 (\d+)/gm)].map(([, status]) => Number(status))
      expect(statuses).toHaveLength(runnable.match(/^curl -i/gm)!.length)
      expect(statuses.filter((status) => status < 200 || status > 299)).toEqual([])
    },
  )
})

function blocksOf(language: string): string[] {
  return [...README.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(
    ([, block]) => block!,
  )
}

const USES = `
import {
  type CreateWorkflow, createRegistrarClient, type ExecutionEngine, executionEngineValues, type Workflow,
} from 'workflow-registrar/client'

const registrar = createRegistrarClient({ baseUrl: 'http://127.0.0.1' })
const engine: ExecutionEngine = executionEngineValues[0]!
const body = {
  workflow_name: 'a', version: '1.0.0', name: 'a', description: 'a', content: 'a', execution_engine: engine,
}
const { data, error } = await registrar.POST('/api/v1/workflows', { body })
export const workflow: Workflow | undefined = data && 'dry_run' in data ? undefined : data
export const retryable: boolean | undefined = error?.retryable
// @ts-expect-error
await registrar.GET('/api/v1/nothing')
// @ts-expect-error
await registrar.POST('/api/v1/workflows', { body: { ...body, execution_engine: 'argo' } })
// @ts-expect-error
export const misspelt: CreateWorkflow = { ...body, ouner: 'a' }
// @ts-expect-error
await registrar.GET('/api/v1/workflows', { params: { query: { status: 'gone' } } })
// @ts-expect-error
export const nothing = error?.nothing
`
