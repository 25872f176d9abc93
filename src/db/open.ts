import type { NodePgDatabase } from 'drizzle-orm/node-postgres'
import { drizzle } from 'drizzle-orm/node-postgres'
import pg from 'pg'
import type { Logger } from '../logger.ts'

export type Db = NodePgDatabase

export interface OpenDb {
  db: Db
  close(): Promise<void>
}

export interface DbOptions {
  url: string
  /** What `pg_stat_activity` shows. */
  name: string
  maxConnections: number
}

/** A pool of connections. It makes none before it is asked for the first, so a database that is away fails no one here. */
export function openDb({ url, name, maxConnections }: DbOptions, log: Logger): OpenDb {
  const pool = new pg.Pool({
    connectionString: url,
    application_name: `workflow-registrar ${name}`,
    max: maxConnections,
    connectionTimeoutMillis: 3_000,
    query_timeout: 8_000, // beyond the server's own limits: only for a server that fell silent
    keepAlive: true,
  })
  // Without a listener, a connection that breaks while nobody uses it would end the process.
  const lost = (error: Error) => log.warn({ pool: name, err: error }, 'lost a connection to PostgreSQL')
  pool.on('error', lost)
  pool.on('connect', (client) => client.on('error', () => {}))
  return { db: drizzle(pool), close: () => pool.end() }
}
