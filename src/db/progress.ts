import { type SQL, sql } from 'drizzle-orm'
import type { Log, LogProgress } from '../domain/progress.ts'
import { epochMs } from './epoch-ms.ts'
import type { Db } from './open.ts'

/** What is stored of one partition of any log. Offsets given out before `resetAt` belong to a log that is no more. */
export interface StoredProgress extends LogProgress {
  resetAt: Date | null
}

/** Moves the progress of these logs once `after` has run, never back. Part of a statement that stores outcomes. */
export function moveProgress(progress: readonly LogProgress[], after: SQL): SQL {
  if (progress.length === 0) return sql`select`
  const all = (of: (one: LogProgress) => unknown) => sql.param(progress.map(of))
  return sql`
      with moved as (
        select * from unnest(${all(({ clusterId }) => clusterId)}::text[], ${all(({ topic }) => topic)}::text[],
          ${all(({ partition }) => partition)}::int[], ${all(({ nextOffset }) => nextOffset.toString())}::bigint[],
          ${all(({ from }) => from?.toString() ?? null)}::bigint[]
        ) as moved (cluster_id, topic, partition, next_offset, from_offset)
      )
      insert into consumer_progress (cluster_id, topic, partition, next_offset)
      select cluster_id, topic, partition, case when from_offset is null or exists (
          select from consumer_progress p
          where (p.cluster_id, p.topic, p.partition) = (moved.cluster_id, moved.topic, moved.partition)
        ) then next_offset else ${GAP} end
      from moved, ${after}
      order by cluster_id, topic, partition
      on conflict (cluster_id, topic, partition) do update set next_offset =
        case when consumer_progress.next_offset < (
            select from_offset from moved
            where (cluster_id, topic, partition) = (excluded.cluster_id, excluded.topic, excluded.partition)
          ) then ${GAP}
          else greatest(consumer_progress.next_offset, excluded.next_offset) end`
}

/** An offset that the table refuses, and with it everything else in the statement. */
const GAP = sql.raw('-1')

export function progressOf(db: Db) {
  return {
    /** Moves the progress alone, past records that had no outcome to store. */
    async move(progress: readonly LogProgress[]): Promise<void> {
      await db.execute(moveProgress(progress, sql`(select 1) as done`))
    },

    /** How far each partition of a topic is settled. A partition that no worker ever settled is absent. */
    async read(clusterId: string, topic: string): Promise<Map<number, bigint>> {
      const { rows } = await db.execute<{ partition: number; next_offset: string }>(
        sql`select partition, next_offset from consumer_progress where cluster_id = ${clusterId} and topic = ${topic}`,
      )
      return new Map(rows.map((row) => [row.partition, BigInt(row.next_offset)]))
    },

    /** One partition; undefined when no worker ever settled it. */
    async readOne({
      clusterId,
      topic,
      partition,
    }: Log): Promise<Omit<StoredProgress, keyof Log> | undefined> {
      const { rows } = await db.execute<{ next_offset: string; reset_at: number | null }>(sql`
        select next_offset, ${RESET_AT} from consumer_progress
        where cluster_id = ${clusterId} and topic = ${topic} and partition = ${partition}`)
      const [row] = rows
      return row && { nextOffset: BigInt(row.next_offset), resetAt: dateOf(row.reset_at) }
    },

    /** Every log that was ever settled from, those that this service no longer reads among them. */
    async readLogs(): Promise<Omit<Log, 'partition'>[]> {
      const { rows } = await db.execute<{ cluster_id: string; topic: string }>(
        sql`select distinct cluster_id, topic from consumer_progress`,
      )
      return rows.map((row) => ({ clusterId: row.cluster_id, topic: row.topic }))
    },

    /** Everything, of all logs, in order. */
    async readAll(): Promise<StoredProgress[]> {
      const { rows } = await db.execute<{
        cluster_id: string
        topic: string
        partition: number
        next_offset: string
        reset_at: number | null
      }>(sql`
        select cluster_id, topic, partition, next_offset, ${RESET_AT} from consumer_progress
        order by cluster_id, topic, partition`)
      return rows.map((row) => ({
        clusterId: row.cluster_id,
        topic: row.topic,
        partition: row.partition,
        nextOffset: BigInt(row.next_offset),
        resetAt: dateOf(row.reset_at),
      }))
    },

    /**
     * Puts a progress where an operator says, back too. `isReset`: the offsets given out until now are void. False
     * when it is no longer where it was seen.
     */
    async put(seen: LogProgress, nextOffset: bigint, isReset: boolean): Promise<boolean> {
      const { rows } = await db.execute(sql`
        update consumer_progress set next_offset = ${nextOffset.toString()}::bigint,
          reset_at = case when ${isReset}::boolean then now() else reset_at end
        where cluster_id = ${seen.clusterId} and topic = ${seen.topic} and partition = ${seen.partition}
          and next_offset = ${seen.nextOffset.toString()}::bigint
        returning partition`)
      return rows.length > 0
    },
  }
}

const RESET_AT = sql.raw(`${epochMs('reset_at')} as reset_at`)

function dateOf(ms: number | null): Date | null {
  return ms === null ? null : new Date(ms)
}
