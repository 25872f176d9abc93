import { crc32 } from 'node:zlib'
import type { IHeaders, KafkaMessage } from 'kafkajs'
import fetches from 'kafkajs/src/protocol/requests/fetch/index.js'
import { decompress, MAX_DECOMPRESSED_BYTES } from './codecs.ts'
import { crc32c } from './crc32c.ts'
import { decodeFetch, FIRST_WITH_BATCHES } from './fetch-response.ts'
import { mend } from './mend.ts'

export interface UndecodableBatch {
  baseOffset: string
  /** How many offsets it takes up. */
  count: number
  cause: string
}

const undecodable = new WeakMap<KafkaMessage, UndecodableBatch>()

/** What stands for a batch that nobody can read: its last offset, and as value all of its bytes. */
export function undecodableBatch(record: KafkaMessage): UndecodableBatch | undefined {
  return undecodable.get(record)
}

/**
 * Has kafkajs 2.2.4 read fetched batches with `readBatches`. Its own decoder throws for a batch that it cannot read,
 * inside the fetch and for ever; cannot take some 120 000 records at once; needs a minute for a record of 15 000
 * headers; and takes a header called `constructor` for a second of that name.
 */
export function mendRecordBatches(): void {
  mend('record batches', () => {
    const definitions: FetchDefinitions = fetches
    const { protocol } = definitions
    definitions.protocol = ({ version }) => {
      const define = protocol({ version })
      if (version < FIRST_WITH_BATCHES) return define
      const decode = (answer: Buffer) => decodeFetch(answer, version, readBatches)
      return (query) => {
        const fetch = define(query)
        return { ...fetch, response: { ...fetch.response, decode } }
      }
    }
  })
}

/** What kafkajs asks, at each fetch, how it is to be written and read. */
interface FetchDefinitions {
  protocol(broker: { version: number }): (query: unknown) => {
    response: { decode(answer: Buffer): Promise<unknown> }
  }
}

/** A record as kafkajs wants it of a fetch. */
export type FetchedRecord = KafkaMessage & {
  magicByte: number
  isControlRecord: boolean
  /** What tells whether a transaction was aborted. */
  batchContext: { producerId: string; inTransaction: boolean }
}

/** Offset and length: what batches and the messages of old begin with. The length counts from here. */
const FRAME_BYTES = 12
const MAGIC_AT = 16
const BATCH_HEADER_BYTES = 61
const LEGACY_HEADER_BYTES = 26

/** What a fetch brought of one partition may hold as much as one batch may, and then to the end of its last batch. */
const MAX_BYTES_AT_ONCE = MAX_DECOMPRESSED_BYTES
/** What a record takes up besides its bytes, about. */
const RECORD_BYTES = 256
const MAX_RECORDS = MAX_DECOMPRESSED_BYTES / RECORD_BYTES

/**
 * Reads the batches of one partition, of any format, up to one that was cut off or to what memory should hold; the
 * next fetch goes on there. Throws only where it cannot tell where a batch ends.
 */
export async function readBatches(log: Buffer): Promise<FetchedRecord[]> {
  const all: FetchedRecord[] = []
  let room = MAX_BYTES_AT_ONCE
  for (let at = 0; at + MAGIC_AT < log.length && room > 0; ) {
    const magic = log[at + MAGIC_AT]!
    const length = FRAME_BYTES + log.readInt32BE(at + 8)
    if (magic > 2 || length < (magic === 2 ? BATCH_HEADER_BYTES : LEGACY_HEADER_BYTES)) {
      throw new Error('what was fetched is not a log of record batches')
    }
    if (at + length > log.length) break
    const batch = log.subarray(at, at + length)
    const { records, bytes } = magic === 2 ? await readBatch(batch) : await readLegacy(batch)
    for (const record of records) all.push(record)
    room -= bytes + records.length * RECORD_BYTES
    at += length
  }
  return all
}

interface Read {
  records: FetchedRecord[]
  /** How many bytes it holds in memory. */
  bytes: number
}

type BatchHeader = ReturnType<typeof headerOf>

