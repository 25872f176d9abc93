import { StartError } from '../app.ts'
import { ConfigError } from '../config.ts'
import { dbFailure } from '../db/sqlstate.ts'
import { StartFailure } from '../embedded/start-failure.ts'

/** What went wrong, for a person. A driver's own text may hold parameters, so the database is told by its code. */
export function sentenceOf(error: unknown): string {
  if (error instanceof StartError || error instanceof StartFailure || error instanceof ConfigError)
    return error.message
  const failure = dbFailure(error)
  if (failure) return `PostgreSQL (DATABASE_URL, MIGRATE_DATABASE_URL) does not do it (${failure.code})`
  return error instanceof Error ? error.message : String(error)
}
