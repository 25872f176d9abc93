import { DrizzleQueryError } from 'drizzle-orm/errors'
import pg from 'pg'
import { classify } from '../domain/classify.ts'
import { type TlsTrouble, tlsTrouble } from '../tls.ts'
import { dbFailure } from './sqlstate.ts'

const TLS_SENTENCES = {
  untrusted: 'shows a certificate of an authority that is not trusted here: sslrootcert has those that are',
  'other-host': 'shows a certificate for another host than the one in the URL',
  'out-of-date': 'shows a certificate that has expired, or is not valid yet',
  'ours-refused': 'does not accept the certificate that we show, or wants one: sslcert and sslkey have it',
  'no-common-version': 'speaks no version of TLS that is spoken here',
  'not-spoken': 'does not speak TLS, and sslmode says that it should',
  wanted: 'speaks nothing but TLS: set sslmode',
} as const satisfies Record<TlsTrouble, string>

const REFUSALS: Readonly<Record<string, string>> = {
  '28P01': 'refuses the role or its password',
  '28000':
    'does not admit this role in this way: its pg_hba.conf may want TLS (sslmode), a certificate (sslcert, sslkey) or another role',
  '3D000': 'has no such database',
  PASSWORD_EXCHANGE: 'wants another password than the one in the URL, or the URL has none',
}

const LOCK_HELD =
  'does not let us have a table, because somebody else holds a lock on it: pg_stat_activity and pg_locks say who'

/** Why PostgreSQL lets us not in until somebody acts; undefined for all else. `variable` holds the URL. */
export function dbRefusal(error: unknown, variable = 'DATABASE_URL'): string | undefined {
  const code = dbFailure(error)?.code
  if (code === undefined) return undefined
  const trouble = tlsTrouble(code)
  const words = trouble ? TLS_SENTENCES[trouble] : REFUSALS[code]
  return words && `PostgreSQL (${variable}) ${words} (${code})`
}

/** What went wrong with PostgreSQL, for a person, without its own words; undefined when it had no part in it. */
export function dbSentence(error: unknown, variable = 'DATABASE_URL'): string | undefined {
  const code = dbFailure(error)?.code ?? (hasOwnWords(error) ? 'UNEXPECTED' : undefined)
  if (code === undefined) return undefined
  const words = code === '55P03' ? LOCK_HELD : 'does not answer as it should'
  return dbRefusal(error, variable) ?? `PostgreSQL (${variable}) ${words} (${code})`
}

/** Whether its message is what must not be told, though nothing else is known of it. */
function hasOwnWords(error: unknown): boolean {
  return error instanceof DrizzleQueryError || error instanceof pg.DatabaseError
}

/** Whether PostgreSQL does not answer, or not now: what may pass by itself. */
export function dbIsAway(error: unknown): boolean {
  const failure = dbFailure(error)
  if (!failure || dbRefusal(error) !== undefined) return false
  return failure.code === 'ENOTFOUND' || ['outage', 'interrupted'].includes(classify(failure))
}
