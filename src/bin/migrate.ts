import { migrate } from '../db/migrate.ts'
import { reaching, StartError } from '../start-error.ts'
import { run } from './run.ts'

await run(
  'Brings the schema up to date, then ends. Set in the environment:',
  async ({ config, say, signal }) => {
    const { databaseUrl, migrateDatabaseUrl } = config.database ?? {}
    if (!databaseUrl || !migrateDatabaseUrl)
      throw new StartError('MIGRATE_DATABASE_URL and DATABASE_URL are needed to migrate')
    await reaching('MIGRATE_DATABASE_URL', () => migrate(migrateDatabaseUrl, databaseUrl, { signal }))
    say('The schema is up to date')
    return undefined
  },
  { needsKafka: false, isJob: true },
)
