import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { STOP_GRACE_MS } from './child.ts'
import { run } from './command.ts'
import { assertJava } from './java.ts'
import { brokersListed } from './kafka-answers.ts'
import { KAFKA_VERSION, kafkaJars } from './kafka-jars.ts'
import { stopLeftover } from './pid-file.ts'
import { assertPortFree, freePort } from './ports.ts'
import { type Server, server } from './server.ts'
import { StartFailure } from './start-failure.ts'

const NAME = `Kafka ${KAFKA_VERSION}`
const LOG4J = fileURLToPath(new URL('kafka-log4j2.properties', import.meta.url))

export type Kafka = Server & {
  port: number
  brokers: string[]
  logFile: string
}

export type KafkaOptions = {
  /** Absolute, and claimed by us. */
  dataDir: string
  /** 0 for a free one, which is then kept. */
  port: number
  /** Makes other settings of the usual ones, at each start: more listeners, say. */
  settings?: (usual: BrokerSettings) => BrokerSettings
  /** More arguments for the tool that formats the storage. */
  formatArguments?: readonly string[]
  say(line: string): void
  onExit(sentence: string): void
  signal: AbortSignal
}

/** Properties of a broker, by name. */
export type BrokerSettings = Readonly<Record<string, string | number | boolean>>

/** Starts one broker, its own controller, on the data in `dataDir`, which it makes the first time. */
export async function startKafka(options: KafkaOptions): Promise<Kafka> {
  const { dataDir, settings = (usual) => usual, formatArguments = [], say, onExit, signal } = options
  const began = Date.now()
  const pidFile = join(dataDir, 'kafka.pid')
  const logFile = join(dataDir, 'kafka.log')
  const storage = join(dataDir, 'kafka')
  const [port] = await Promise.all([
    options.port === 0 ? freePort() : options.port,
    assertJava(signal),
    stopLeftover(pidFile, 'SIGTERM', STOP_GRACE_MS),
  ])
  await assertPortFree(port, NAME, 'EMBEDDED_KAFKA_PORT')
  const jars = await kafkaJars(say, signal)
  if (!existsSync(storage)) {
    say(`${NAME}: formatting its storage`)
    await formatStorage({ storage, dataDir, jars, port, formatArguments, signal })
  }

  const brokers = [`127.0.0.1:${port}`]
  const kafka = server({
    name: NAME,
    async prepare() {
      await assertPortFree(port, NAME, 'EMBEDDED_KAFKA_PORT')
      const properties = join(dataDir, 'kafka.properties')
      writeProperties(properties, settings(brokerSettings(storage, port, await freePort())))
      const heap = ['-Xms64m', '-Xmx320m', '-XX:+UseSerialGC', '-XX:+ExitOnOutOfMemoryError']
      const args = [...heap, ...javaArgs(jars), 'kafka.Kafka', properties]
      return { command: 'java', args, runAs: {}, logFile, pidFile, stopSignal: 'SIGTERM' }
    },
    // While it is still fenced, the broker answers with a cluster of no brokers.
    answers: async () => (await brokersListed(port)) > 0,
    onExit,
  })
  await kafka.start(signal)
  say(`${NAME}: ready on 127.0.0.1:${port} in ${((Date.now() - began) / 1000).toFixed(1)} s`)
  return { ...kafka, port, brokers, logFile }
}

function brokerSettings(storage: string, port: number, controllerPort: number): BrokerSettings {
  return {
    'process.roles': 'broker,controller',
    'node.id': 1,
    // A quorum named here, not in the storage: the controller's port may differ at each start.
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    'controller.listener.names': 'CONTROLLER',
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'log.dirs': storage,
    // After a kill, the broker has to wait for the session of its former life to end.
    'broker.session.timeout.ms': 3_000,
    'broker.heartbeat.interval.ms': 500,
    'auto.create.topics.enable': false,
    'num.partitions': 3,
    'default.replication.factor': 1,
    'min.insync.replicas': 1,
    'offsets.topic.num.partitions': 5,
    'offsets.topic.replication.factor': 1,
    'offsets.retention.minutes': 525_600,
    'transaction.state.log.num.partitions': 5,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    'share.coordinator.state.topic.num.partitions': 5,
    'share.coordinator.state.topic.replication.factor': 1,
    'share.coordinator.state.topic.min.isr': 1,
    'group.initial.rebalance.delay.ms': 0,
    'log.cleaner.dedupe.buffer.size': 8 * 1024 * 1024,
    'num.network.threads': 2,
    'num.io.threads': 4,
  }
}

function writeProperties(file: string, settings: BrokerSettings): void {
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`)
  writeFileSync(file, lines.join(''))
}

function javaArgs(jars: string): string[] {
  return [`-Dlog4j2.configurationFile=${LOG4J}`, '-cp', join(jars, '*')]
}

/** 16 random bytes in base64url, as Kafka makes them itself: one that begins with `-` is an option to its tools. */
export function newClusterId(): string {
  const id = randomBytes(16).toString('base64url')
  return id.startsWith('-') ? newClusterId() : id
}

type FormatOptions = {
  storage: string
  dataDir: string
  jars: string
  port: number
  formatArguments: readonly string[]
  signal: AbortSignal
}

/** Formats the storage beside its place and moves it there when complete. */
async function formatStorage(options: FormatOptions): Promise<void> {
  const { storage, dataDir, jars, port, formatArguments, signal } = options
  const made = mkdtempSync(join(dataDir, 'new-kafka-'))
  const properties = `${made}.properties`
  try {
    writeProperties(properties, brokerSettings(made, port, await freePort()))
    const tool = ['-XX:TieredStopAtLevel=1', ...javaArgs(jars), 'kafka.tools.StorageTool']
    const format = ['format', '-t', newClusterId(), '-c', properties, ...formatArguments]
    const { code, output } = await run('java', [...tool, ...format], { signal })
    if (code !== 0) {
      throw new StartFailure(
        `${NAME} could not format its storage in ${dataDir}: ${output.split('\n').at(-1)}`,
      )
    }
    renameSync(made, storage)
  } finally {
    rmSync(properties, { force: true })
    rmSync(made, { recursive: true, force: true })
  }
}
