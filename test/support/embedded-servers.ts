import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { startPair } from '../../src/embedded/pair.ts'
import type { Server } from '../../src/embedded/server.ts'
import { CANARY, inspectLog } from './leaks.ts'
import type { OwnServer, OwnServers, OwnServersOptions } from './servers.ts'

/** Starts both as processes, on free ports and in a folder of their own. */
export async function startEmbeddedServers({
  say = () => {},
  durable = false,
}: OwnServersOptions = {}): Promise<OwnServers> {
  const dataDir = mkdtempSync(path.join(tmpdir(), 'workflow-registrar-test-'))
  const passwords = { postgres: secret(), registrar: secret() }
  writeFileSync(path.join(dataDir, 'passwords.json'), JSON.stringify(passwords), { mode: 0o600 })
  const pair = await startPair({ dataDir, postgresPort: 0, kafkaPort: 0, say, durable })
  const { postgres, kafka } = pair
  return {
    postgres: { ...postgres, ...pausing(postgres) },
    kafka: { ...kafka, ...pausing(kafka) },
    servers: { postgresUrl: postgres.ownerUrl, kafkaBrokers: kafka.brokers },
    async close() {
      await pair.stop()
      for (const { logFile } of [postgres, kafka]) inspectLog(readFileSync(logFile, 'utf8'))
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}

const secret = () => `${CANARY}-${randomBytes(12).toString('hex')}`

function pausing({ pid }: Server): Pick<OwnServer, 'pause' | 'resume' | 'isRunning'> {
  async function tell(signal: 'SIGSTOP' | 'SIGCONT') {
    const running = pid()
    if (running !== undefined) process.kill(running, signal)
  }
  return {
    pause: () => tell('SIGSTOP'),
    resume: () => tell('SIGCONT'),
    isRunning: () => pid() !== undefined,
  }
}
