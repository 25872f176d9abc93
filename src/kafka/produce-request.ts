import type { CompressionTypes, Message } from 'kafkajs'
import produces from 'kafkajs/src/protocol/requests/produce/index.js'
import { ByteWriter } from './byte-writer.ts'
import { crc32c } from './crc32c.ts'
import { mend } from './mend.ts'

/** The first version of the request whose records go in batches of the present form. */
const FIRST_WITH_BATCHES = 3

/** What kafkajs gives to be written. */
export interface Produce {
  acks: number
  timeout: number
  compression?: CompressionTypes
  transactionalId?: string | null
  topicData: readonly { topic: string; partitions: readonly PartitionData[] }[]
}

interface PartitionData {
  partition: number
  messages: readonly Message[]
}

/**
 * Has kafkajs 2.2.4 write what it produces with `encodeProduce`. Its own encoder makes several buffers for each record
 * and each header, and costs as much as everything else that happens to a record. Compressed batches are left to it.
 */
export function mendProduceRequest(): void {
  mend('produce request', () => {
    const definitions: ProduceDefinitions = produces
    const { protocol } = definitions
    definitions.protocol = ({ version }) => {
      const define = protocol({ version })
      if (version < FIRST_WITH_BATCHES) return define
      return (produce) => {
        const defined = define(produce)
        if (produce.compression || produce.transactionalId) return defined
        return { ...defined, request: { ...defined.request, encode: async () => encodeProduce(produce) } }
      }
    }
  })
}

/** What kafkajs asks, at each produce, how it is to be written and read. */
interface ProduceDefinitions {
  protocol(broker: { version: number }): (produce: Produce) => {
    request: { encode(): Promise<Encoded> }
  }
}

/** What kafkajs takes for one of its encoders. */
interface Encoded {
  buf: Buffer
  buffer: Buffer
}

export function encodeProduce({ acks, timeout, topicData }: Produce): Encoded {
  const writer = new ByteWriter()
  writer.string(null) // no transaction
  writer.int16(acks)
  writer.int32(timeout)
  writer.int32(topicData.length)
  for (const { topic, partitions } of topicData) {
    writer.string(topic)
    writer.int32(partitions.length)
    for (const { partition, messages } of partitions) {
      writer.int32(partition)
      const sizeAt = writer.skip(4)
      writeBatch(writer, messages)
      writer.int32(writer.length - sizeAt - 4, sizeAt)
    }
  }
  return { buf: writer.bytes, buffer: writer.bytes }
}

/** A batch of the form that Kafka calls magic 2: not compressed, of no transaction, from no idempotent producer. */
function writeBatch(writer: ByteWriter, messages: readonly Message[]): void {
  const now = Date.now()
  const times = messages.map(({ timestamp }) => Number(timestamp || now))
  const first = times.reduce((least, time) => Math.min(least, time), Number.POSITIVE_INFINITY)
  const last = times.reduce((most, time) => Math.max(most, time), Number.NEGATIVE_INFINITY)
  writer.int64(0) // the broker says which offset
  const lengthAt = writer.skip(4)
  writer.int32(0) // the epoch of the leader, which the broker knows
  writer.int8(2)
  const checksumAt = writer.skip(4)
  const start = writer.length
  writer.int16(0)
  writer.int32(messages.length - 1)
  writer.int64(first)
  writer.int64(last)
  writer.int64(-1)
  writer.int16(0)
  writer.int32(0)
  writer.int32(messages.length)
  messages.forEach((message, index) => {
    writer.sized(() => writeRecord(writer, message, index, times[index]! - first))
  })
  writer.int32(writer.length - lengthAt - 4, lengthAt)
  writer.uint32(crc32c(writer.bytes.subarray(start)), checksumAt)
}

function writeRecord(
  writer: ByteWriter,
  { key, value, headers = {} }: Message,
  offsetDelta: number,
  timeDelta: number,
): void {
  writer.int8(0)
  writer.varint(timeDelta)
  writer.varint(offsetDelta)
  writer.varbytes(key)
  writer.varbytes(value)
  let count = 0
  for (const name in headers) count += Array.isArray(headers[name]) ? headers[name].length : 1
  writer.varint(count)
  for (const name in headers) {
    const values = headers[name]
    if (Array.isArray(values)) for (const one of values) writeHeader(writer, name, one)
    else writeHeader(writer, name, values)
  }
}

function writeHeader(writer: ByteWriter, name: string, value: string | Buffer | undefined): void {
  writer.varbytes(name)
  writer.varbytes(value)
}
