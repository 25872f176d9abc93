import { setTimeout as delay } from 'node:timers/promises'
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
  /** Whether anything is here. */
  isBusy(): boolean
  /** Drops what is not being settled yet, and answers the offset of its first record. */
  drop(partition: number): bigint | undefined
  /** Drops that of all partitions. */
  dropAll(): void
  /** Resolves when nothing is here any more. */
  idle(): Promise<void>
}

interface Lane {
  following: Chunk[]
  running: Promise<void>
}

/** `settle` never rejects: what it cannot settle, it drops. */
export function openLanes(settle: (partition: number, chunk: Chunk) => Promise<void>): Lanes {
  const lanes = new Map<number, Lane>()
  let bytes = 0
  let roomy: PromiseWithResolvers<void> | undefined
  let turn: Promise<void> | undefined

  function put(partition: number, chunks: Iterable<Chunk>) {
    const following = [...chunks]
    bytes += bytesOf(following)
    const lane = lanes.get(partition)
    if (lane) lane.following.push(...following)
    else open(partition, { following, running: Promise.resolve() })
  }

  function open(partition: number, lane: Lane) {
    lanes.set(partition, lane)
    lane.running = run(partition, lane)
  }

  async function run(partition: number, lane: Lane) {
    while (lane.following.length > 0) {
      const chunk = takeChunk(lane.following)
      await settle(partition, chunk)
      free(chunk.bytes)
    }
    lanes.delete(partition)
  }

  function free(less: number) {
    bytes -= less
    if (bytes <= ROOM_BYTES) roomy?.resolve()
  }

  async function idle() {
    while (lanes.size > 0) await Promise.all([...lanes.values()].map(({ running }) => running))
  }

  async function untilReady() {
    await Promise.race([idle(), delay(PATIENCE_MS)])
    while (bytes > ROOM_BYTES) {
      roomy = Promise.withResolvers()
      await roomy.promise
    }
    turn = undefined
  }

  function drop(partition: number): bigint | undefined {
    const dropped = lanes.get(partition)?.following.splice(0) ?? []
    free(bytesOf(dropped))
    return dropped[0]?.firstOffset
  }

  return {
    put,
    drop,
    idle,
    ready() {
      turn ??= untilReady()
      return turn
    },
    isBusy: () => lanes.size > 0,
    dropAll() {
      for (const partition of lanes.keys()) drop(partition)
    },
  }
}

function bytesOf(chunks: readonly Chunk[]): number {
  return chunks.reduce((sum, chunk) => sum + chunk.bytes, 0)
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
    bytes: bytesOf(taken),
    firstOffset: taken[0]!.firstOffset,
    nextOffset: taken.at(-1)!.nextOffset,
  }
}
