import { createHash } from 'node:crypto'
import { existsSync, globSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { run } from '../../src/embedded/command.ts'
import { runProgram } from './program.ts'

const PROJECT = path.join(import.meta.dirname, 'java')
/** Where pom.xml says that Maven builds. */
const OUTPUT = path.join(import.meta.dirname, '../../node_modules/.cache/workflow-registrar/interop-java')
/** Holds the hash of what was built; it is written last. */
const BUILT = path.join(OUTPUT, 'built.txt')

/** The jars of Kafka's and Spring's clients. */
export const CLIENT_JARS = path.join(OUTPUT, 'dependency', '*')

/** Compiles the Java programs and fetches their jars, unless that was done for these very sources. */
export async function buildJavaPrograms(): Promise<void> {
  const sources = ['pom.xml', ...globSync('src/**/*.java', { cwd: PROJECT }).sort()]
  const hash = createHash('sha256')
  for (const source of sources) hash.update(source).update(readFileSync(path.join(PROJECT, source)))
  const wanted = hash.digest('hex')
  if (existsSync(BUILT) && readFileSync(BUILT, 'utf8') === wanted) return

  process.stderr.write('Java: building the programs with Maven (once)\n')
  rmSync(OUTPUT, { recursive: true, force: true })
  const goals = ['compile', 'dependency:copy-dependencies', '-DincludeScope=runtime']
  const { code, output } = await run('mvn', ['-B', '-q', '-f', PROJECT, ...goals])
  if (code === 'not found')
    throw new Error('The Java programs need Maven (mvn), and there is none on the PATH: install it.')
  if (code !== 0) {
    const complaints = stripVTControlCharacters(output).split('\n').slice(0, 3).join(' ')
    throw new Error(`Maven could not build the Java programs, which takes a JDK: ${complaints}`)
  }
  writeFileSync(BUILT, wanted)
}

/** A record that a program has sent or received; topic and partition of a reply are where it came from. */
export interface RecordLine {
  kind: 'request' | 'reply'
  topic: string
  partition: number | null
  headers: Map<string, Buffer>
  value: Buffer
}

/** Has a program register these workflows, one by one. Answers each request with its reply. */
export async function registerInJava(
  program: 'SpringRequestReply' | 'SmallRyeRequestReply',
  args: readonly string[],
  workflows: readonly Record<string, unknown>[],
): Promise<{ request: RecordLine; reply: RecordLine }[]> {
  const classPath = [path.join(OUTPUT, 'classes'), CLIENT_JARS].join(path.delimiter)
  const input = workflows.map((workflow) => `${workflow.workflow_name}\t${JSON.stringify(workflow)}\n`)
  const lines = await runProgram('java', ['-cp', classPath, program, ...args], { input: input.join('') })
  const records = lines.map(readRecordLine)
  const requests = records.filter(({ kind }) => kind === 'request')
  const replies = records.filter(({ kind }) => kind === 'reply')
  return requests.map((request, index) => ({ request, reply: replies[index]! }))
}

function readRecordLine(line: string): RecordLine {
  const { kind, topic, partition, headers, value } = JSON.parse(line)
  const decoded = headers.map(([name, bytes]: [string, string]) => [name, Buffer.from(bytes, 'base64')])
  return { kind, topic, partition, headers: new Map(decoded), value: Buffer.from(value, 'base64') }
}
