import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from './logger.ts'

export interface RetentionParts {
  /** Deletes up to `limit` status rows older than `days`; answers how many. */
  purge: (days: number, limit: number) => Promise<number>
  /** 0 keeps them for ever. */
  days: number
  log: Logger
}

const BATCH = 1_000
const PAUSE_MS = 100
const INTERVAL_MS = 60 * 60 * 1_000

/** Deletes status rows that are older than promised, a few at a time, now and every hour. Answers how to stop it. */
export function startRetention({ purge, days, log }: RetentionParts): () => Promise<void> {
  const stopping = new AbortController()
  const { signal } = stopping

  async function purgeAll() {
    let total = 0
    for (let deleted = BATCH; deleted === BATCH && !signal.aborted; ) {
      deleted = await purge(days, BATCH)
      total += deleted
      if (deleted === BATCH) await delay(PAUSE_MS, undefined, { signal })
    }
    if (total > 0) log.info({ total, days }, 'purged status rows')
  }

  async function run() {
    while (!signal.aborted) {
      try {
        await purgeAll()
      } catch (error) {
        if (!signal.aborted) log.warn({ err: error }, 'could not purge status rows: tried again in an hour')
      }
      await delay(INTERVAL_MS, undefined, { signal, ref: false }).catch(() => {})
    }
  }

  const running = days > 0 ? run() : Promise.resolve()
  return async () => {
    stopping.abort()
    await running
  }
}

/**
 * Why these status rows would not live as long as the topic, or nothing when they do: a replay must find the row of
 * every record that it reads. `topicMs` is the topic's `retention.ms`, -1 when it keeps its records for ever.
 */
export function retentionComplaint(days: number, topicMs: number): string | undefined {
  if (days === 0 || (topicMs >= 0 && topicMs <= days * 86_400_000)) return undefined
  const topic = topicMs < 0 ? 'for ever' : `for ${(topicMs / 86_400_000).toFixed(1)} days`
  return `REQUEST_RETENTION_DAYS is ${days}, but the request topic keeps its records ${topic}: keep status rows at least as long, or 0 for ever`
}
