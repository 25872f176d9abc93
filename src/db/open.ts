import type { NodePgDatabase } from 'drizzle-orm/node-postgres'
import { drizzle } from 'drizzle-orm/node-postgres'
import pg from 'pg'
import type { Logger } from '../logger.ts'
import { connectionOf } from './connection.ts'

export type Db = NodePgDatabase

export interface OpenDb {
  db: Db
  close(): Promise<void>
}

export interface DbOptions {
  /** That of `DATABASE_URL`. */
  url: string
  /** What `pg_stat_activity` shows. */
  name: string
  maxConnections: number
}

/** A pool of connections. It makes none before it is asked for the first, so a database that is away fails no one here. */
export function openDb({ url, name, maxConnections }: DbOptions, log: Logger): OpenDb {
  const pool = new pg.Pool({
    application_name: `workflow-registrar ${name}`,
    ...connectionOf('DATABASE_URL', url),
    max: maxConnections,
    connectionTimeoutMillis: 3_000,
    query_timeout: 8_000, // beyond the server's own limits: only for a server that fell silent
    keepAlive: true,
  })
  let closing = false
  pool.query = queryKeepingSessions(pool) as typeof pool.query
  // Without a listener, a connection that breaks while nobody uses it would end the process.
  const lost = (error: Error) => {
    if (!closing) log.warn({ pool: name, err: error }, 'lost a connection to PostgreSQL')
  }
  pool.on('error', lost)
  pool.on('connect', (client) => client.on('error', () => {}))
  return {
    db: drizzle(pool),
    close: () => {
      closing = true
      return pool.end()
    },
  }
}

/**
 * A pool's `query` that keeps the session of a statement which PostgreSQL refused. pg's own ends it after any error,
 * and a refusal is the usual way of a duplicate.
 */
function queryKeepingSessions(pool: pg.Pool) {
  return async (...args: Parameters<pg.PoolClient['query']>) => {
    const client = await pool.connect()
    let isOver = true
    try {
      const result = await client.query(...args)
      isOver = false
      return result
    } catch (error) {
      isOver = !(error instanceof pg.DatabaseError) || /^(08|57P|XX)/.test(error.code ?? 'XX')
      throw error
    } finally {
      client.release(isOver)
    }
  }
}
