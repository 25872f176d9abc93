import { readBody } from '../../domain/body.ts'
import type { RequestDocument } from '../../domain/document.ts'
import {
  ACCEPTED_AT,
  COMPLETE,
  CREATED_DOCUMENT,
  conflictDocument,
  MINIMAL,
  problemExamples,
  REQUEST_ID,
  rejectedDocument,
} from '../../domain/examples.ts'
import { eventRequestId, replyId } from '../../domain/ids.ts'
import { DEAD_LETTER_HEADERS } from '../dead-letter.ts'
import {
  binaryRequestHeaders,
  EVENT_SOURCE,
  EVENT_TYPES,
  plainRequestHeaders,
  replyHeaders,
  requestEnvelope,
  STRUCTURED,
  structuredRequestHeaders,
} from '../events.ts'
import { dataOf, plainSchema } from './schemas.ts'

const BINDING_VERSION = '0.5.0'

const JSON_TYPE = 'application/json'

const SOURCE = '/deployments/payments'
const TRACEPARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'

const keyed = (description: string) => ({
  kafka: { key: { type: 'string', description }, bindingVersion: BINDING_VERSION },
})
const byName = keyed('`workflow_name`: what has one name keeps its order')

const attributes = {
  specversion: '1.0',
  type: EVENT_TYPES.requested,
  source: SOURCE,
  id: REQUEST_ID,
  time: ACCEPTED_AT,
}

/** The messages of both events in all their forms, by their names. Types of problems lie below `problemBaseUrl`. */
export function messages(problemBaseUrl: string) {
  return {
    requestedBinary: {
      name: 'RegistrationRequested',
      title: 'Request, as a CloudEvent in binary mode',
      summary: 'The attributes are headers, the value is the workflow. This is the form to prefer.',
      tags: [{ name: 'request' }],
      contentType: JSON_TYPE,
      headers: plainSchema(binaryRequestHeaders),
      payload: dataOf('requested'),
      correlationId: { $ref: '#/components/correlationIds/header' },
      bindings: byName,
      examples: [
        {
          name: 'minimal',
          summary: 'The least that registers a workflow',
          headers: { 'content-type': JSON_TYPE, ...withPrefix(attributes) },
          payload: MINIMAL,
        },
        {
          name: 'complete',
          summary: 'With a reply topic, a correlation id and a trace',
          headers: {
            'content-type': JSON_TYPE,
            ...withPrefix({ ...attributes, id: 'rollout-4711', correlationid: 'rollout-4711/restart-pods' }),
            'reply-topic': 'payments.registration-outcomes',
            traceparent: TRACEPARENT,
          },
          payload: COMPLETE,
        },
      ],
    },
    requestedStructured: {
      name: 'RegistrationRequestedStructured',
      title: 'Request, as a CloudEvent in structured mode',
      summary: 'The value is the whole event; its `data` is the workflow.',
      tags: [{ name: 'request' }],
      contentType: STRUCTURED,
      headers: plainSchema(structuredRequestHeaders),
      payload: structuredPayload(),
      correlationId: { $ref: '#/components/correlationIds/envelope' },
      bindings: byName,
      examples: [
        {
          name: 'minimal',
          summary: 'The least that registers a workflow',
          headers: { 'content-type': STRUCTURED },
          payload: { ...attributes, datacontenttype: JSON_TYPE, data: MINIMAL },
        },
      ],
    },
    requestedPlain: {
      name: 'RegistrationRequestedPlain',
      title: 'Request, as plain JSON',
      summary: 'The simple form: the value is the workflow, and no header is needed.',
      tags: [{ name: 'request' }],
      contentType: JSON_TYPE,
      headers: plainSchema(plainRequestHeaders),
      payload: dataOf('requested'),
      correlationId: { $ref: '#/components/correlationIds/header' },
      bindings: byName,
      examples: [
        {
          name: 'named',
          summary: 'With an id, so that it may be sent again',
          headers: { 'request-id': REQUEST_ID },
          payload: MINIMAL,
        },
        { name: 'bare', summary: 'Without any header', headers: {}, payload: MINIMAL },
      ],
    },
    completed: {
      name: 'RegistrationCompleted',
      title: 'Reply, a CloudEvent in binary mode',
      summary: 'How a request ended. The value is the document that its status shows, at its end.',
      tags: [{ name: 'reply' }],
      contentType: JSON_TYPE,
      headers: plainSchema(replyHeaders),
      payload: dataOf('completed'),
      correlationId: { $ref: '#/components/correlationIds/header' },
      bindings: keyed('`workflow_name`, as in the request; none where that cannot be read'),
      examples: replyExamples(problemBaseUrl),
    },
    deadLetter: {
      name: 'DeadLetter',
      title: 'Dead letter',
      summary: 'A record as it came, with its own headers, and beside them why it is here and where it was.',
      tags: [{ name: 'operation' }],
      contentType: 'application/octet-stream',
      headers: deadLetterHeaders(),
      payload: { description: 'The value of the record as it came, whatever it is' },
      bindings: keyed('The key of the record as it came'),
      examples: [
        {
          name: 'not-json',
          summary: 'A record whose value nobody could read',
          headers: {
            [DEAD_LETTER_HEADERS.class]: 'unreadable',
            [DEAD_LETTER_HEADERS.code]: 'not JSON',
            [DEAD_LETTER_HEADERS.detail]: 'is not JSON in UTF-8',
            [DEAD_LETTER_HEADERS.requestId]: eventRequestId(SOURCE, 'rollout-4712'),
            [DEAD_LETTER_HEADERS.topic]: 'workflow.registrations',
            [DEAD_LETTER_HEADERS.partition]: '3',
            [DEAD_LETTER_HEADERS.offset]: '1234',
            [DEAD_LETTER_HEADERS.timestamp]: String(Date.parse(ACCEPTED_AT)),
            [DEAD_LETTER_HEADERS.attempts]: '1',
            [DEAD_LETTER_HEADERS.time]: ACCEPTED_AT,
          },
          payload: 'workflow_name=restart-pods',
        },
      ],
    },
  }
}

