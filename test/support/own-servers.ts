import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type Pair, type PairOptions, startPair } from '../../src/embedded/pair.ts'
import type { SharedServers } from './global-setup.ts'

/** A PostgreSQL and a Kafka that no other test uses, so that a test may stop them. */
export interface OwnServers extends Pick<Pair, 'postgres' | 'kafka'> {
  /** For `makeWorld`. */
  servers: SharedServers
  close(): Promise<void>
}

export async function startOwnServers({
  say = () => {},
  durable = false,
}: Partial<Pick<PairOptions, 'say' | 'durable'>> = {}): Promise<OwnServers> {
  const dataDir = mkdtempSync(path.join(tmpdir(), 'workflow-registrar-own-'))
  const pair = await startPair({ dataDir, postgresPort: 0, kafkaPort: 0, say, durable })
  const { postgres, kafka } = pair
  return {
    postgres,
    kafka,
    servers: { postgresUrl: postgres.ownerUrl, kafkaBrokers: kafka.brokers },
    async close() {
      await pair.stop()
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}
