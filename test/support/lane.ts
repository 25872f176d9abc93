import { startEmbeddedServers } from './embedded-servers.ts'
import type { OwnServers, OwnServersOptions, SharedServers } from './servers.ts'

/** Where the servers of all tests come from: one way for a whole run. */
export interface Lane {
  /** For the tests that share servers, from before the first to after the last. */
  startShared(options: OwnServersOptions): Promise<{ servers: SharedServers; close(): Promise<void> }>
  /** For a test that stops its servers and starts them again. */
  startOwn(options: OwnServersOptions): Promise<OwnServers>
}

/** Nothing is started: `TEST_DATABASE_URL` (as superuser) and `TEST_KAFKA_BROKERS` name servers that run. */
function external(postgresUrl: string, kafkaBrokers: string[]): Lane {
  return {
    startShared: async () => ({ servers: { postgresUrl, kafkaBrokers }, close: async () => {} }),
    async startOwn() {
      throw new Error(
        'TEST_DATABASE_URL and TEST_KAFKA_BROKERS name servers that run elsewhere: what stops its servers cannot run on them',
      )
    },
  }
}

const embedded: Lane = { startShared: startEmbeddedServers, startOwn: startEmbeddedServers }

/** The lane of this run, as the environment says. */
export async function lane(env: Readonly<Record<string, string | undefined>> = process.env): Promise<Lane> {
  const { TEST_DATABASE_URL: postgresUrl, TEST_KAFKA_BROKERS: brokers, TEST_SERVERS: kind } = env
  if (Boolean(postgresUrl) !== Boolean(brokers))
    throw new Error('TEST_DATABASE_URL and TEST_KAFKA_BROKERS go together, and one of them is missing')
  if (kind && kind !== 'containers' && kind !== 'embedded')
    throw new Error(`TEST_SERVERS is containers or embedded, not ${kind}`)
  if (postgresUrl && brokers) {
    if (kind)
      throw new Error(`TEST_SERVERS=${kind} starts servers, and TEST_DATABASE_URL names some that run`)
    return external(
      postgresUrl,
      brokers.split(',').map((broker) => broker.trim()),
    )
  }
  if (kind !== 'containers') return embedded
  const { startContainerServers } = await import('./containers/servers.ts')
  return { startShared: startContainerServers, startOwn: startContainerServers }
}
