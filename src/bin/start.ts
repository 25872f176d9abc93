import path from 'node:path'
import { type RunningApp, start } from '../app.ts'
import { closeStack } from '../close-stack.ts'
import type { Infrastructure } from '../config.ts'
import { startPair } from '../embedded/pair.ts'
import { run } from './run.ts'

const ABOUT = `The whole service. Without DATABASE_URL and KAFKA_BROKERS it starts a PostgreSQL and a Kafka of its own.
Set in the environment:`

const EXAMPLE = JSON.stringify({
  workflow_name: 'restart-pods',
  version: '1.0.0',
  name: 'Restart pods',
  description: 'Restarts the pods of a deployment',
  content: 'kind: Workflow',
  execution_engine: 'tekton',
})

await run(ABOUT, async ({ config, log, say, onCrash, signal }) => {
  const opened = closeStack()
  try {
    const infrastructure = config.infrastructure ?? (await startEmbedded())
    const app = await start({
      config,
      infrastructure,
      roles: ['ingress', 'worker'],
      log,
      say,
      onCrash,
      signal,
    })
    opened.add(() => app.close())
    say(welcome(app, infrastructure))
    return opened
  } catch (error) {
    await opened.close().catch(() => {}) // the failure to start is the one to report
    throw error
  }

  async function startEmbedded(): Promise<Infrastructure> {
    const { dataDir, postgresPort, kafkaPort } = config.embedded
    const onExit = (sentence: string) => onCrash(new Error(sentence))
    const pair = await startPair({ dataDir, postgresPort, kafkaPort, say, onExit, signal })
    opened.add(() => pair.stop())
    return {
      databaseUrl: pair.postgres.serviceUrl,
      migrateDatabaseUrl: pair.postgres.ownerUrl,
      kafka: { brokers: pair.kafka.brokers },
    }
  }

  function welcome({ url, waitsFor }: RunningApp, { databaseUrl, kafka }: Infrastructure): string {
    return `
${waitsFor.length === 0 ? 'Ready.' : `Not all of it is ready yet: ${waitsFor.join('; ')}.`}
  HTTP        ${url}
  Kafka       ${kafka.brokers.join(',')}
  PostgreSQL  ${config.infrastructure ? 'as DATABASE_URL says' : withoutLogin(databaseUrl)}
${config.infrastructure ? '' : `  Data        ${path.resolve(config.embedded.dataDir)}\n`}
Try it:
  curl -i ${url}/api/v1/workflows -H 'content-type: application/json' -d '${EXAMPLE}'
The same again is a conflict. Ctrl-C stops everything.
`
  }
})

function withoutLogin(databaseUrl: string): string {
  const { host, pathname } = new URL(databaseUrl)
  return `postgresql://${host}${pathname}`
}
