import { Kafka, logLevel, type SASLOptions } from 'kafkajs'
import type { KafkaAccess } from '../config.ts'
import type { Logger } from '../logger.ts'
import { mendBrokerPool } from './broker-pool.ts'
import { mendBrokers } from './brokers.ts'
import { registerCodecs } from './codecs.ts'
import { mendConnections } from './connections.ts'
import { mendListOffsets } from './list-offsets.ts'
import { mendProduceRequest } from './produce-request.ts'
import { mendRecordBatches } from './record-batches.ts'
import { mendRequestQueue } from './request-queue.ts'
import { readTlsFiles, secureSockets } from './secure-sockets.ts'

/** Parts of kafkajs whose errors are tried again, and told by whoever waits for them. */
const RETRIED = ['Connection', 'Consumer', 'Runner', 'BrokerPool', 'SaslAuthenticator']

/** What the brokers see in their logs. */
export const CLIENT_ID = 'workflow-registrar'

/**
 * `brief`: whoever asks asks again. `asked`: somebody waits for an answer, so give up in time. `endless`: an outage is
 * only to be waited out.
 */
export type Patience = keyof typeof RETRIES

const RETRIES = { brief: 4, asked: 8, endless: 1_000_000_000 }

/**
 * A client of these brokers; it connects to nothing yet, but reads the files that TLS takes. Its log goes to ours, less
 * whatever may hold a payload, and a step down: what kafkajs calls an error is, for its caller, a retry.
 */
export function kafkaClient(
  { brokers, tls, sasl }: KafkaAccess,
  clientId: string,
  log: Logger,
  patience: Patience = 'asked',
): Kafka {
  mendBrokerPool()
  mendBrokers()
  mendConnections()
  mendRequestQueue()
  mendListOffsets()
  mendRecordBatches()
  mendProduceRequest()
  registerCodecs()
  const kafkaLog = log.child({ library: 'kafkajs' })
  return new Kafka({
    clientId,
    brokers: [...brokers],
    ...(tls && { ssl: true, socketFactory: secureSockets(readTlsFiles(tls)) }),
    ...(sasl && { sasl: login(sasl) }),
    connectionTimeout: 3_000,
    requestTimeout: 10_000,
    retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries: RETRIES[patience] },
    logLevel: logLevel.WARN,
    logCreator:
      () =>
      ({ level, namespace, log: { message, broker, groupId } }) => {
        const retried = level === logLevel.ERROR && RETRIED.some((part) => namespace.startsWith(part))
        kafkaLog[retried ? 'debug' : 'warn']({ namespace, broker, groupId }, withoutServerText(message))
      },
  })
}

/** A server says in words of its own why it refuses a login. */
function withoutServerText(message: string): string {
  return String(message).replace(/(SASL .* failed): .*/s, '$1')
}

function login({ mechanism, ...user }: NonNullable<KafkaAccess['sasl']>): SASLOptions {
  switch (mechanism) {
    case 'plain':
      return { mechanism, ...user }
    case 'scram-sha-256':
      return { mechanism, ...user }
    case 'scram-sha-512':
      return { mechanism, ...user }
  }
}
