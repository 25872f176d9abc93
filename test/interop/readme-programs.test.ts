import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventRequestId } from '../../src/domain/ids.ts'
import { get } from '../support/http.ts'
import { countRecords } from '../support/log-ends.ts'
import { withService } from '../support/world.ts'
import { CLIENT_JARS } from './java.ts'
import { runProgram } from './program.ts'
import { python } from './python.ts'

const ROOT = path.join(import.meta.dirname, '..', '..')
const README = readFileSync(path.join(ROOT, 'README.md'), 'utf8')

/** Rows of README's table of ids: `source`, `id`, request id. */
const VECTORS = [...README.matchAll(/^\| (?:`(.*)`|none) \| `(.*)` \| `([0-9a-f-]{36})` \|$/gm)].map(
  ([, source = '', id, requestId]) => ({ source, id: id!, requestId: requestId! }),
)

/** The programs of README as somebody would keep them, each in a file of the name that it is printed under. */
const folder = mkdtempSync(path.join(tmpdir(), 'workflow-registrar-readme-'))
const inFolder = (name: string) => path.join(folder, name)

beforeAll(async () => {
  for (const [, name, program] of README.matchAll(/^```\w+ (\S+)\n(.*?)^```/gms))
    writeFileSync(inFolder(name!), program!)
  symlinkSync(path.join(ROOT, 'node_modules'), inFolder('node_modules'))
  writeFileSync(inFolder('package.json'), JSON.stringify({ type: 'module' }))
  writeFileSync(inFolder('tsconfig.json'), JSON.stringify({ compilerOptions: COMPILER_OPTIONS }))
  for (const { name, source } of Object.values(ID_PROGRAMS)) writeFileSync(inFolder(name), source)
  await runProgram('javac', ['-cp', CLIENT_JARS, 'WaitForReply.java', ID_PROGRAMS.java.name], { cwd: folder })
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const COMPILER_OPTIONS = {
  ...{ target: 'es2024', lib: ['es2024'], types: ['node'], module: 'nodenext', noEmit: true },
  ...{ strict: true, allowImportingTsExtensions: true, skipLibCheck: true },
}

/** They print what the function of README makes of each two arguments. */
const ID_PROGRAMS = {
  java: {
    name: 'Ids.java',
    source: `class Ids {
      public static void main(String[] pairs) throws Exception {
        for (int i = 0; i < pairs.length; i += 2) System.out.println(WaitForReply.requestId(pairs[i], pairs[i + 1]));
      }
    }`,
  },
  python: {
    name: 'ids.py',
    source: `import sys
from wait_for_reply import request_id
for source, id in zip(sys.argv[1::2], sys.argv[2::2]): print(request_id(source, id))`,
  },
  typescript: {
    name: 'ids.ts',
    source: `import { requestId } from './wait-for-reply.ts'
      const pairs = process.argv.slice(2)
      for (let i = 0; i < pairs.length; i += 2) console.log(requestId(pairs[i]!, pairs[i + 1]!))`,
  },
}

type Env = Record<string, string>
const java = (args: string[], env: Env = {}) =>
  runProgram('java', ['-cp', `${folder}${path.delimiter}${CLIENT_JARS}`, ...args], { cwd: folder, env })
const inPython = (args: string[], env: Env = {}) => python(args, { cwd: folder, env })
const node = (args: string[], env: Env = {}) =>
  runProgram(process.execPath, ['--no-warnings', ...args], { cwd: folder, env })

const LANGUAGES = [
  ['Java', { run: java, main: 'WaitForReply', ids: 'Ids' }],
  ['Python', { run: inPython, main: 'wait_for_reply.py', ids: 'ids.py' }],
  ['TypeScript', { run: node, main: 'wait-for-reply.ts', ids: 'ids.ts' }],
] as const

test('the ids in README are those that the service makes', () => {
  expect(VECTORS.length).toBeGreaterThan(3)
  for (const { source, id, requestId } of VECTORS) expect(eventRequestId(source, id)).toBe(requestId)
})

describe.each(LANGUAGES)("README's program in %s", (_, { run, main, ids }) => {
  test('makes the ids in README', async () => {
    const made = await run([ids, ...VECTORS.flatMap(({ source, id }) => [source, id])])
    expect(made).toEqual(VECTORS.map(({ requestId }) => requestId))
  })

  test('waits for its reply, gets the same when it runs again, and asks for the status when none comes', async () => {
    const service = await withService()
    const { KAFKA_BROKERS, REQUEST_TOPIC, REPLY_TOPIC, DEAD_LETTER_TOPIC } = service.env
    const env = {
      ...{ KAFKA_BROKERS: KAFKA_BROKERS!, REQUEST_TOPIC: REQUEST_TOPIC!, REPLY_TOPIC: REPLY_TOPIC! },
      ...{ REGISTRAR_URL: 'http://127.0.0.1:1', EVENT_ID: `restart-🚀-${crypto.randomUUID()}` },
    }
    const requestId = eventRequestId('/billing', env.EVENT_ID)
    const outcome = async (more: Env = {}) => JSON.parse((await run([main], { ...env, ...more })).join('\n'))

    const first = await outcome()
    expect(first).toMatchObject({ request_id: requestId, state: 'created', workflow_name: 'restart-pods' })
    expect(first).toEqual((await get(`${service.url}/api/v1/workflow-requests/${requestId}`)).body)
    expect(await outcome()).toEqual(first)

    const whereNoneComes = { REPLY_TOPIC: DEAD_LETTER_TOPIC!, WAIT_SECONDS: '1' }
    expect(await outcome({ ...whereNoneComes, REGISTRAR_URL: service.url })).toEqual(first)
    expect(await countRecords(service, REQUEST_TOPIC!)).toBe(3)
    expect(await countRecords(service, DEAD_LETTER_TOPIC!)).toBe(0)
  })
})

test("README's program in TypeScript is typed", async () => {
  const tsc = path.join(ROOT, 'node_modules/.bin/tsc')
  const complaints = await runProgram(tsc, ['-p', folder]).catch((error) => error)
  expect(complaints).toEqual([])
})
