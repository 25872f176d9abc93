import { mismatch } from './alignment.ts'
import type { LogOffsets } from './log-offsets.ts'

export interface WatchParts {
  readOffsets: () => Promise<LogOffsets>
  readProgress: () => Promise<Map<number, bigint>>
  /** The partitions that it consumes; undefined while it is not a member of its group. */
  assigned: () => readonly number[] | undefined
  /** Whether a chunk is in hand, or something waits on purpose. */
  isBusy: () => boolean
  /** Told of each assigned partition up to where it is settled, and where its log ends. */
  onLook?: (partitions: readonly { partition: number; settled: bigint; high: bigint }[]) => Promise<void>
  onStall: (error: Error) => void
  intervalMs?: number
  /** After this long with records to settle and no sign of life, the consumer counts as dead. */
  stallMs?: number
  /** After this long outside its group while Kafka answers, too. */
  joinMs?: number
}

/** Looks from outside at whether a consumer does its job: that nothing is missing from its log, and that it moves. */
export function watch(parts: WatchParts) {
  const { readOffsets, readProgress, assigned, isBusy, onLook, onStall } = parts
  const { intervalMs = 2_000, stallMs = 60_000, joinMs = 120_000 } = parts
  let mismatches: string[] = []
  /** When each partition last moved, or had no reason to. */
  let lastActive = new Map<number, number>()
  /** When it was first seen outside its group. */
  let outsideSince: number | undefined
  let stopped = false
  let looking = false

  async function look() {
    const progress = await readProgress() // before the ends: what is settled in between must not look like too much
    const offsets = await readOffsets()
    const now = Date.now()
    const found: string[] = []
    const sound: { partition: number; settled: bigint; high: bigint }[] = []
    const active = new Map<number, number>()
    const partitions = assigned()
    outsideSince = partitions ? undefined : (outsideSince ?? now)
    if (outsideSince !== undefined && now - outsideSince > joinMs && !stopped)
      onStall(new Error(`The consumer stands still: it has not come into its group for ${joinMs} ms`))
    for (const partition of partitions ?? []) {
      const log = offsets.get(partition)
      if (!log) continue
      const known = progress.get(partition)
      const contradiction = known === undefined ? undefined : mismatch(partition, known, log)
      const settled = known ?? log.low
      if (contradiction) found.push(contradiction)
      else sound.push({ partition, settled, high: log.high })
      const since = lastActive.get(partition) ?? now
      const isIdle = settled >= log.high || contradiction !== undefined || isBusy()
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
    await onLook?.(sound)
  }

  const timer = setInterval(() => {
    if (looking) return
    looking = true
    look()
      .catch(() => {
        lastActive = new Map() // what is away says so elsewhere, and nobody stands still for it
        outsideSince = undefined
      })
      .finally(() => {
        looking = false
      })
  }, intervalMs)

  return {
    mismatches: () => mismatches,
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
