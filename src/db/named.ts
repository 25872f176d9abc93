import type { SQL } from 'drizzle-orm'
import { PgDialect } from 'drizzle-orm/pg-core'
import type pg from 'pg'
import type { Db } from './open.ts'

const dialect = new PgDialect()

/**
 * Runs a statement whose text is the same whenever its name is. PostgreSQL plans it once for each session, which for a
 * few rows takes longer than to store them; behind a pooler, which may give each statement another session, it goes
 * unnamed.
 */
export async function executeNamed<Row extends pg.QueryResultRow>(
  db: Db,
  name: string,
  statement: SQL,
): Promise<pg.QueryResult<Row>> {
  const { sql: text, params: values } = dialect.sqlToQuery(statement)
  return db.$client.query<Row>({ name, text, values })
}
