import type { IHeaders, KafkaMessage } from 'kafkajs'
import { readTraceContext, type TraceContext } from '../domain/trace-context.ts'
import { ECHOED_HEADERS, REPLY_ADDRESSES } from './events.ts'
import { headerBytes, headerText, sendable } from './headers.ts'
import type { RequestEvent } from './request-event.ts'

export interface Destination {
  topic: string
  /** Undefined: as the key says. */
  partition: number | undefined
}

/** What a request says of its reply. */
export interface ReplyTo {
  /** Where it is to go; undefined: to the default topic. */
  destination: Destination | undefined
  /** What the requester knows its request by; undefined when it brought nothing of the kind. */
  correlationId: string | undefined
  /** Headers that the reply has too, byte for byte. */
  echo: IHeaders
}

export function replyToOf(
  record: KafkaMessage,
  { id, attribute }: Pick<RequestEvent, 'id' | 'attribute'>,
): ReplyTo {
  const echoed = ECHOED_HEADERS.filter((name) => headerBytes(record, name) !== undefined)
  return {
    destination: destinationOf(record),
    correlationId: attribute('correlationid') ?? id?.id,
    echo: sendable(Object.fromEntries(echoed.map((name) => [name, record.headers![name]]))),
  }
}

/** The trace of a request, by header or by attribute. */
export function traceOf(
  record: KafkaMessage,
  { attribute }: Pick<RequestEvent, 'attribute'>,
): TraceContext | undefined {
  return readTraceContext(
    headerText(record, 'traceparent') ?? attribute('traceparent'),
    headerText(record, 'tracestate') ?? attribute('tracestate'),
  )
}

function destinationOf(record: KafkaMessage): Destination | undefined {
  const address = REPLY_ADDRESSES.find(({ topic }) => headerText(record, topic))
  if (!address) return undefined
  const partition = address.partition && headerBytes(record, address.partition)
  return { topic: headerText(record, address.topic)!, partition: partition && partitionIn(partition) }
}

/** Four bytes as Java writes them, or decimal text as NestJS does; -1, which no topic has, for what is neither. */
function partitionIn(bytes: Buffer): number | undefined {
  if (bytes.length === 0) return undefined
  const text = bytes.toString()
  if (/^\d{1,9}$/.test(text)) return Number(text)
  return bytes.length === 4 ? bytes.readInt32BE() : -1
}
