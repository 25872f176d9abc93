import { sql } from 'drizzle-orm'
import type { CatalogEntry, ValidRequest } from '../domain/request.ts'
import { epochMs } from './epoch-ms.ts'
import type { Db } from './open.ts'

/** What stands in the way of a request. */
export interface Outlook {
  /** Some request that is stored has its idempotency key. */
  isKeyTaken: boolean
  /** The workflow that has its name and version. */
  holder: CatalogEntry | null
  /** Whether that one was asked for with exactly the same body. */
  identical: boolean
}

/** Reads that tell how a request would fare. */
export function outlooks(db: Db) {
  return {
    /** In the order of the requests. */
    async look(requests: readonly ValidRequest[]): Promise<Outlook[]> {
      const input = requests.map(({ workflow: { workflow_name, version }, ...request }, ord) => ({
        ...{ ord, workflow_name, version },
        fingerprint: request.fingerprint,
        idempotency_key: request.idempotencyKey,
      }))
      const { rows } = await db.execute<OutlookRow>(sql`
        select exists (
            select from registration_request r where r.idempotency_key = input.idempotency_key
          ) as is_key_taken,
          holder.workflow_id, holder.content_hash,
          ${sql.raw(epochMs('holder.created_at'))} as created_at,
          holder.request_fingerprint = decode(input.fingerprint, 'hex') as identical
        from json_to_recordset(${JSON.stringify(input)}::json)
          as input(ord int, workflow_name text, version text, fingerprint text, idempotency_key uuid)
        left join workflow holder
          on holder.workflow_name = input.workflow_name and holder.version = input.version
        order by ord`)
      return rows.map((row) => ({
        isKeyTaken: row.is_key_taken,
        holder: row.workflow_id
          ? {
              workflowId: row.workflow_id,
              contentHash: row.content_hash,
              createdAt: new Date(row.created_at),
            }
          : null,
        identical: row.identical ?? false,
      }))
    },
  }
}

interface OutlookRow extends Record<string, unknown> {
  is_key_taken: boolean
  workflow_id: string | null
  content_hash: string
  created_at: number
  identical: boolean | null
}