function headerOf(batch: Buffer) {
  const attributes = batch.readInt16BE(21)
  const baseOffset = batch.readBigInt64BE(0)
  const lastOffsetDelta = batch.readInt32BE(23)
  const firstTimestamp = batch.readBigInt64BE(27)
  const maxTimestamp = batch.readBigInt64BE(35)
  return {
    compression: attributes & 0x07,
    timeIsOfAppending: (attributes & 0x08) !== 0,
    isControlBatch: (attributes & 0x20) !== 0,
    count: batch.readInt32BE(57),
    baseOffset,
    lastOffsetDelta,
    firstTimestamp,
    maxTimestamp,
    context: {
      firstOffset: baseOffset.toString(),
      firstTimestamp: firstTimestamp.toString(),
      partitionLeaderEpoch: batch.readInt32BE(12),
      inTransaction: (attributes & 0x10) !== 0,
      isControlBatch: (attributes & 0x20) !== 0,
      lastOffsetDelta,
      producerId: batch.readBigInt64BE(43).toString(),
      producerEpoch: batch.readInt16BE(51),
      firstSequence: batch.readInt32BE(53),
      maxTimestamp: maxTimestamp.toString(),
      timestampType: (attributes & 0x08) !== 0 ? 1 : 0,
      magicByte: 2,
    },
  }
}

async function readBatch(batch: Buffer): Promise<Read> {
  const header = headerOf(batch)
  const { baseOffset, lastOffsetDelta, count } = header
  if (lastOffsetDelta < 0) throw new Error('what was fetched is not a log of record batches')
  const standIn = (isControlRecord: boolean, value: Buffer | null): FetchedRecord => ({
    magicByte: 2,
    attributes: 0,
    timestamp: header.maxTimestamp.toString(),
    offset: (baseOffset + BigInt(lastOffsetDelta)).toString(),
    key: null,
    value,
    headers: {},
    isControlRecord,
    batchContext: header.context,
  })
  try {
    if (crc32c(batch.subarray(21)) !== batch.readUInt32BE(17)) throw new Error('its checksum is wrong')
    if (count < 0 || count > MAX_RECORDS) throw new Error(`it counts ${count} records`)
    // Compaction can leave a batch of none; without a record that nobody sees a fetch would never get past it.
    if (count === 0) return { records: [standIn(true, null)], bytes: 0 }
    const body = batch.subarray(BATCH_HEADER_BYTES)
    const bytes = header.compression === 0 ? body : await decompress(header.compression, body)
    return { records: recordsOf(new Cursor(bytes), header), bytes: bytes.length }
  } catch (error) {
    const record = standIn(header.isControlBatch, batch)
    undecodable.set(record, {
      baseOffset: baseOffset.toString(),
      count: lastOffsetDelta + 1,
      cause: (error as Error).message,
    })
    return { records: [record], bytes: batch.length }
  }
}

function recordsOf(cursor: Cursor, header: BatchHeader): FetchedRecord[] {
  const records: FetchedRecord[] = []
  let lastDelta = -1
  while (records.length < header.count) {
    const length = cursor.varint()
    const end = cursor.at + length
    const attributes = cursor.byte()
    const timestamp = header.firstTimestamp + cursor.varlong()
    const delta = cursor.varint()
    if (delta <= lastDelta || delta > header.lastOffsetDelta) throw new Error('its offsets are not in order')
    lastDelta = delta
    records.push({
      magicByte: 2,
      attributes,
      timestamp: (header.timeIsOfAppending ? header.maxTimestamp : timestamp).toString(),
      offset: (header.baseOffset + BigInt(delta)).toString(),
      key: cursor.bytes(cursor.varint()),
      value: cursor.bytes(cursor.varint()),
      headers: headersOf(cursor),
      isControlRecord: header.isControlBatch,
      batchContext: header.context,
    })
    if (cursor.at !== end) throw new Error('a record is not as long as it says')
  }
  if (cursor.left > 0) throw new Error('it holds more than its records')
  return records
}

/** As kafkajs gives them: a name that comes more than once has an array. */
function headersOf(cursor: Cursor): IHeaders {
  const headers = new Map<string, Buffer | Buffer[]>()
  const count = cursor.varint()
  if (count < 0) throw new Error('a record has a negative number of headers')
  for (let i = 0; i < count; i++) {
    const name = cursor.bytes(cursor.varint())
    if (name === null) throw new Error('a header has no name')
    const key = name.toString()
    const value = cursor.bytes(cursor.varint()) as Buffer // or null, which kafkajs's types leave out
    const earlier = headers.get(key)
    if (earlier === undefined) headers.set(key, value)
    else if (Array.isArray(earlier)) earlier.push(value)
    else headers.set(key, [earlier, value])
  }
  return Object.fromEntries(headers)
}

