import { sql } from 'drizzle-orm'
import type { Db } from './open.ts'

/** What a role may have to be allowed, in PostgreSQL's words. */
export type Privilege = `${'select' | 'insert' | 'update'} on ${string}`

/** What it takes to register at all. */
export const TO_REGISTER: readonly Privilege[] = [
  'select on workflow',
  'insert on workflow',
  'select on registration_request',
  'insert on registration_request',
]

/** What it takes to register what a log holds. */
export const TO_CONSUME: readonly Privilege[] = [
  ...TO_REGISTER,
  'select on consumer_progress',
  'insert on consumer_progress',
  'update on consumer_progress',
]

/** What the server itself is like. */
export function serverOf(db: Db) {
  return {
    /** Whether it takes changes, which a standby does not, and which of these privileges our role lacks. */
    async look(needed: readonly Privilege[]): Promise<{ isWritable: boolean; lacks: string[] }> {
      const { rows } = await db.execute<{ writable: boolean; lacks: string[] }>(sql`
        select current_setting('transaction_read_only') = 'off' as writable,
          array(select need from unnest(${sql.param(needed)}::text[]) need
            where not has_table_privilege(split_part(need, ' on ', 2), split_part(need, ' on ', 1))) as lacks`)
      const { writable, lacks } = rows[0]!
      return { isWritable: writable, lacks }
    },
  }
}
