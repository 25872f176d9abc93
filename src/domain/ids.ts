import { v5, v7 } from 'uuid'

/** The namespace of every name-based id here, so that producers in any language can work them out. */
export const ID_NAMESPACE = '6f4e7f0a-9c1d-5b7e-8f53-2f0c3d7a9b10'

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

export function isUuid(text: string): boolean {
  return UUID.test(text)
}

/** An id of our own making, sortable by time. */
export function newId(): string {
  return v7()
}

/** The request id of an event: a UUID as it is, else derived from where it comes from (`''`: nowhere) and its id. */
export function eventRequestId(source: string, id: string): string {
  return isUuid(id) ? id.toLowerCase() : named('event', source, id)
}

/** Where a record lies in a log; `timestamp` is Kafka's, in ms. */
export interface RecordPosition {
  clusterId: string
  topic: string
  partition: number
  offset: string
  timestamp: string
}

/** The request id of a record that brings none. Redelivery repeats it; a producer's own resend does not. */
export function positionalRequestId(record: RecordPosition): string {
  const { clusterId, topic, partition, offset, timestamp } = record
  return named('record', clusterId, topic, String(partition), offset, timestamp)
}

/** What a caller's idempotency key is stored as: unique for each `scope`. */
export function storedKey(scope: string, key: string): string {
  return named('idempotency-key', scope, key)
}

/** The request id of a key and a body: the same pair is the same request, at whichever door. */
export function keyedRequestId(scope: string, key: string, fingerprint: string): string {
  return named('keyed-request', scope, key, fingerprint)
}

/** The id of a reply: the same each time that the same request and body are answered. */
export function replyId(requestId: string, fingerprint: string): string {
  return named('outcome', requestId, fingerprint)
}

/** The request id of a dead letter that is put back for the `n`th time; `oldId` is the one it had before. */
export function redriveId(oldId: string, n: number): string {
  return named('redrive', oldId, String(n))
}

function named(kind: string, ...parts: string[]): string {
  return v5([kind, ...parts].join('\n'), ID_NAMESPACE)
}
