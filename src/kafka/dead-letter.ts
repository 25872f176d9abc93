import type { IHeaders, KafkaMessage, Message } from 'kafkajs'
import { positionalRequestId } from '../domain/ids.ts'
import type { Log } from '../domain/progress.ts'
import { sendable } from './headers.ts'
import { undecodableBatch } from './record-batches.ts'

/** Why a record is a dead letter: it could not be read, or the database refused it. */
export const DEAD_LETTER_CLASSES = ['unreadable', 'failed'] as const
export type DeadLetterClass = (typeof DEAD_LETTER_CLASSES)[number]

export interface DeadLetterCause {
  class: DeadLetterClass
  /** What could not be read of it, or the code of the refusal. */
  code: string | null
  /** The same in words, where the code is not enough. */
  detail: string | null
}

/** What their names begin with. */
export const DEAD_LETTER_PREFIX = 'dead-letter-'

/** The headers of a dead letter, beside those that the record came with. */
export const DEAD_LETTER_HEADERS = {
  class: 'dead-letter-class',
  code: 'dead-letter-code',
  detail: 'dead-letter-detail',
  requestId: 'dead-letter-request-id',
  topic: 'dead-letter-topic',
  partition: 'dead-letter-partition',
  offset: 'dead-letter-offset',
  timestamp: 'dead-letter-timestamp',
  /** For a batch that is parked whole, as the raw bytes of the log: where it begins, and how many offsets it takes. */
  baseOffset: 'dead-letter-base-offset',
  count: 'dead-letter-count',
  attempts: 'dead-letter-attempts',
  time: 'dead-letter-time',
  /** For one that had to go without its value: how long that was. */
  valueBytes: 'dead-letter-value-bytes',
} as const satisfies Record<string, `${typeof DEAD_LETTER_PREFIX}${string}`>

/** A record as it came, with why it is here and where it came from. */
export function deadLetter(
  record: KafkaMessage,
  from: Log,
  {
    cause,
    attempts,
    requestId,
  }: { cause: DeadLetterCause; attempts: number; requestId?: string | undefined },
): Message {
  const { offset, timestamp } = record
  const batch = undecodableBatch(record)
  const said: Record<keyof typeof DEAD_LETTER_HEADERS, string | null | undefined> = {
    class: cause.class,
    code: cause.code,
    detail: cause.detail,
    requestId: requestId ?? positionalRequestId({ ...from, offset, timestamp }),
    topic: from.topic,
    partition: String(from.partition),
    offset,
    timestamp,
    baseOffset: batch?.baseOffset,
    count: batch?.count.toString(),
    attempts: String(attempts),
    time: new Date().toISOString(),
    valueBytes: null,
  }
  const headers = sendable(record.headers ?? {})
  for (const [name, header] of Object.entries(DEAD_LETTER_HEADERS)) {
    const value = said[name as keyof typeof said]
    if (value) headers[header] = value
  }
  return { key: record.key, value: record.value, headers }
}

/** What is left of a dead letter that is too large: first without its value, which a header tells, then all ours alone. */
export function smallerDeadLetter({ key, value, headers = {} }: Message): Message | undefined {
  if (value) {
    const valueBytes = String(Buffer.byteLength(value))
    return {
      key: key ?? null,
      value: null,
      headers: { ...headers, [DEAD_LETTER_HEADERS.valueBytes]: valueBytes },
    }
  }
  const ours = Object.entries(headers).filter(([name]) => name.startsWith(DEAD_LETTER_PREFIX))
  const isWithForeign = key != null || ours.length < Object.keys(headers).length
  return isWithForeign ? { value: null, headers: Object.fromEntries(ours) as IHeaders } : undefined
}
