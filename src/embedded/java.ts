import { run } from './command.ts'
import { StartFailure } from './start-failure.ts'

const OLDEST = 17

/** Throws a StartFailure unless the `java` on the PATH can run Kafka. */
export async function assertJava(signal: AbortSignal): Promise<void> {
  const { code, output } = await run('java', ['-version'], { signal })
  const needs = `Kafka needs Java ${OLDEST} or newer`
  const remedy = 'install one, or set DATABASE_URL and KAFKA_BROKERS to servers of your own'
  const version = /version "([^"]+)"/.exec(output)?.[1]
  if (code !== 0 || version === undefined) {
    throw new StartFailure(`${needs}, and there is no working java on the PATH: ${remedy}.`)
  }
  if (majorOf(version) < OLDEST) {
    throw new StartFailure(`${needs}, and the java on the PATH is ${version}: ${remedy}.`)
  }
}

/** Java 8 called itself 1.8. */
function majorOf(version: string): number {
  return Number.parseInt(version.replace(/^1\./, ''), 10)
}
