import type { Batch, KafkaMessage } from 'kafkajs'
import { CHUNK_LIMITS } from '../domain/limits.ts'

/** Consecutive records of one partition that are settled together. */
export interface Chunk {
  records: KafkaMessage[]
  /** Of the values. */
  bytes: number
  /** Where the log stands before them. */
  firstOffset: bigint
  /** Where the log goes on when these are settled. */
  nextOffset: bigint
}

/** Offsets that no record is seen of: those of aborted transactions, and of their ends. */
export function passage(firstOffset: bigint, nextOffset: bigint): Chunk {
  return { records: [], bytes: 0, firstOffset, nextOffset }
}

/**
 * The records of a batch in chunks, which begins where it was fetched from. The last one ends where the batch does, past
 * records that nobody sees.
 */
export function* chunksOf(batch: Batch, fetchedOffset: bigint): Generator<Chunk> {
  let firstOffset = fetchedOffset
  let records: KafkaMessage[] = []
  let bytes = 0
  const chunk = (end: string): Chunk => ({ records, bytes, firstOffset, nextOffset: BigInt(end) + 1n })
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
    }
    records.push(record)
    bytes += size
  }
  if (records.length > 0) yield chunk(batch.lastOffset())
}
