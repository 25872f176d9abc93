import { and, desc, eq, getTableColumns, inArray, lt, type SQL, sql } from 'drizzle-orm'
import { PAGE_BYTES } from '../domain/limits.ts'
import type { WorkflowChange } from '../domain/workflow.ts'
import type { Db } from './open.ts'
import { workflow } from './schema.ts'

export type WorkflowRow = typeof workflow.$inferSelect
export type WorkflowSummaryRow = Omit<WorkflowRow, 'content'>

/** What a list of workflows is narrowed to. All of it has to hold. */
export interface WorkflowFilter {
  workflow_name?: string | undefined
  status?: WorkflowRow['status'] | undefined
  execution_engine?: WorkflowRow['execution_engine'] | undefined
  labels?: LabelFilter | undefined
  custom_labels?: LabelFilter | undefined
  detected_labels?: LabelFilter | undefined
}

/** By label: texts parted by commas, of which it is one, or has one among its values. */
export type LabelFilter = Readonly<Record<string, string>>

/** The least of a workflow that tells its place among the versions of its name. */
export type VersionRow = Pick<WorkflowRow, 'workflow_id' | 'version' | 'status'>

export type Catalog = ReturnType<typeof catalog>

const everything = getTableColumns(workflow)
const { content: _content, ...summary } = everything

/** Of what can be long in a workflow, beside its content. */
const LENGTHS = [
  ...['name', 'description', 'labels', 'custom_labels', 'detected_labels', 'parameters'],
  ...['owner', 'maintainer', 'container_image', 'container_digest', 'status_reason'],
].map((column) => sql.raw(`coalesce(octet_length(${column}::text), 0)`))

const columns = (withContent: boolean) => (withContent ? everything : summary)

/** Reads of the catalog. */
export function catalog(db: Db) {
  return {
    async byId(workflowId: string): Promise<WorkflowRow | undefined> {
      const [row] = await db.select().from(workflow).where(eq(workflow.workflow_id, workflowId))
      return row
    },

    async byVersion(workflowName: string, version: string): Promise<WorkflowRow | undefined> {
      const [row] = await db
        .select()
        .from(workflow)
        .where(and(eq(workflow.workflow_name, workflowName), eq(workflow.version, version)))
      return row
    },

    /** In any order. */
    async byIds(workflowIds: readonly string[]): Promise<WorkflowRow[]> {
      return db.select().from(workflow).where(inArray(workflow.workflow_id, workflowIds))
    },

    /** As many of these, from the first on and in this order, as are not too much for one answer; one at least. */
    async someOf(
      workflowIds: readonly string[],
      { withContent }: { withContent: boolean },
    ): Promise<WorkflowSummaryRow[]> {
      const bytes = sql.join(withContent ? [...LENGTHS, sql.raw('octet_length(content)')] : LENGTHS, sql` + `)
      const { rows } = await db.execute<{ id: string }>(sql`
        select id from (
          select id, ord, sum(${bytes}) over (order by ord) as bytes
          from unnest(${sql.param(workflowIds)}::uuid[]) with ordinality as wanted (id, ord)
          join workflow on workflow_id = id
        ) as sized
        where ord = 1 or bytes <= ${PAGE_BYTES} order by ord`)
      const fitting = rows.map(({ id }) => id)
      const found = await db
        .select(columns(withContent))
        .from(workflow)
        .where(inArray(workflow.workflow_id, fitting))
      const byId = new Map(found.map((row) => [row.workflow_id, row]))
      return fitting.flatMap((id) => byId.get(id) ?? [])
    },

    /** The ids of the newest, from before the one with the id `before`. */
    async idsOf(
      filter: WorkflowFilter,
      { before, limit }: { before: string | undefined; limit: number },
    ): Promise<string[]> {
      const rows = await db
        .select({ id: workflow.workflow_id })
        .from(workflow)
        .where(
          and(...conditions(filter), before === undefined ? undefined : lt(workflow.workflow_id, before)),
        )
        .orderBy(desc(workflow.workflow_id))
        .limit(limit)
      return rows.map(({ id }) => id)
    },

    /** Every version of a name, in any order. */
    async versionsOf(workflowName: string): Promise<VersionRow[]> {
      const { workflow_id, version, status } = workflow
      return db
        .select({ workflow_id, version, status })
        .from(workflow)
        .where(eq(workflow.workflow_name, workflowName))
    },
  }
}

export type ChangeWorkflow = ReturnType<typeof catalogChanges>['change']

/** What may change of a workflow. */
export function catalogChanges(db: Db) {
  return {
    /** The workflow as it is afterwards; undefined when there is none. What `change` does not have stays. */
    async change(workflowId: string, change: WorkflowChange): Promise<WorkflowRow | undefined> {
      const [row] = await db
        .update(workflow)
        .set({ ...change, updated_at: sql`greatest(${workflow.updated_at}, clock_timestamp())` })
        .where(eq(workflow.workflow_id, workflowId))
        .returning()
      return row
    },
  }
}

const COLUMNS = ['workflow_name', 'status', 'execution_engine'] as const
const LABEL_COLUMNS = ['labels', 'custom_labels', 'detected_labels'] as const

function conditions(filter: WorkflowFilter): SQL[] {
  return [
    ...COLUMNS.flatMap((column) => {
      const value = filter[column]
      return value === undefined ? [] : [eq(workflow[column], value)]
    }),
    ...LABEL_COLUMNS.flatMap((column) =>
      Object.entries(filter[column] ?? {}).map(([label, texts]) => {
        const values = texts.split(',').flatMap(jsonOf)
        return sql`${workflow[column]} -> ${label}::text @> any(${sql.param(values)}::jsonb[])` // a list holds its items
      }),
    ),
  ]
}

/** The JSON values that are written like `text`: a string, and where it reads so, a number or a boolean. */
function jsonOf(text: string): string[] {
  const isScalar =
    text === 'true' || text === 'false' || (Number.isFinite(Number(text)) && String(Number(text)) === text)
  return isScalar ? [JSON.stringify(text), text] : [JSON.stringify(text)]
}
