import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres'
import pg from 'pg'
import type { Logger } from '../logger.ts'
import { unlessAborted } from '../within.ts'
import { connectionOf } from './connection.ts'

export type Db = NodePgDatabase & { $client: pg.Pool }

/** The connections of a pool. */
export interface PoolState {
  idle: number
  busy: number
  /** Who waits for one. */
  waiting: number
}

export interface OpenDb {
  db: Db
  state(): PoolState
  close(): Promise<void>
}

export interface DbOptions {
  /** That of `DATABASE_URL`. */
  url: string
  /** What `pg_stat_activity` shows. */
  name: string
  maxConnections: number
  /**
   * Whether its statements are such that one plan, by index, is good for any values and any size of the tables. It is
   * then kept with the name of a statement. Default: PostgreSQL decides.
   */
  keepsPlans?: boolean
  /** From then on no statement is waited for: each fails as one whose connection was lost. */
  givenUp?: AbortSignal
}

/** A pool of connections. It makes none before it is asked for the first, so a database that is away fails no one here. */
export function openDb(
  { url, name, maxConnections, keepsPlans = false, givenUp }: DbOptions,
  log: Logger,
): OpenDb {
  const pool = new pg.Pool({
    application_name: `workflow-registrar ${name}`,
    ...connectionOf('DATABASE_URL', url),
    max: maxConnections,
    connectionTimeoutMillis: 3_000,
    query_timeout: 8_000, // beyond the server's own limits: only for a server that fell silent
    keepAlive: true,
    verify: (client, done) => prepare(client, keepsPlans).then(() => done(), done),
  })
  let closing = false
  const query = queryKeepingSessions(pool)
  pool.query = (givenUp ? untilGivenUp(query, givenUp) : query) as typeof pool.query
  // Without a listener, a connection that breaks while nobody uses it would end the process.
  const lost = (error: Error) => {
    if (!closing) log.warn({ pool: name, err: error }, 'lost a connection to PostgreSQL')
  }
  pool.on('error', lost)
  pool.on('connect', (client) => client.on('error', () => {}))
  return {
    db: drizzle(pool),
    state: () => ({
      idle: pool.idleCount,
      busy: pool.totalCount - pool.idleCount,
      waiting: pool.waitingCount,
    }),
    close: () => {
      closing = true
      return unlessAborted(givenUp, pool.end()).catch(() => {})
    },
  }
}

type Query = Parameters<pg.PoolClient['query']>

function untilGivenUp<T>(query: (...args: Query) => Promise<T>, givenUp: AbortSignal) {
  return async (...args: Query) => {
    try {
      return await unlessAborted(givenUp, query(...args))
    } catch (error) {
      throw error === givenUp.reason ? new Error('Connection terminated: given up', { cause: error }) : error
    }
  }
}

/** Connections on which another process than the one that greeted us runs our statements. */
const pooled = new WeakSet<pg.PoolClient>()

async function prepare(client: pg.PoolClient, keepsPlans: boolean): Promise<void> {
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
  if (rows[0]?.pid !== (client as pg.PoolClient & { processID: number | null }).processID) pooled.add(client)
  else if (keepsPlans)
    await client.query('set plan_cache_mode = force_generic_plan; set enable_seqscan = off')
}

/**
 * A pool's `query` that keeps the session of a statement which PostgreSQL refused. pg's own ends it after any error,
 * and a refusal is the usual way of a duplicate.
 */
function queryKeepingSessions(pool: pg.Pool) {
  async function query(...[statement, ...rest]: Query) {
    const client = await pool.connect()
    let isOver = true
    try {
      const result = await client.query(pooled.has(client) ? unnamed(statement) : statement, ...rest)
      isOver = false
      return result
    } catch (error) {
      isOver =
        !(error instanceof pg.DatabaseError) || /^(08|57P|XX)/.test(error.code ?? 'XX') || isPlanLost(error)
      throw error
    } finally {
      client.release(isOver)
    }
  }

  return async (...[statement, ...rest]: Query) => {
    try {
      return await query(statement, ...rest)
    } catch (error) {
      if (!isPlanLost(error) || !isNamed(statement)) throw error
      return query(unnamed(statement), ...rest) // it has run nothing
    }
  }
}

/** The session does not have the plan of a name, or has another one, or a type in it was made anew. */
function isPlanLost(error: unknown): boolean {
  return /^(0A000|26000|42P05)$/.test(String((error as { code?: unknown }).code))
}

function isNamed(statement: unknown): boolean {
  return (statement as { name?: unknown }).name !== undefined
}

function unnamed<Statement>(statement: Statement): Statement {
  return typeof statement === 'object' ? { ...statement, name: undefined } : statement
}
