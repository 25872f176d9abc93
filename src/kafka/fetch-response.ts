import KafkaDecoder from 'kafkajs/src/protocol/decoder.js'

/** The first version of the answer whose records come in batches. */
export const FIRST_WITH_BATCHES = 4

/** As much of kafkajs's decoder as is needed here. */
interface Decoder {
  readInt16(): number
  readInt32(): number
  readInt64(): { toString(): string }
  readString(): string
  readArray<T>(read: () => T): T[]
  readArrayAsync<T>(read: () => Promise<T>): Promise<T[]>
  canReadBytes(size: number): boolean
  readBytes(size: number): Buffer
}

/** Reads the answer to a fetch into what kafkajs makes of it, with `readRecords` for what came of each partition. */
export async function decodeFetch<T>(
  answer: Buffer,
  version: number,
  readRecords: (log: Buffer) => Promise<T[]>,
) {
  const decoder: Decoder = new KafkaDecoder(answer)
  const offset = () => decoder.readInt64().toString()
  const readPartition = async () => ({
    partition: decoder.readInt32(),
    errorCode: decoder.readInt16(),
    highWatermark: offset(),
    lastStableOffset: offset(),
    ...(version >= 5 && { lastStartOffset: offset() }),
    abortedTransactions: decoder.readArray(() => ({ producerId: offset(), firstOffset: offset() })),
    ...(version >= 11 && { preferredReadReplica: decoder.readInt32() }),
    messages: await readMessages(),
  })
  async function readMessages(): Promise<T[]> {
    const size = decoder.readInt32()
    return size > 0 && decoder.canReadBytes(size) ? readRecords(decoder.readBytes(size)) : []
  }

  const throttleTime = decoder.readInt32()
  return {
    // From version 8 on the broker has not waited, and the client is to.
    ...(version >= 8 ? { throttleTime: 0, clientSideThrottleTime: throttleTime } : { throttleTime }),
    ...(version >= 7 && { errorCode: decoder.readInt16(), sessionId: decoder.readInt32() }),
    responses: await decoder.readArrayAsync(async () => ({
      topicName: decoder.readString(),
      partitions: await decoder.readArrayAsync(readPartition),
    })),
  }
}