function withPrefix(event: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(event).map(([name, value]) => [`ce_${name}`, value]))
}

/** An envelope with the workflow in it. */
function structuredPayload() {
  const { properties, ...rest } = plainSchema(requestEnvelope)
  return {
    ...rest,
    properties: {
      ...properties,
      data: dataOf('requested'),
      data_base64: {
        type: 'string',
        contentEncoding: 'base64',
        description: 'Instead of `data`: the bytes of its JSON',
      },
    },
    oneOf: [{ required: ['data'] }, { required: ['data_base64'] }],
  }
}

function replyExamples(problemBaseUrl: string) {
  const problems = problemExamples(problemBaseUrl)
  return [
    replyExample('created', 'The workflow is registered', CREATED_DOCUMENT),
    replyExample('conflict', 'The name and version were taken already', conflictDocument(problems)),
    replyExample('rejected', 'The request is not acceptable', rejectedDocument(problems)),
  ]
}

function replyExample(name: string, summary: string, document: RequestDocument) {
  const { request_id, state, workflow_name, version, completed_at } = document
  const { fingerprint } = readBody(Buffer.from(JSON.stringify({ ...MINIMAL, version })))
  return {
    name,
    summary,
    headers: {
      'content-type': JSON_TYPE,
      ...withPrefix({
        specversion: '1.0',
        type: EVENT_TYPES.completed,
        source: EVENT_SOURCE,
        id: replyId(request_id, fingerprint),
        time: completed_at ?? '',
        subject: `${workflow_name}@${version}`,
        correlationid: request_id,
        causationid: request_id,
      }),
      'request-id': request_id,
      outcome: state,
    },
    payload: document,
  }
}

const ABOUT_DEAD_LETTERS: Record<keyof typeof DEAD_LETTER_HEADERS, string> = {
  class: '`unreadable`: nobody can read it; `failed`: the database refused it',
  code: 'Why, in a word: what could not be read, or the SQLSTATE',
  detail: 'Why, in a sentence',
  requestId: 'The request id',
  topic: 'The topic that it came from',
  partition: 'The partition that it came from',
  offset: 'Where it lay there',
  timestamp: 'Its timestamp, in ms',
  baseOffset: 'Of a batch that is here whole, as raw bytes of the log: its first offset',
  count: 'Of such a batch: how many offsets it takes',
  attempts: 'How often it was tried',
  time: 'When it was put here',
  valueBytes: 'Where the value was too large to come along: how long it was',
}

/** There on every dead letter. */
const ALWAYS = [
  'class',
  'requestId',
  'topic',
  'partition',
  'offset',
  'timestamp',
  'attempts',
  'time',
] as const satisfies readonly (keyof typeof DEAD_LETTER_HEADERS)[]

function deadLetterHeaders() {
  const properties = Object.entries(DEAD_LETTER_HEADERS).map(([name, header]) => [
    header,
    { type: 'string', description: ABOUT_DEAD_LETTERS[name as keyof typeof DEAD_LETTER_HEADERS] },
  ])
  return {
    type: 'object',
    properties: Object.fromEntries(properties),
    required: ALWAYS.map((name) => DEAD_LETTER_HEADERS[name]),
    additionalProperties: {},
  }
}
