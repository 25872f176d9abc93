import { sql } from 'drizzle-orm'
import type { Db } from './open.ts'

/** What the server itself is like. */
export function serverOf(db: Db) {
  return {
    /** Whether it takes changes: a standby does not. */
    async isWritable(): Promise<boolean> {
      const { rows } = await db.execute<{ writable: boolean }>(
        sql`select current_setting('transaction_read_only') = 'off' as writable`,
      )
      return rows[0]!.writable
    },
  }
}
