import type { KafkaMessage } from 'kafkajs'
import { type Body, readBody, readData, readJson } from '../domain/body.ts'
import { isUuid } from '../domain/ids.ts'
import { LIMITS } from '../domain/limits.ts'
import { utf8Text } from '../domain/utf8.ts'
import { EVENT_TYPES, STRUCTURED } from './events.ts'
import { headerBytes, headerText, MAX_TEXT_BYTES } from './headers.ts'

/** Why a record is no request that can be judged: a short name, and what is the matter, in words of ours alone. */
export interface Unreadable {
  code: string
  detail: string
}

/** A record of the request topic in whichever form it came: plain JSON, or a CloudEvent in binary or structured mode. */
export interface RequestEvent {
  /** What names the request: an id, and the source that it belongs to (`''`: none). */
  id: { source: string; id: string } | undefined
  /** An attribute of the event, such as `correlationid`; of a plain record, its header with `ce_`. */
  attribute(name: string): string | undefined
  body: Body
  unreadable: Unreadable | undefined
}

/** Reads what a record says, before anybody judges it. Never throws. */
export function readRequestEvent(record: KafkaMessage): RequestEvent {
  const value = record.value ?? Buffer.alloc(0)
  const form = formOf(record)
  const isTooLarge = form === 'structured' && value.length > MAX_ENVELOPE_BYTES
  const { envelope, body, unreadable } =
    form === 'structured' && !isTooLarge
      ? readEnvelope(value)
      : { envelope: {}, body: readBody(value), unreadable: undefined }
  // An event in structured mode may have its attributes as headers too, and those are what routers go by.
  const attribute = (name: string) => headerText(record, `ce_${name}`) || textIn(envelope, name)
  const nameIn = (name: string) =>
    readName(headerBytes(record, `ce_${name}`)) ?? readName(textIn(envelope, name))
  const id = idOf(form, nameIn, readName(headerBytes(record, 'request-id')))
  const fault = () => {
    if (record.value === null) return { code: 'tombstone', detail: 'has no value' }
    if (id?.isGarbled) return GARBLED_ID
    return unreadable ?? (isTooLarge ? undefined : faultOf(form, attribute)) ?? bodyFault(body)
  }
  return { id: id?.name, attribute, body, unreadable: fault() }
}

/** A text that names something: undefined when it cannot be told from others. */
type Name = { text: string | undefined }

function readName(value: Buffer | string | undefined): Name | undefined {
  if (value === undefined || value.length === 0) return undefined
  if (Buffer.byteLength(value) > MAX_TEXT_BYTES) return { text: undefined }
  const text = typeof value === 'string' ? value : utf8Text(value)
  return { text: text === undefined || CONTROL.test(text) ? undefined : text }
}

/** What names the request: the event's id with its source, which a UUID does without, or else the header. */
function idOf(form: Form, attribute: (name: string) => Name | undefined, requestId: Name | undefined) {
  const [id, source] = form === 'plain' ? [] : [attribute('id'), attribute('source')]
  const isGarbled = [id, source].some((name) => name && name.text === undefined)
  if (id?.text && (source?.text || isUuid(id.text)))
    return { name: { source: source?.text ?? '', id: id.text }, isGarbled }
  const name = requestId?.text ? { source: '', id: requestId.text } : undefined
  return { name, isGarbled: isGarbled || (requestId !== undefined && !name) }
}

type Form = 'plain' | 'binary' | 'structured' | 'unknown'

/** Told apart as the Kafka binding of CloudEvents says: by content type, and a binary event by its attributes. */
export function formOf(record: KafkaMessage): Form {
  const contentType = headerText(record, 'content-type') ?? headerText(record, 'Content-Type') ?? ''
  const mediaType = contentType.split(';', 1)[0]!.trim().toLowerCase()
  if (mediaType === STRUCTURED) return 'structured'
  if (mediaType.startsWith('application/cloudevents')) return 'unknown'
  return REQUIRED.some((name) => headerBytes(record, `ce_${name}`)?.length) ? 'binary' : 'plain'
}

/** What every event has. */
const REQUIRED = ['specversion', 'type', 'source', 'id'] as const

/** An envelope may be as large as a record that every topic takes; its data no larger than any request. */
const MAX_ENVELOPE_BYTES = 2 * LIMITS.bytes

interface Envelope {
  envelope: Readonly<Record<string, unknown>>
  body: Body
  unreadable?: Unreadable | undefined
}

function readEnvelope(bytes: Buffer): Envelope {
  const { value: envelope } = readJson(bytes)
  if (!isObject(envelope))
    return {
      envelope: {},
      body: readBody(bytes),
      unreadable: { code: 'not JSON', detail: 'is not an event in JSON' },
    }
  const { data, data_base64: base64 } = envelope
  const isGiven = (value: unknown) => value !== undefined && value !== null
  if (isGiven(data) && !isGiven(base64)) return { envelope, body: readData(data, bytes) }
  const isBase64 = typeof base64 === 'string' && BASE64.test(base64) && !isGiven(data)
  return {
    envelope,
    body: readBody(isBase64 ? Buffer.from(base64, 'base64') : Buffer.alloc(0)),
    unreadable: isBase64
      ? undefined
      : { code: 'not an event', detail: 'is an event without data, or data_base64, that can be read' },
  }
}

/** What is wrong with the event itself: it is of a form, a version or a type that nobody here can judge. */
function faultOf(form: Form, attribute: RequestEvent['attribute']): Unreadable | undefined {
  if (form === 'plain') return undefined
  if (form === 'unknown')
    return { code: 'unknown event format', detail: `is an event in another format than ${STRUCTURED}` }
  const missing = REQUIRED.filter((name) => !attribute(name))
  if (missing.length > 0) return { code: 'not an event', detail: `is an event without ${missing.join(', ')}` }
  if (!/^1\.\d{1,9}$/.test(attribute('specversion')!))
    return { code: 'unknown major version', detail: 'is an event of another specversion than 1.0' }
  const type = attribute('type')!
  if (type === EVENT_TYPES.requested) return undefined
  const family = EVENT_TYPES.requested.replace(/\d+$/, '')
  return type.startsWith(family) && /^\d{1,9}$/.test(type.slice(family.length))
    ? { code: 'unknown major version', detail: `is of another major version than ${EVENT_TYPES.requested}` }
    : { code: 'unknown event type', detail: `is not an event of type ${EVENT_TYPES.requested}` }
}

function bodyFault(body: Body): Unreadable | undefined {
  return body.kind === 'unreadable'
    ? { code: 'not JSON', detail: body.rejection.errors[0]!.detail }
    : undefined
}

const GARBLED_ID: Unreadable = {
  code: 'unreadable id',
  detail: `has an id or source that is not UTF-8 without control characters, of at most ${MAX_TEXT_BYTES} bytes`,
}

/** What no text of an event may have. An id with a line feed could be that of another source. */
const CONTROL = /[\p{Cc}\p{Cs}]/u

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function textIn(envelope: Readonly<Record<string, unknown>>, name: string): string | undefined {
  const value = Object.hasOwn(envelope, name) ? envelope[name] : undefined
  return typeof value === 'string' && value !== '' ? value : undefined
}
