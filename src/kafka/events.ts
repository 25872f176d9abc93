import * as z from 'zod'
import { outcomeSchema } from '../domain/outcome.ts'

/** The types of the two events, as CloudEvents 1.0 names them. Another major version is another type. */
export const EVENT_TYPES = {
  requested: 'io.workflow-registrar.registration.requested.v1',
  completed: 'io.workflow-registrar.registration.completed.v1',
} as const

/** Where our own events come from. */
export const EVENT_SOURCE = '/workflow-registrar'

/** The media type of an event in structured mode. */
export const STRUCTURED = 'application/cloudevents+json'

/**
 * How others name the topic and partition that a reply is to go to: the first topic that a request has counts, with
 * the partition of the same family. A partition is an int32 (big-endian), or decimal text.
 */
export const REPLY_ADDRESSES = [
  { topic: 'reply-topic', partition: undefined },
  { topic: 'kafka_replyTopic', partition: 'kafka_replyPartition' }, // Spring, NestJS
  { topic: 'REPLY_TOPIC', partition: 'REPLY_PARTITION' }, // SmallRye
] as const

/** What a reply has byte for byte as its request had it. */
export const ECHOED_HEADERS = [
  'kafka_correlationId',
  'kafka_replyTopic',
  'kafka_replyPartition',
  'REPLY_CORRELATION_ID',
  'REPLY_TOPIC',
  'REPLY_PARTITION',
] as const

/** Why a reply is not where its request wanted it, but on the default topic. */
export const REPLY_FALLBACKS = ['not-allowed', 'refused'] as const
export type ReplyFallback = (typeof REPLY_FALLBACKS)[number]

const text = () => z.string().min(1)
const traceHeaders = {
  traceparent: text().optional().describe('W3C Trace Context; the reply has it too'),
  tracestate: text().optional().describe('W3C Trace Context, beside `traceparent`'),
}
const echoed = {
  kafka_correlationId: z.string().optional().describe('Spring: any bytes'),
  kafka_replyTopic: z.string().optional().describe('Spring: the topic of the reply'),
  kafka_replyPartition: z.string().optional().describe('Spring: its partition, four bytes'),
  REPLY_CORRELATION_ID: z.string().optional().describe('SmallRye: any bytes'),
  REPLY_TOPIC: z.string().optional().describe('SmallRye: the topic of the reply'),
  REPLY_PARTITION: z.string().optional().describe('SmallRye: its partition, four bytes'),
} satisfies Record<(typeof ECHOED_HEADERS)[number], z.ZodType>

const addressed = {
  'reply-topic': text()
    .optional()
    .describe('Where the reply is to go: a topic that the service allows. Without: the default topic'),
  principal: text()
    .max(255)
    .optional()
    .describe(
      'Who asks: 1 to 255 characters, not all of them white space, and none of them a control, formatting or line-separating character. It is believed, and stands on the workflow',
    ),
  ...traceHeaders,
  ...echoed,
}

/** The attributes of a request event, without their prefix. */
const attributes = {
  specversion: z
    .string()
    .regex(/^1\.\d+$/)
    .describe('1.0'),
  type: z.literal(EVENT_TYPES.requested),
  source: text().describe('Who asks, as a URI reference'),
  id: text().describe(
    'Names the request together with `source`: the same again with the same body repeats its outcome. A UUID is the request id as it is',
  ),
  time: z.string().optional().describe('When it was made; the service goes by the timestamp of the record'),
  subject: z.string().optional(),
  correlationid: text().optional().describe('Comes back with the reply'),
  causationid: z.string().optional(),
}

/** Headers of a request as a CloudEvent in binary mode. */
export const binaryRequestHeaders = z.looseObject({
  'content-type': z.string().optional().describe('application/json'),
  ce_specversion: attributes.specversion,
  ce_type: attributes.type,
  ce_source: attributes.source,
  ce_id: attributes.id,
  ce_time: attributes.time,
  ce_correlationid: attributes.correlationid,
  ...addressed,
})

/** Headers of a request as a CloudEvent in structured mode. */
export const structuredRequestHeaders = z.looseObject({
  'content-type': z.string().describe(`${STRUCTURED}, with a charset or without`),
  ...addressed,
})

/** The envelope of a request in structured mode, without its `data`. */
export const requestEnvelope = z.looseObject({
  ...attributes,
  datacontenttype: z.string().optional().describe('application/json'),
  ...traceHeaders,
})

/** Headers of a request in the simple form: plain JSON. */
export const plainRequestHeaders = z.looseObject({
  'request-id': text()
    .optional()
    .describe(
      'Names the request: a UUID as it is, any other text for a derived id. Without: an id of its place in the log',
    ),
  ce_correlationid: attributes.correlationid,
  ...addressed,
})

/** Headers of a reply: a CloudEvent in binary mode. */
export const replyHeaders = z.looseObject({
  'content-type': z.literal('application/json'),
  ce_specversion: z.literal('1.0'),
  ce_type: z.literal(EVENT_TYPES.completed),
  ce_source: z.literal(EVENT_SOURCE),
  ce_id: z.uuid().describe('The same each time that this request and body are answered'),
  ce_time: z.iso.datetime().describe('When the request ended'),
  ce_subject: z.string().optional().describe('`name@version` of the workflow, where both can be read'),
  ce_correlationid: text().describe(
    "The request's `correlationid`; without one its id as it was written; without that its request id",
  ),
  ce_causationid: z.guid().describe('The request id'),
  'request-id': z.guid().describe('The request id'),
  outcome: outcomeSchema,
  'reply-fallback': z
    .enum(REPLY_FALLBACKS)
    .optional()
    .describe('Why the reply is on the default topic and not where the request wanted it'),
  'details-omitted': z
    .literal('true')
    .optional()
    .describe('The reply was too large: `errors` are left out, and the status (`instance`) has them'),
  'echo-omitted': z
    .literal('true')
    .optional()
    .describe('The reply was too large even so: what the request had it echo is left out'),
  ...traceHeaders,
  ...echoed,
})