/** A message of the formats before Kafka 0.11, or a compressed one that holds many. */
async function readLegacy(entry: Buffer): Promise<Read> {
  const outer = legacyHeaderOf(entry)
  try {
    const message = legacyMessage(entry)
    if (outer.compression === 0) return { records: [message], bytes: entry.length }
    const bytes = await decompress(outer.compression, message.value ?? Buffer.alloc(0))
    const inner = legacyMessages(bytes)
    const last = inner.at(-1)
    if (!last) throw new Error('it holds no message')
    // From magic 1 on they are counted from 0, and the message around them has the offset of the last.
    const base = outer.magic === 0 ? 0n : outer.offset - BigInt(last.offset)
    const records = inner.map((record) => ({
      ...record,
      offset: (BigInt(record.offset) + base).toString(),
      timestamp: outer.timeIsOfAppending ? message.timestamp : record.timestamp,
    }))
    return { records, bytes: bytes.length }
  } catch (error) {
    const record = legacyRecord(outer, { key: null, value: entry })
    undecodable.set(record, {
      baseOffset: record.offset,
      count: 1,
      cause: (error as Error).message,
    })
    return { records: [record], bytes: entry.length }
  }
}

function legacyMessages(bytes: Buffer): FetchedRecord[] {
  const messages: FetchedRecord[] = []
  for (let at = 0; at < bytes.length; ) {
    const end = at + FRAME_BYTES + bytes.readInt32BE(at + 8)
    if (end < at + LEGACY_HEADER_BYTES || end > bytes.length) throw new Error('a message in it is cut off')
    if (messages.length >= MAX_RECORDS) throw new Error('it holds too many messages')
    messages.push(legacyMessage(bytes.subarray(at, end)))
    at = end
  }
  return messages
}

type LegacyHeader = ReturnType<typeof legacyHeaderOf>

function legacyHeaderOf(entry: Buffer) {
  const magic = entry.readUInt8(MAGIC_AT)
  return {
    magic,
    offset: entry.readBigInt64BE(0),
    compression: entry.readUInt8(17) & 0x07,
    timeIsOfAppending: (entry.readUInt8(17) & 0x08) !== 0,
    timestamp: magic === 0 ? -1n : entry.readBigInt64BE(18),
  }
}

function legacyMessage(entry: Buffer): FetchedRecord {
  const header = legacyHeaderOf(entry)
  if (crc32(entry.subarray(MAGIC_AT)) !== entry.readUInt32BE(FRAME_BYTES))
    throw new Error('its checksum is wrong')
  const cursor = new Cursor(entry)
  cursor.at = header.magic === 0 ? 18 : 26
  const key = cursor.bytes(cursor.int32())
  const value = cursor.bytes(cursor.int32())
  return legacyRecord(header, { key, value })
}

function legacyRecord(
  { magic, offset, timestamp }: LegacyHeader,
  { key, value }: Pick<KafkaMessage, 'key' | 'value'>,
): FetchedRecord {
  return {
    magicByte: magic,
    attributes: 0,
    timestamp: timestamp.toString(),
    offset: offset.toString(),
    key,
    value,
    headers: {},
    isControlRecord: false,
    batchContext: { producerId: '-1', inTransaction: false },
  }
}

/** Reads on from `at`, and throws rather than past the end. */
class Cursor {
  at = 0
  readonly #bytes: Buffer

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get left(): number {
    return this.#bytes.length - this.at
  }

  byte(): number {
    const byte = this.#bytes[this.at++]
    if (byte === undefined) throw new Error('a record is cut off')
    return byte
  }

  int32(): number {
    this.at += 4
    return this.#bytes.readInt32BE(this.at - 4)
  }

  /** A negative size means null. */
  bytes(size: number): Buffer | null {
    if (size < 0) return null
    if (size > this.left) throw new Error('a record is cut off')
    this.at += size
    return this.#bytes.subarray(this.at - size, this.at)
  }

  varint(): number {
    let value = 0
    for (let shift = 0; shift <= 28; shift += 7) {
      const byte = this.byte()
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return (value >>> 1) ^ -(value & 1)
    }
    throw new Error('a number is too long')
  }

  varlong(): bigint {
    let value = 0n
    for (let shift = 0n; shift <= 63n; shift += 7n) {
      const byte = this.byte()
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return (value >> 1n) ^ -(value & 1n)
    }
    throw new Error('a number is too long')
  }
}
