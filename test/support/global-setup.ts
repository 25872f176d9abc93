import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { TestProject } from 'vitest/node'
import { startPair } from '../../src/embedded/pair.ts'

/** The servers that all test files share; each file has its own database and topics on them. */
export interface SharedServers {
  /** The superuser's URL. */
  postgresUrl: string
  kafkaBrokers: string[]
}

declare module 'vitest' {
  interface ProvidedContext {
    servers: SharedServers
  }
}

/** Starts a private PostgreSQL and Kafka on free ports before the first test, and stops them after the last. */
export default async function setup(project: TestProject) {
  const dataDir = mkdtempSync(path.join(tmpdir(), 'workflow-registrar-test-'))
  const say = (line: string) => void process.stderr.write(`${line}\n`)
  const pair = await startPair({ dataDir, postgresPort: 0, kafkaPort: 0, say, durable: false })
  project.provide('servers', { postgresUrl: pair.postgres.ownerUrl, kafkaBrokers: pair.kafka.brokers })
  return async () => {
    await pair.stop()
    rmSync(dataDir, { recursive: true, force: true })
  }
}
