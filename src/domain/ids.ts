import { hash, randomUUID } from 'node:crypto'

/** The namespace of every name-based id here, so that producers in any language can work them out. */
export const ID_NAMESPACE = '6f4e7f0a-9c1d-5b7e-8f53-2f0c3d7a9b10'

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

export function isUuid(text: string): boolean {
  return UUID.test(text)
}

let lastMs = 0
let idsOfLastMs = 0

/** An id of our own making, sortable by time: a UUID of version 7 (RFC 9562), its first twelve bits a counter. */
export function newId(): string {
  const now = Date.now()
  if (now > lastMs || idsOfLastMs === 0x1000) {
    lastMs = Math.max(now, lastMs + 1)
    idsOfLastMs = 0
  }
  const time = lastMs.toString(16).padStart(12, '0')
  const count = (idsOfLastMs++).toString(16).padStart(3, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-7${count}${randomUUID().slice(18)}`
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

/**
 * Where an idempotency key is unique: `place`, and for a principal a scope that no other has. Neither they nor keys have
 * line feeds, so that the number of parts tells one from the other.
 */
export function keyScope(principal: string | null, place = ''): string {
  return principal === null ? place : ['principal', principal, place].join('\n')
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

const namespace = Buffer.from(ID_NAMESPACE.replaceAll('-', ''), 'hex')

/** A UUID of version 5 (RFC 9562). */
function named(kind: string, ...parts: string[]): string {
  const name = [kind, ...parts].join('\n')
  const bytes = Buffer.allocUnsafe(namespace.length + Buffer.byteLength(name))
  bytes.set(namespace)
  bytes.write(name, namespace.length)
  const digest = hash('sha1', bytes)
  const variant = ((Number.parseInt(digest.charAt(16), 16) & 0b0011) | 0b1000).toString(16)
  const low = `${variant}${digest.slice(17, 20)}-${digest.slice(20, 32)}`
  return `${digest.slice(0, 8)}-${digest.slice(8, 12)}-5${digest.slice(13, 16)}-${low}`
}
