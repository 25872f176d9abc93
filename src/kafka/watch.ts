import { mismatch } from './alignment.ts'
import type { LogOffsets } from './log-offsets.ts'

export interface WatchParts {
  readOffsets: () => Promise<LogOffsets>
  readProgress: () => Promise<Map<number, bigint>>
  /** The partitions that it consumes, or did when it was last in its group; undefined when it has none. */
  assigned: () => readonly number[] | undefined
  /** Whether it is in its group now, and may fetch. */
  isMember: () => boolean
  /** Whether a chunk is in hand, of this partition or of any, or something waits on purpose. */
  isBusy: (partition?: number) => boolean
  /** Told of each assigned partition up to where it is settled, and where its log ends. */
  onLook?: (partitions: readonly { partition: number; settled: bigint; high: bigint }[]) => Promise<void>
  onStall: (error: Error) => void
  intervalMs?: number
  /** After this long with records to settle and no sign of life, the consumer counts as dead. */
  stallMs?: number
  /** After this long outside its group while Kafka answers, too. */
  joinMs?: number
  /**
   * After this long with records to settle, of which none is, a partition counts as standing still, and after this long
   * outside its group the consumer as not in it.
   */
  standstillMs?: number
  /** After this long without an answer to what it asks, a server counts as away. */
  silenceMs?: number
}

/** Why a look finds nothing, by who was asked. */
const SILENT = {
  kafka: 'Kafka does not answer for the request topic',
  database: 'PostgreSQL does not tell how far the log is settled',
}

/** How much longer a partition may wait while there is plenty of others, which may come first. */
const PATIENCE_IN_PLENTY = 5

/** How far a partition was settled at a look, and since when it was not settled further, though it could be. */
interface Progress {
  settled: bigint
  since: number
}

/** Looks from outside at whether a consumer does its job: that nothing is missing from its log, and that it moves. */
export function watch(parts: WatchParts) {
  const { readOffsets, readProgress, assigned, isMember, isBusy, onLook, onStall } = parts
  const { intervalMs = 2_000, stallMs = 60_000, joinMs = 120_000, standstillMs = 20_000 } = parts
  const { silenceMs = 10_000 } = parts
  let mismatches = new Map<number, string>()
  let standstills = new Map<number, string>()
  let lastProgress = new Map<number, Progress>()
  /** When each partition last moved, or had no reason to. */
  let lastActive = new Map<number, number>()
  /** Since when each server owes an answer. */
  const askedAt = new Map<keyof typeof SILENT, number>()
  /** When it was first seen outside its group. */
  let outsideSince: number | undefined
  let stopped = false
  let looking = false

  async function look() {
    // Before the ends: what is settled in between must not look like too much.
    const [told] = await Promise.allSettled([ask('database', readProgress)])
    const offsets = await ask('kafka', readOffsets)
    if (told.status === 'rejected') throw told.reason
    const progress = told.value
    const now = Date.now()
    const found = new Map<number, string>()
    const sound: { partition: number; settled: bigint; high: bigint }[] = []
    const active = new Map<number, number>()
    const partitions = assigned()
    outsideSince = isMember() ? undefined : (outsideSince ?? now)
    if (outsideSince !== undefined && now - outsideSince > joinMs && !stopped)
      onStall(new Error(`The consumer stands still: it has not come into its group for ${joinMs} ms`))
    for (const partition of partitions ?? []) {
      const log = offsets.get(partition)
      if (!log) continue
      const known = progress.get(partition)
      const contradiction = known === undefined ? undefined : mismatch(partition, known, log)
      const settled = known ?? log.low
      if (contradiction) found.set(partition, contradiction)
      else sound.push({ partition, settled, high: log.high })
      const since = lastActive.get(partition) ?? now
      const isIdle = settled >= log.high || contradiction !== undefined || isBusy() || !isMember()
      active.set(partition, isIdle ? now : since)
      if (!isIdle && now - since > stallMs && !stopped)
        onStall(
          new Error(
            `The consumer stands still: ${log.high - settled} records of partition ${partition} wait, and none was fetched for ${stallMs} ms`,
          ),
        )
    }
    lastActive = active
    mismatches = found
    standstills = standingStill(sound, now)
    await onLook?.(sound)
  }

  async function ask<T>(server: keyof typeof SILENT, question: () => Promise<T>): Promise<T> {
    if (!askedAt.has(server)) askedAt.set(server, Date.now())
    const answer = await question()
    askedAt.delete(server)
    return answer
  }

  /** Of these partitions, those of which nothing is settled, each with the reason in words. */
  function standingStill(
    partitions: readonly { partition: number; settled: bigint; high: bigint }[],
    now: number,
  ): Map<number, string> {
    const isMoved = (partition: number, settled: bigint) => lastProgress.get(partition)?.settled !== settled
    const isPlenty = partitions.some(
      ({ partition, settled, high }) => settled < high && isMoved(partition, settled),
    )
    const found = new Map<number, string>()
    lastProgress = new Map(
      partitions.map(({ partition, settled, high }) => {
        const isMoving = settled >= high || isMoved(partition, settled)
        const since = isMoving ? now : (lastProgress.get(partition)?.since ?? now)
        const patience = isPlenty && !isBusy(partition) ? PATIENCE_IN_PLENTY : 1
        if (now - since > patience * standstillMs)
          found.set(partition, `partition ${partition} makes no progress: ${high - settled} records wait`)
        return [partition, { settled, since }]
      }),
    )
    return found
  }

  const timer = setInterval(() => {
    if (looking) return
    looking = true
    look()
      .catch(() => {
        lastActive = new Map() // what is away says so elsewhere, and nobody stands still for it
        lastProgress = new Map()
        standstills = new Map()
        outsideSince = undefined
      })
      .finally(() => {
        looking = false
      })
  }, intervalMs)

  return {
    /** Why partitions stop at a contradiction between log and progress. */
    mismatches: (): ReadonlyMap<number, string> => mismatches,
    /** Why partitions count as standing still. */
    standstills: (): ReadonlyMap<number, string> => standstills,
    /** Whether it has been outside its group for long. */
    isOutside: () => outsideSince !== undefined && Date.now() - outsideSince > standstillMs,
    /** Who has not answered for long, in words. */
    silences(): string[] {
      const before = Date.now() - silenceMs
      return [...askedAt].filter(([, since]) => since < before).map(([server]) => SILENT[server])
    },
    /** A partition showed a sign of life. */
    active(partition: number) {
      lastActive.set(partition, Date.now())
    },
    stop() {
      stopped = true
      clearInterval(timer)
    },
  }
}
