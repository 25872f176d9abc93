import { Kafka, logLevel } from 'kafkajs'
import type { Logger } from '../logger.ts'
import { registerCodecs } from './codecs.ts'
import { mendConnections } from './connections.ts'
import { mendListOffsets } from './list-offsets.ts'
import { mendRecordBatches } from './record-batches.ts'
import { mendRequestQueue } from './request-queue.ts'

/** Parts of kafkajs whose errors are tried again, and told by whoever waits for them. */
const RETRIED = ['Connection', 'Consumer', 'ConsumerGroup', 'Runner', 'BrokerPool']

/** `asked`: somebody waits for an answer, so give up in time. `endless`: an outage is only to be waited out. */
export type Patience = 'asked' | 'endless'

/**
 * A client of these brokers; it connects to nothing yet. Its log goes to ours, less whatever may hold a payload, and
 * a step down: what kafkajs calls an error is, for its caller, a retry.
 */
export function kafkaClient(
  brokers: readonly string[],
  clientId: string,
  log: Logger,
  patience: Patience = 'asked',
): Kafka {
  mendConnections()
  mendRequestQueue()
  mendListOffsets()
  mendRecordBatches()
  registerCodecs()
  const kafkaLog = log.child({ library: 'kafkajs' })
  return new Kafka({
    clientId,
    brokers: [...brokers],
    connectionTimeout: 3_000,
    requestTimeout: 10_000,
    retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries: patience === 'asked' ? 8 : 1_000_000_000 },
    logLevel: logLevel.WARN,
    logCreator:
      () =>
      ({ level, namespace, log: { message, broker, groupId } }) => {
        const retried = level === logLevel.ERROR && RETRIED.includes(namespace)
        kafkaLog[retried ? 'debug' : 'warn']({ namespace, broker, groupId }, message)
      },
  })
}
