import { execFile } from 'node:child_process'
import { chmod, cp, mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { temporaryFolder } from './temporary-folder.ts'

const EMBEDDED = join(import.meta.dirname, '..', '..', 'src', 'embedded')

test('no Java is told in one sentence', async () => {
  expect(await assertJavaWith(await temporaryFolder())).toBe(
    'StartFailure: Kafka needs Java 17 or newer, and there is no working java on the PATH: install one, or set DATABASE_URL and KAFKA_BROKERS to servers of your own.',
  )
})

test('a Java that is too old is told with its version', async () => {
  const path = await temporaryFolder()
  await command(path, 'java', 'echo \'openjdk version "1.8.0_412"\' >&2')
  expect(await assertJavaWith(path)).toContain(
    'needs Java 17 or newer, and the java on the PATH is 1.8.0_412:',
  )
})

test('a Java newer than 17 will do', async () => {
  const path = await temporaryFolder()
  await command(path, 'java', 'echo \'openjdk version "25" 2025-09-16\' >&2')
  expect(await assertJavaWith(path)).toBe('fine')
})

test('no Maven is told in one sentence while the jars are not there, and never after that', async () => {
  const { checkout, path } = await emptyCheckout()
  expect(await fetchJars(checkout, path)).toBe(
    'StartFailure: Kafka needs Maven (mvn) the first time, to fetch its jars, and there is none on the PATH: install Maven, or set DATABASE_URL and KAFKA_BROKERS to servers of your own.',
  )
  await mkdir(join(cacheOf(checkout), 'kafka-4.1.1'))
  expect(await fetchJars(checkout, path)).toBe('fine')
})

test('a Maven that fails half way leaves no jars behind, and its first complaint is told', async () => {
  const { checkout, path } = await emptyCheckout()
  await command(
    path,
    'mvn',
    `for a in "$@"; do case $a in -DoutputDirectory=*) : > "\${a#*=}/half.jar";; esac; done
echo '[ERROR] Could not transfer artifact: repo.example is unreachable'; exit 1`,
  )
  expect(await fetchJars(checkout, path)).toBe(
    "StartFailure: Maven could not fetch Kafka's jars: [ERROR] Could not transfer artifact: repo.example is unreachable",
  )
  expect(await readdir(cacheOf(checkout))).toEqual([])
})

test('two that fetch the jars at once both get them, complete', async () => {
  const { checkout, path } = await emptyCheckout()
  await command(
    path,
    'mvn',
    `/bin/sleep 0.2
for a in "$@"; do case $a in -DoutputDirectory=*) : > "\${a#*=}/whole.jar";; esac; done`,
  )
  expect(await Promise.all([fetchJars(checkout, path), fetchJars(checkout, path)])).toEqual(['fine', 'fine'])
  expect(await readdir(cacheOf(checkout), { recursive: true })).toEqual([
    'kafka-4.1.1',
    'kafka-4.1.1/whole.jar',
  ])
})

function assertJavaWith(path: string) {
  return outcome(`(await import('${EMBEDDED}/java.ts')).assertJava(new AbortController().signal)`, path)
}

function fetchJars(checkout: string, path: string) {
  const file = join(checkout, 'src', 'embedded', 'kafka-jars.ts')
  return outcome(`(await import('${file}')).kafkaJars(() => {}, new AbortController().signal)`, path)
}

async function outcome(expression: string, path: string): Promise<string> {
  const script = `try { await ${expression}; console.log('fine') } catch (error) { console.log(String(error)) }`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
    env: { PATH: path },
  })
  return stdout.trim()
}

/** A checkout without any jars, and a folder to be its whole PATH. */
async function emptyCheckout() {
  const [checkout, path] = [await temporaryFolder(), await temporaryFolder()]
  await cp(EMBEDDED, join(checkout, 'src', 'embedded'), { recursive: true })
  await writeFile(join(checkout, 'package.json'), '{"type":"module"}')
  return { checkout, path }
}

const cacheOf = (checkout: string) => join(checkout, 'node_modules', '.cache', 'workflow-registrar')

async function command(folder: string, name: string, body: string) {
  const file = join(folder, name)
  await writeFile(file, `#!/bin/sh\n${body}\n`)
  await chmod(file, 0o755)
}
