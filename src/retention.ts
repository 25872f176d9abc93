import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from './logger.ts'

export interface RetentionParts {
  /** Deletes up to `limit` status rows older than `days`; answers how many. */
  purge: (days: number, limit: number) => Promise<number>
  /** 0 keeps them for ever. */
  days: number
  log: Logger
  intervalMs?: number
}

const BATCH = 1_000
const PAUSE_MS = 100
const HOUR_MS = 60 * 60 * 1_000
export const DAY_MS = 24 * HOUR_MS

/** Deletes status rows that are older than promised, a few at a time, now and every hour. Answers how to stop it. */
export function startRetention({
  purge,
  days,
  log,
  intervalMs = HOUR_MS,
}: RetentionParts): () => Promise<void> {
  const stopping = new AbortController()
  const { signal } = stopping

  async function purgeAll() {
    let total = 0
    try {
      for (;;) {
        const deleted = await purge(days, BATCH)
        total += deleted
        if (deleted < BATCH) return
        await delay(PAUSE_MS, undefined, { signal })
      }
    } finally {
      if (total > 0) log.info({ total, days }, 'purged status rows')
    }
  }

  async function run() {
    while (!signal.aborted) {
      try {
        await purgeAll()
      } catch (error) {
        if (!signal.aborted) log.warn({ err: error }, 'could not purge status rows: tried again later')
      }
      await delay(intervalMs, undefined, { signal, ref: false }).catch(() => {})
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
  if (days === 0 || (topicMs >= 0 && topicMs <= days * DAY_MS)) return undefined
  const topic = topicMs < 0 ? 'for ever' : `for ${inDays(topicMs)}`
  return `REQUEST_RETENTION_DAYS is ${days}, but the request topic keeps its records ${topic} (retention.ms is ${topicMs}): keep status rows at least as long, or 0 for ever`
}

export function inDays(ms: number): string {
  return `${(ms / DAY_MS).toLocaleString('en', { maximumFractionDigits: 2, useGrouping: false })} days`
}
