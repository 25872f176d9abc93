import { dbFailure } from '../db/sqlstate.ts'

/** What went wrong, for a person. A driver's own text may hold parameters, so the database is told by its code. */
export function sentenceOf(error: unknown): string {
  const failure = dbFailure(error)
  if (failure) return `PostgreSQL does not do it (${failure.code})`
  return error instanceof Error ? error.message : String(error)
}
