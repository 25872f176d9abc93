import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { GenericContainer, getContainerRuntimeClient, getReaper, Wait } from 'testcontainers'
import { closeStack } from '../../../src/close-stack.ts'
import { newClusterId } from '../../../src/embedded/kafka.ts'
import { brokersListed } from '../../../src/embedded/kafka-answers.ts'
import { freePort } from '../../../src/embedded/ports.ts'
import { CANARY, inspectLog } from '../leaks.ts'
import type { OwnServer, OwnServers, OwnServersOptions } from '../servers.ts'
import { until } from '../until.ts'
import { LABELLED } from './leftovers.ts'

/** A machine may be busy. */
const START_LIMIT_MS = 90_000

const POSTGRES_IMAGE = 'postgres:18'
const KAFKA_IMAGE = 'apache/kafka:4.1.1'

/** Servers in containers, and how other containers reach them. */
export interface ContainerServers extends OwnServers {
  network: string
  /** The same environment, for a process in a container of that network. */
  inside(env: Readonly<Record<string, string>>): Record<string, string>
}

/** Starts both, on free ports of 127.0.0.1 and in a network of their own. */
export async function startContainerServers({
  durable = false,
}: OwnServersOptions = {}): Promise<ContainerServers> {
  const opened = closeStack()
  try {
    const network = await makeNetwork()
    opened.add(network.remove)
    const [postgres, kafka] = await Promise.all([
      startPostgres(network.name, durable, opened),
      startKafka(network.name, opened),
    ])
    const addresses = [
      [`127.0.0.1:${postgres.port}`, 'postgres:5432'],
      [kafka.brokers.join(), 'kafka:19092'],
    ] as const
    return {
      postgres,
      kafka,
      servers: { postgresUrl: postgres.ownerUrl, kafkaBrokers: kafka.brokers },
      close: opened.close,
      network: network.name,
      inside(env) {
        const moved = Object.entries(env).map(([name, value]) => [
          name,
          addresses.reduce((text, [outside, inside]) => text.replaceAll(outside, inside), value),
        ])
        return Object.fromEntries(moved)
      },
    }
  } catch (error) {
    await opened.close().catch(() => {}) // the failure to start is the one to report
    throw error
  }
}

type Opened = ReturnType<typeof closeStack>

async function startPostgres(network: string, durable: boolean, opened: Opened) {
  const password = `${CANARY}-${randomBytes(12).toString('hex')}`
  const port = await freePort()
  const url = (user: string) => `postgresql://${user}:${password}@127.0.0.1:${port}/registrar`
  const settings = [
    'max_connections=200',
    'log_error_verbosity=terse',
    ...(durable ? [] : ['fsync=off', 'full_page_writes=off']),
  ]
  const container = new LocalContainer(process.env.POSTGRES_IMAGE || POSTGRES_IMAGE)
    .withEnvironment({ POSTGRES_USER: 'postgres', POSTGRES_PASSWORD: password, POSTGRES_DB: 'registrar' })
    .withCommand(['postgres', ...settings.flatMap((setting) => ['-c', setting])])
    .withExposedPorts({ container: 5432, host: port })
    .withNetworkMode(network)
    .withNetworkAliases('postgres')
  const server = await startServer('PostgreSQL', container, opened, async () => {
    const client = new pg.Client({ connectionString: url('postgres'), connectionTimeoutMillis: 2_000 })
    client.on('error', () => {}) // the awaited calls tell
    await client.connect()
    await client.end()
    return true
  })
  return { ...server, port, ownerUrl: url('postgres'), serviceUrl: url('registrar') }
}

