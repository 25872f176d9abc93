import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import pino from 'pino'
import { start } from '../../src/app.ts'
import { closeStack } from '../../src/close-stack.ts'
import { parseConfig } from '../../src/config.ts'
import { startPair } from '../../src/embedded/pair.ts'

/** Starts the service on a PostgreSQL and a Kafka of its own, outside of any test, and stops it all after `use`. */
export async function withPrivateService<T>(use: (url: string) => Promise<T>): Promise<T> {
  const opened = closeStack()
  try {
    const dataDir = mkdtempSync(path.join(tmpdir(), 'workflow-registrar-private-'))
    opened.add(async () => rmSync(dataDir, { recursive: true, force: true }))
    const say = (line: string) => void process.stderr.write(`${line}\n`)
    const pair = await startPair({ dataDir, postgresPort: 0, kafkaPort: 0, say, durable: false })
    opened.add(() => pair.stop())
    const app = await start({
      config: parseConfig({ PORT: '0' }),
      infrastructure: {
        databaseUrl: pair.postgres.serviceUrl,
        migrateDatabaseUrl: pair.postgres.ownerUrl,
        kafka: { brokers: pair.kafka.brokers },
      },
      roles: ['ingress', 'worker'],
      log: pino({ level: 'silent' }),
      say,
      onCrash(error) {
        throw error
      },
    })
    opened.add(() => app.close())
    return await use(app.url)
  } finally {
    await opened.close()
  }
}
