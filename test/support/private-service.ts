import pino from 'pino'
import { start } from '../../src/app.ts'
import { closeStack } from '../../src/close-stack.ts'
import { parseConfig } from '../../src/config.ts'
import { startOwnServers } from './own-servers.ts'

/** Starts the service on a PostgreSQL and a Kafka of its own, outside of any test, and stops it all after `use`. */
export async function withPrivateService<T>(use: (url: string) => Promise<T>): Promise<T> {
  const opened = closeStack()
  try {
    const say = (line: string) => void process.stderr.write(`${line}\n`)
    const { postgres, kafka, close } = await startOwnServers({ say })
    opened.add(close)
    const app = await start({
      config: parseConfig({ PORT: '0', METRICS_PORT: '0' }),
      infrastructure: {
        databaseUrl: postgres.serviceUrl,
        migrateDatabaseUrl: postgres.ownerUrl,
        kafka: { brokers: kafka.brokers },
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
