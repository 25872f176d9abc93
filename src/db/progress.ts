import { type SQL, sql } from 'drizzle-orm'
import type { LogProgress } from '../domain/progress.ts'
import type { Db } from './open.ts'

/** Moves the progress once `after` has run, never back. Part of a statement that stores outcomes. */
export function moveProgress(progress: LogProgress | null, after: SQL): SQL {
  if (!progress) return sql`select`
  return sql`
      insert into consumer_progress (cluster_id, topic, partition, next_offset)
      select ${progress.clusterId}, ${progress.topic}, ${progress.partition}::int, ${progress.nextOffset.toString()}::bigint
      from ${after} limit 1
      on conflict (cluster_id, topic, partition) do update
        set next_offset = greatest(consumer_progress.next_offset, excluded.next_offset)`
}

export function progressOf(db: Db) {
  return {
    /** Moves the progress alone, past records that had no outcome to store. */
    async move(progress: LogProgress): Promise<void> {
      await db.execute(moveProgress(progress, sql`(select 1) as done`))
    },

    /** How far each partition of a topic is settled. A partition that no worker ever settled is absent. */
    async read(clusterId: string, topic: string): Promise<Map<number, bigint>> {
      const { rows } = await db.execute<{ partition: number; next_offset: string }>(
        sql`select partition, next_offset from consumer_progress where cluster_id = ${clusterId} and topic = ${topic}`,
      )
      return new Map(rows.map((row) => [row.partition, BigInt(row.next_offset)]))
    },
  }
}
