import type { KafkaMessage } from 'kafkajs'
import type { Position } from '../domain/accepted-at.ts'
import type { Log } from '../domain/progress.ts'
import type { SpanAttributes, SpanStart } from '../span.ts'
import type { DeadLetterCause } from './dead-letter.ts'
import type { ReplyFallback } from './events.ts'

/*
 * The spans of records, as the semantic conventions for messaging name them. A key, a header or a value is never in them,
 * nor is a topic that a request names and nobody allowed.
 */

/** One record goes to a topic. */
export function sending(topic: string): SpanStart {
  return { name: `send ${topic}`, kind: 'producer', attributes: operation('send', topic) }
}

/** One record of a topic is settled. */
export function processing({ topic, partition }: Log, { offset }: KafkaMessage): SpanStart {
  const attributes = { ...operation('process', topic), ...positionAttributes({ partition, offset }) }
  return { name: `process ${topic}`, kind: 'consumer', attributes }
}

/** Where in its topic a record is. */
export function positionAttributes({
  partition,
  offset,
}: Pick<Position, 'partition'> & { offset: bigint | string }): SpanAttributes {
  return {
    'messaging.destination.partition.id': String(partition),
    'messaging.kafka.offset': Number(offset),
  }
}

/** Why a reply went to the default topic. */
export function fallbackAttributes(fallback: ReplyFallback): SpanAttributes {
  return { 'registrar.reply_fallback': fallback }
}

/** A dead letter is an error of its record, told by the names that it has everywhere. */
export function deadLetterNames({ class: type, code }: DeadLetterCause): {
  type: string
  code: string | undefined
} {
  return { type, code: code ?? undefined }
}

function operation(name: 'send' | 'process', topic: string): SpanAttributes {
  return {
    'messaging.system': 'kafka',
    'messaging.operation.name': name,
    'messaging.operation.type': name,
    'messaging.destination.name': topic,
  }
}