async function startKafka(network: string, opened: Opened) {
  const port = await freePort()
  const container = new LocalContainer(process.env.KAFKA_IMAGE || KAFKA_IMAGE)
    .withEnvironment({
      CLUSTER_ID: newClusterId(),
      KAFKA_NODE_ID: '1',
      KAFKA_PROCESS_ROLES: 'broker,controller',
      KAFKA_LISTENERS: 'INSIDE://:19092,OUTSIDE://:9092,CONTROLLER://:9093',
      KAFKA_ADVERTISED_LISTENERS: `INSIDE://kafka:19092,OUTSIDE://127.0.0.1:${port}`,
      KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: 'INSIDE:PLAINTEXT,OUTSIDE:PLAINTEXT,CONTROLLER:PLAINTEXT',
      KAFKA_INTER_BROKER_LISTENER_NAME: 'INSIDE',
      KAFKA_CONTROLLER_LISTENER_NAMES: 'CONTROLLER',
      KAFKA_CONTROLLER_QUORUM_VOTERS: '1@localhost:9093',
      // After a kill, the broker has to wait for the session of its former life to end.
      KAFKA_BROKER_SESSION_TIMEOUT_MS: '3000',
      KAFKA_BROKER_HEARTBEAT_INTERVAL_MS: '500',
      KAFKA_AUTO_CREATE_TOPICS_ENABLE: 'false',
      KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS: '5',
      KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: '1',
      KAFKA_TRANSACTION_STATE_LOG_NUM_PARTITIONS: '5',
      KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR: '1',
      KAFKA_TRANSACTION_STATE_LOG_MIN_ISR: '1',
      KAFKA_SHARE_COORDINATOR_STATE_TOPIC_NUM_PARTITIONS: '5',
      KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR: '1',
      KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR: '1',
      KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS: '0',
      KAFKA_LOG_DIRS: '/var/lib/kafka/data',
      KAFKA_HEAP_OPTS: '-Xms64m -Xmx320m',
    })
    .withExposedPorts({ container: 9092, host: port })
    .withNetworkMode(network)
    .withNetworkAliases('kafka')
  // While it is still fenced, the broker answers with a cluster of no brokers.
  const server = await startServer('Kafka', container, opened, async () => (await brokersListed(port)) > 0)
  return { ...server, brokers: [`127.0.0.1:${port}`] }
}

/** Starts a container, and removes it at the end. */
async function startServer(
  name: string,
  image: GenericContainer,
  opened: Opened,
  answers: () => Promise<boolean>,
): Promise<OwnServer> {
  const started = await image.start()
  opened.add(async () => void (await started.stop({ remove: true, removeVolumes: true, timeout: 0 })))
  const { container } = await getContainerRuntimeClient()
  const own = container.getById(started.getId())
  opened.add(async () => inspectLog(String(await own.logs({ stdout: true, stderr: true }))))
  let isRunning = false
  async function look() {
    const { State } = await own.inspect()
    isRunning = State.Running
    return State
  }
  async function serves() {
    await until(
      `an answer of ${name}`,
      async () => {
        const { Running, ExitCode } = await look()
        if (!Running) throw new Error(`the container of ${name} ended with ${ExitCode}`)
        return answers().catch(() => false)
      },
      START_LIMIT_MS,
    )
  }
  await serves()
  return {
    isRunning: () => isRunning,
    async start() {
      if (!isRunning) await own.start()
      await serves()
    },
    async stop() {
      if (!isRunning) return
      await own.stop({ t: 30 })
      await look()
    },
    async kill() {
      if (!isRunning) return
      await own.kill({ signal: 'SIGKILL' })
      await own.wait({ condition: 'not-running' })
      await look()
    },
    pause: () => own.pause(),
    async resume() {
      if ((await look()).Paused) await own.unpause()
    },
  }
}

async function makeNetwork() {
  const client = await getContainerRuntimeClient()
  const { sessionId } = await getReaper(client)
  const name = `registrar-test-${randomBytes(6).toString('hex')}`
  const Labels = { ...LABELLED, 'org.testcontainers.session-id': sessionId }
  const network = await client.container.dockerode.createNetwork({ Name: name, Labels })
  return { name, remove: async () => void (await network.remove()) }
}

/** A container whose ports are those of 127.0.0.1 alone. That it runs is enough; who starts it asks more. */
export class LocalContainer extends GenericContainer {
  constructor(image: string) {
    super(image)
    this.withLabels(LABELLED).withWaitStrategy(Wait.forAll([]))
  }

  protected override async beforeContainerCreated() {
    const bindings: Record<string, { HostIp?: string; HostPort: string }[]> =
      this.hostConfig.PortBindings ?? {}
    for (const binding of Object.values(bindings).flat()) binding.HostIp = '127.0.0.1'
  }
}
