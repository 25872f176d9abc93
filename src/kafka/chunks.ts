import type { Batch, KafkaMessage } from 'kafkajs'
import { CHUNK_LIMITS } from '../domain/limits.ts'

/** Consecutive records of one partition that are settled together. */
export interface Chunk {
  records: KafkaMessage[]
  /** Of the values. */
  bytes: number
  /** About what the records take in memory. */
  heldBytes: number
  /** Where the log stands before them. */
  firstOffset: bigint
  /** Where the log goes on when these are settled. */
  nextOffset: bigint
}

/** Offsets that no record is seen of: those of aborted transactions, and of their ends. */
export function passage(firstOffset: bigint, nextOffset: bigint): Chunk {
  return { records: [], bytes: 0, heldBytes: 0, firstOffset, nextOffset }
}

/**
 * The records of a batch in chunks, which begins where it was fetched from. The last one ends where the batch does, past
 * records that nobody sees.
 */
export function* chunksOf(batch: Batch, fetchedOffset: bigint): Generator<Chunk> {
  let firstOffset = fetchedOffset
  let records: KafkaMessage[] = []
  let bytes = 0
  let heldBytes = 0
  const chunk = (end: string): Chunk => {
    const nextOffset = BigInt(end) + 1n
    return { records, bytes, heldBytes, firstOffset, nextOffset }
  }
  for (const record of batch.messages) {
    const size = record.value?.length ?? 0
    if (
      records.length === CHUNK_LIMITS.requests ||
      (records.length > 0 && bytes + size > CHUNK_LIMITS.bytes)
    ) {
      const full = chunk(records.at(-1)!.offset)
      yield full
      firstOffset = full.nextOffset
      records = []
      bytes = 0
      heldBytes = 0
    }
    records.push(record)
    bytes += size
    heldBytes += heldBy(record)
  }
  if (records.length > 0) yield chunk(batch.lastOffset())
}

/** What a record takes beside its bytes. */
const RECORD_BYTES = 512

function heldBy({ key, value, headers }: KafkaMessage): number {
  let bytes = RECORD_BYTES + (key?.length ?? 0) + (value?.length ?? 0)
  for (const name in headers) {
    const values = headers[name]
    if (Array.isArray(values)) for (const one of values) bytes += name.length + one.length
    else bytes += name.length + (values?.length ?? 0)
  }
  return bytes
}
