import { mismatch } from './alignment.ts'
import type { LogOffsets } from './topics.ts'

export interface WatchParts {
  readOffsets: () => Promise<LogOffsets>
  readProgress: () => Promise<Map<number, bigint>>
  assigned: () => readonly number[]
  /** Whether a chunk is in hand, or a partition waits on purpose. */
  isBusy: () => boolean
  onTick: () => Promise<void>
  /** Told of each assigned partition up to where it is settled, and where its log ends. */
  onLook?: (partitions: readonly { partition: number; settled: bigint; high: bigint }[]) => Promise<void>
  onStall: (error: Error) => void
  intervalMs?: number
  /** After this long with records to settle and no sign of life, the consumer counts as dead. */
  stallMs?: number
}

/** Looks from outside at whether a consumer does its job: that nothing is missing from its log, and that it moves. */
export function watch(parts: WatchParts) {
  const {
    readOffsets,
    readProgress,
    assigned,
    isBusy,
    onTick,
    onLook,
    onStall,
    intervalMs = 2_000,
    stallMs = 60_000,
  } = parts
  let mismatches: string[] = []
  let lastActive = Date.now()
  let stopped = false
  let looking = false

  async function look() {
    await onTick()
    const offsets = await readOffsets()
    const progress = await readProgress()
    let lag = 0n
    const found: string[] = []
    const sound: { partition: number; settled: bigint; high: bigint }[] = []
    for (const partition of assigned()) {
      const log = offsets.get(partition)
      if (!log) continue
      const settled = progress.get(partition)
      lag += log.high - (settled ?? log.low)
      const contradiction = settled === undefined ? undefined : mismatch(partition, settled, log)
      if (contradiction) found.push(contradiction)
      else sound.push({ partition, settled: settled ?? log.low, high: log.high })
    }
    mismatches = found
    await onLook?.(sound)
    if (lag <= 0n || isBusy() || found.length > 0) lastActive = Date.now()
    else if (Date.now() - lastActive > stallMs && !stopped)
      onStall(
        new Error(
          `The consumer stands still: ${lag} records wait, and nothing was fetched for ${stallMs} ms`,
        ),
      )
  }

  const timer = setInterval(() => {
    if (looking) return
    looking = true
    look()
      .catch(() => {
        lastActive = Date.now() // what is away says so elsewhere, and nobody stands still for it
      })
      .finally(() => {
        looking = false
      })
  }, intervalMs)

  return {
    mismatches: () => mismatches,
    /** The consumer showed a sign of life. */
    active() {
      lastActive = Date.now()
    },
    stop() {
      stopped = true
      clearInterval(timer)
    },
  }
}
