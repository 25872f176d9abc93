import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from './command.ts'
import { StartFailure } from './start-failure.ts'

const POM = fileURLToPath(new URL('pom.xml', import.meta.url))
const CACHE = fileURLToPath(new URL('../../node_modules/.cache/workflow-registrar', import.meta.url))

/** The version of Kafka, as pom.xml has it. */
export const KAFKA_VERSION = /<kafka\.version>(.*)<\/kafka\.version>/.exec(readFileSync(POM, 'utf8'))![1]!

/** The folder of Kafka's jars. When they are not there yet Maven fetches them, all or none. */
export async function kafkaJars(say: (line: string) => void, signal: AbortSignal): Promise<string> {
  const jars = join(CACHE, `kafka-${KAFKA_VERSION}`)
  if (existsSync(jars)) return jars
  say(`Kafka ${KAFKA_VERSION}: fetching its jars with Maven (once)`)
  const fetched = newFolder(`${jars}.new-`)
  try {
    const goal = ['dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${fetched}`]
    const { code, output } = await run('mvn', ['-B', '-q', '-f', POM, ...goal], { signal })
    if (code === 'not found') {
      throw new StartFailure(
        'Kafka needs Maven (mvn) the first time, to fetch its jars, and there is none on the PATH: install Maven, or set DATABASE_URL and KAFKA_BROKERS to servers of your own.',
      )
    }
    if (code !== 0) {
      const lines = output.split('\n').filter((line) => line.trim() !== '')
      throw new StartFailure(`Maven could not fetch Kafka's jars: ${lines.slice(0, 3).join(' ')}`)
    }
    chmodSync(fetched, 0o755) // whoever may read the checkout may run it
    moveUnlessThere(fetched, jars)
    return jars
  } finally {
    rmSync(fetched, { recursive: true, force: true })
  }
}

function newFolder(prefix: string): string {
  try {
    mkdirSync(dirname(prefix), { recursive: true })
    return mkdtempSync(prefix)
  } catch (error) {
    throw new StartFailure(
      `Kafka's jars cannot be kept in ${CACHE} (${(error as NodeJS.ErrnoException).code}): make that folder writable for this user.`,
      { cause: error },
    )
  }
}

/** Whoever else was fetching at the same time may have been first; its jars are as good. */
function moveUnlessThere(from: string, to: string): void {
  try {
    renameSync(from, to)
  } catch (error) {
    if (!existsSync(to)) throw error
  }
}
