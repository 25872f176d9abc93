import { CHUNK_LIMITS } from '../domain/limits.ts'
import type { Chunk } from './chunks.ts'

/** What may be here of all partitions while more is fetched: about as much as is settled until that comes. */
const ROOM_BYTES = 2 * 1024 * 1024

/** How long little is waited for: fetches of one record each would cost more than they gain. */
const PATIENCE_MS = 5

/** What was fetched and is not settled yet: of each partition a chunk that is, and those that follow it. */
export interface Lanes {
  /** Has the next chunks of a partition settled. */
  put(partition: number, chunks: Iterable<Chunk>): void
  /** Resolves when it is time to fetch more: nothing is here any more, or it takes a while and there is room. */
  ready(): Promise<void>
  /** Whether anything is here, of this partition or of any. */
  isBusy(partition?: number): boolean
  /** Drops what is not being settled yet. */
  drop(partition: number): void
  /** Drops that of all partitions. */
  dropAll(): void
  /** Resolves when nothing is here any more. */
  idle(): Promise<void>
}

/** `settle` never rejects: what it cannot settle comes again. */
export function openLanes(settle: (partition: number, chunk: Chunk) => Promise<void>): Lanes {
  /** Of each partition that is being settled, what follows. */
  const lanes = new Map<number, Chunk[]>()
  let bytes = 0
  let waiting: { isMet: () => boolean; resolve: () => void }[] = []
  let turn: Promise<void> | undefined

  function put(partition: number, chunks: Iterable<Chunk>) {
    const following = [...chunks]
    bytes += heldBy(following)
    const lane = lanes.get(partition)
    if (lane) lane.push(...following)
    else void run(partition, following)
  }

  async function run(partition: number, following: Chunk[]) {
    lanes.set(partition, following)
    while (following.length > 0) {
      const chunk = takeChunk(following)
      await settle(partition, chunk)
      bytes -= chunk.heldBytes
      if (following.length === 0) lanes.delete(partition)
      tell()
    }
  }

  function drop(partition: number) {
    bytes -= heldBy(lanes.get(partition)?.splice(0) ?? [])
    tell()
  }

  async function until(isMet: () => boolean): Promise<void> {
    if (!isMet()) await new Promise<void>((resolve) => waiting.push({ isMet, resolve }))
  }

  function tell() {
    waiting = waiting.filter(({ isMet, resolve }) => {
      if (!isMet()) return true
      resolve()
      return false
    })
  }

  async function untilReady() {
    let isLong = false
    const timer = setTimeout(() => {
      isLong = true
      tell()
    }, PATIENCE_MS)
    await until(() => lanes.size === 0 || (isLong && bytes <= ROOM_BYTES))
    clearTimeout(timer)
    turn = undefined
  }

  return {
    put,
    drop,
    dropAll() {
      for (const partition of lanes.keys()) drop(partition)
    },
    idle: () => until(() => lanes.size === 0),
    ready() {
      turn ??= untilReady()
      return turn
    },
    isBusy: (partition) => (partition === undefined ? lanes.size > 0 : lanes.has(partition)),
  }
}

function heldBy(chunks: readonly Chunk[]): number {
  return chunks.reduce((sum, chunk) => sum + chunk.heldBytes, 0)
}

/** Takes the first of these, and what follows it as far as all of it is one chunk. */
function takeChunk(chunks: Chunk[]): Chunk {
  let bytes = 0
  let records = 0
  const end = chunks.findIndex((chunk, index) => {
    bytes += chunk.bytes
    records += chunk.records.length
    return index > 0 && (bytes > CHUNK_LIMITS.bytes || records > CHUNK_LIMITS.requests)
  })
  const taken = chunks.splice(0, end === -1 ? chunks.length : end)
  if (taken.length === 1) return taken[0]!
  return {
    records: taken.flatMap((chunk) => chunk.records),
    bytes: taken.reduce((sum, chunk) => sum + chunk.bytes, 0),
    heldBytes: heldBy(taken),
    firstOffset: taken[0]!.firstOffset,
    nextOffset: taken.at(-1)!.nextOffset,
  }
}
