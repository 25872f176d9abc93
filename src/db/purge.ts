import { sql } from 'drizzle-orm'
import type { Db } from './open.ts'

/** Whoever holds this lock purges; the others leave it to them. */
const LOCK = 0x77_66_72_70

export function purgeOf(db: Db) {
  return {
    /**
     * Deletes up to `limit` of the oldest status rows that were completed more than `days` (of 24 hours) ago, and
     * answers how many. None while another instance is at it. It waits for nobody, as status rows are never changed;
     * and nobody waits for it but who brings a request of just these rows again.
     */
    async purge(days: number, limit: number): Promise<number> {
      const { rowCount } = await db.execute(sql`
        with turn as materialized (
          select pg_try_advisory_xact_lock(${LOCK}) as mine
        ), outdated as materialized (
          select request_id from registration_request
          where (select mine from turn) and completed_at < now() - make_interval(secs => ${days}::float8 * 86400)
          order by completed_at limit ${limit}
        )
        delete from registration_request where request_id in (select request_id from outdated)`)
      return rowCount ?? 0
    },
  }
}
