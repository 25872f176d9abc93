import { eq } from 'drizzle-orm'
import type { Db } from './open.ts'
import { workflow } from './schema.ts'

export type WorkflowRow = typeof workflow.$inferSelect

/** Reads of the catalog. */
export function catalog(db: Db) {
  return {
    async byId(workflowId: string): Promise<WorkflowRow | undefined> {
      const [row] = await db.select().from(workflow).where(eq(workflow.workflow_id, workflowId))
      return row
    },
  }
}
