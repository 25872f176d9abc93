import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { kafkaJars } from '../../src/embedded/kafka-jars.ts'
import type { World } from './world.ts'

const JAVA = 'java'
const SOURCE = fileURLToPath(new URL('JavaProducer.java', import.meta.url))

/** Has Kafka's own producer send these values with each of the compressions, to the partition of its place. */
export async function produceInJava(
  world: World,
  topic: string,
  values: readonly Buffer[],
  compressions: readonly string[],
): Promise<void> {
  const jars = await kafkaJars(() => {}, new AbortController().signal)
  const brokers = world.infrastructure.kafka.brokers.join(',')
  const args = ['-cp', join(jars, '*'), SOURCE, brokers, topic, ...compressions]
  const java = spawn(JAVA, args, { stdio: ['pipe', 'ignore', 'pipe'] })
  java.stdin.on('error', () => {}) // its end tells more
  java.stdin.end(values.map((value) => value.toString('base64')).join('\n'))
  const [errors, [code]] = await Promise.all([text(java.stderr), once(java, 'close')])
  if (code !== 0) throw new Error(`java ended with ${code}:\n${errors}`)
}
