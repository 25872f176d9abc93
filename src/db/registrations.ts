import { sql } from 'drizzle-orm'
import { newId } from '../domain/ids.ts'
import type { LogProgress } from '../domain/progress.ts'
import {
  createdBy,
  type Lost,
  type RegistrationRequest,
  type Settled,
  type ValidRequest,
} from '../domain/request.ts'
import { executeNamed } from './named.ts'
import type { Db } from './open.ts'
import { type EndedPage, listSql, readSql, type StoredRow, settledOf } from './outcomes.ts'
import { type EndedRow, endedOf, storeManySql } from './store-many.ts'
import { storeCreatedSql, storeLostSql } from './store-one.ts'

/** Everything that `register` asks of PostgreSQL. Each call is one statement, and so one transaction. */
export function registrations(db: Db) {
  return {
    /**
     * Stores the outcomes of up to 500 requests at once and moves the progress. Answers the ids it stored, each with
     * its outcome; without one where a rival's workflow, which this statement could not see yet, was in its way: the
     * others were there before. Fails whole where any row meets a constraint other than the one on name and version.
     */
    async storeMany(
      requests: readonly RegistrationRequest[],
      progress: readonly LogProgress[],
    ): Promise<Map<string, Settled | undefined>> {
      const rows = requests.map((request) => ({ request, workflowId: newId() }))
      const name = progress.length > 0 ? 'store many and progress' : 'store many'
      const { rows: ended } = await executeNamed<EndedRow>(db, name, storeManySql(rows, progress))
      return endedOf(rows, ended)
    },

    /** Stores one workflow and that its request made it; PostgreSQL refuses what is taken, with 23505. */
    async storeCreated(request: ValidRequest, progress: readonly LogProgress[]): Promise<Settled> {
      const workflowId = newId()
      const statement = storeCreatedSql(request, workflowId, progress)
      const name = progress.length > 0 ? 'store created and progress' : 'store created'
      const { rows } = await executeNamed<{ completed_at: number }>(db, name, statement)
      return createdBy(request, { workflowId, completedAt: new Date(rows[0]!.completed_at) })
    },

    /** Stores that a request made no workflow. False when the request was there before. */
    async storeLost(
      request: RegistrationRequest,
      lost: Lost,
      progress: readonly LogProgress[],
    ): Promise<boolean> {
      const { rows } = await db.execute(storeLostSql(request, lost, progress))
      return rows.length > 0
    },

    /** Whether a connection, a fresh one where need be, answers. */
    async answers(): Promise<boolean> {
      try {
        await db.execute(sql`select 1`)
        return true
      } catch {
        return false
      }
    },

    /** What is stored for these ids, by id. An id that no row knows is absent. */
    async read(requestIds: readonly string[]): Promise<Map<string, Settled>> {
      const { rows } = await db.execute<StoredRow>(readSql(requestIds))
      return new Map(rows.map((row) => [row.request_id, settledOf(row)]))
    },

    /** What is stored of the requests that ended last, the newest first. */
    async list(page: EndedPage): Promise<Settled[]> {
      const { rows } = await db.execute<StoredRow>(listSql(page))
      return rows.map(settledOf)
    },
  }
}
