import pg from 'pg'
import type { Failure } from '../domain/classify.ts'
import { TLS_NOT_SPOKEN, tlsTrouble } from '../tls.ts'

/**
 * The database's failure inside whatever was thrown, or undefined when the database had no part in it.
 *
 * Drizzle wraps driver errors and keeps the original on `cause`; its own message holds every bound parameter and
 * must reach neither a log nor a caller. An error of pg's that carries no code at all is told by its text, which
 * pg has in English whatever the server speaks.
 */
export function dbFailure(thrown: unknown): Failure | undefined {
  for (let error = thrown, depth = 0; error instanceof Error && depth < 5; error = error.cause, depth += 1) {
    if (error instanceof pg.DatabaseError && error.code)
      return { code: error.code, constraint: error.constraint }
    if (error instanceof AggregateError) {
      const inner = error.errors.map(dbFailure).find((failure) => failure !== undefined)
      if (inner) return inner
    }
    const { code } = error as NodeJS.ErrnoException
    if (typeof code === 'string' && ('syscall' in error || tlsTrouble(code))) return { code }
    for (const [text, lost] of DRIVER_TEXTS) if (error.message.startsWith(text)) return { code: lost }
  }
  return undefined
}

const DRIVER_TEXTS = [
  ['timeout exceeded when trying to connect', 'POOL_TIMEOUT'],
  ['Connection terminated due to connection timeout', 'POOL_TIMEOUT'],
  ['Connection terminated', 'CONNECTION_LOST'],
  ['Client has encountered a connection error', 'CONNECTION_LOST'],
  ['Client was closed and is not queryable', 'CONNECTION_LOST'],
  ['Query read timeout', 'CONNECTION_LOST'],
  ['timeout expired', 'ETIMEDOUT'],
  ['There was an error establishing an SSL connection', 'CONNECTION_LOST'],
  ['The server does not support SSL connections', TLS_NOT_SPOKEN],
  ['SASL: ', 'PASSWORD_EXCHANGE'],
] as const
