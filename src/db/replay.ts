import { sql } from 'drizzle-orm'
import type { Outcome } from '../domain/outcome.ts'
import type { RejectionReason } from '../domain/problem.ts'
import type { RegistrationRequest } from '../domain/request.ts'
import { epochMs } from './epoch-ms.ts'
import type { Db } from './open.ts'

/** Everything that the tables know about one request, side by side. Fingerprints are hex. */
export interface Evidence {
  /** The status row of this request id. */
  row: { outcome: Outcome; fingerprint: string; reason: RejectionReason | null } | null
  /** The workflow that this request id made. */
  made: { fingerprint: string; workflowName: string; version: string } | null
  /** The request that made the workflow which has this name and version. */
  holder: string | null
}

/** Reads that compare what is stored with what a log asks for. */
export function evidence(db: Db) {
  return {
    /** In the order of the requests. */
    async read(requests: readonly RegistrationRequest[]): Promise<Evidence[]> {
      const input = requests.map(({ requestId, workflow }, ord) => ({
        ord,
        request_id: requestId,
        workflow_name: workflow?.workflow_name,
        version: workflow?.version,
      }))
      const { rows } = await db.execute<EvidenceRow>(sql`
        select r.outcome, encode(r.fingerprint, 'hex') as fingerprint, r.reason,
          encode(made.request_fingerprint, 'hex') as made_fingerprint, made.workflow_name, made.version,
          holder.created_by_request as holder
        from json_to_recordset(${JSON.stringify(input)}::json)
          as input(ord int, request_id uuid, workflow_name text, version text)
        left join registration_request r on r.request_id = input.request_id
        left join workflow made on made.created_by_request = input.request_id
        left join workflow holder
          on holder.workflow_name = input.workflow_name and holder.version = input.version
        order by ord`)
      return rows.map((row) => ({
        row: row.outcome && { outcome: row.outcome, fingerprint: row.fingerprint!, reason: row.reason },
        made: row.made_fingerprint
          ? { fingerprint: row.made_fingerprint, workflowName: row.workflow_name!, version: row.version! }
          : null,
        holder: row.holder,
      }))
    },

    /** When the oldest status row that is still kept was stored; null when none is. */
    async oldestRow(): Promise<Date | null> {
      const { rows } = await db.execute<{ oldest: number | null }>(
        sql`select ${sql.raw(epochMs('min(completed_at)'))} as oldest from registration_request`,
      )
      const oldest = rows[0]?.oldest ?? null
      return oldest === null ? null : new Date(oldest)
    },
  }
}

interface EvidenceRow extends Record<string, unknown> {
  outcome: Outcome | null
  fingerprint: string | null
  reason: RejectionReason | null
  made_fingerprint: string | null
  workflow_name: string | null
  version: string | null
  holder: string | null
}
