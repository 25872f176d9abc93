import type { Message } from 'kafkajs'
import { logTag, type Position } from './domain/accepted-at.ts'
import { gather } from './gather.ts'
import { toLogEnd } from './kafka/list-offsets.ts'
import { readOffsets } from './kafka/log-offsets.ts'
import type { Publisher } from './kafka/publish.ts'
import type { ReachedKafka } from './reached-kafka.ts'
import type { Reads } from './reads.ts'
import { type ReadStatus, readStatusWith } from './status.ts'
import { within } from './within.ts'

/** After that the end of the log counts as not to be known now. */
const LOG_TIMEOUT_MS = 1_500

/** The log that the asynchronous door writes to, and what it tells of requests. */
export interface RequestLog {
  /** Resolves when the broker has it, with where: `tag` stands for the log. */
  send(message: Message): Promise<Position & { tag: string }>
  readStatus: ReadStatus
  readProgress(): Promise<Map<number, bigint>>
}

export interface RequestLogParts {
  kafka: ReachedKafka
  /** Sends to the request topic. */
  publisher: Publisher
  topic: string
  reads: Pick<Reads, 'progress' | 'settled'>
}

export function requestLog({
  kafka: { admin, clusterId },
  publisher,
  topic,
  reads: { progress, settled },
}: RequestLogParts): RequestLog {
  const tag = logTag(clusterId, topic)
  const readLogTogether = gather({
    run: async (callers: null[]) => {
      const log = await within(
        LOG_TIMEOUT_MS,
        toLogEnd(() => readOffsets(admin, topic)),
      )
      return callers.map(() => log)
    },
    ...{ sizeOf: () => 0, maxItems: Number.POSITIVE_INFINITY, maxSize: 0, maxInFlight: 1 },
  })
  return {
    send: async (message) => ({ tag, ...(await publisher.send(topic, message)) }),
    readStatus: readStatusWith({
      read: settled,
      readProgress: progress.read,
      readPartition: progress.readOne,
      readLogs: progress.readLogs,
      readLog: () => readLogTogether(null),
      clusterId,
      topic,
    }),
    readProgress: () => progress.read(clusterId, topic),
  }
}
