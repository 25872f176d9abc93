import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { startPair } from '../../src/embedded/pair.ts'
import type { OwnServers, OwnServersOptions } from './servers.ts'

/** Starts both as processes, on free ports and in a folder of their own. */
export async function startEmbeddedServers({
  say = () => {},
  durable = false,
}: OwnServersOptions = {}): Promise<OwnServers> {
  const dataDir = mkdtempSync(path.join(tmpdir(), 'workflow-registrar-test-'))
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
