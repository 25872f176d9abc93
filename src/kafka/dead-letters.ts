import { createHash } from 'node:crypto'
import type { Admin, IHeaders, Kafka, KafkaMessage, Message } from 'kafkajs'
import { isUuid, redriveId } from '../domain/ids.ts'
import { DEAD_LETTER_HEADERS, DEAD_LETTER_PREFIX } from './dead-letter.ts'
import { headerText } from './headers.ts'
import { readOffsets } from './log-offsets.ts'
import type { Addressed, Publisher } from './publish.ts'
import { readLog } from './read-log.ts'
import { formOf, readRequestEvent } from './request-event.ts'

/** A dead letter as its headers tell it. What is null, or a record that somebody else put there, does not tell it. */
export interface DeadLetter {
  /** ISO 8601, of the parking. */
  time: string
  class: string | null
  code: string | null
  topic: string | null
  partition: string | null
  offset: string | null
  requestId: string | null
  key: string | null
  /** Of the value, as it came. */
  bytes: number
  /** It was too large to be kept. */
  valueLost: boolean
  /** It is no record, but the raw bytes of a batch of them. */
  isBatch: boolean
  /** How often this request was redriven before it came here. */
  redrives: number
}

export interface DeadLetters {
  total: number
  /** Reads all that were there at the beginning, from the oldest on, some at a time; leaves no trace. */
  read(onRecords: (records: KafkaMessage[]) => Promise<void>): Promise<void>
}

export interface DeadLettersParts {
  kafka: Kafka
  admin: Admin
  topic: string
  /** What the names of the passing consumer groups begin with. */
  group: string
}

/** The dead letters up to where their topic ends now. */
export async function deadLettersOf({ kafka, admin, topic, group }: DeadLettersParts): Promise<DeadLetters> {
  if (!(await admin.listTopics()).includes(topic)) throw new Error(`Kafka has no topic ${topic}`)
  const log = await readOffsets(admin, topic)
  const stretches = [...log].map(([partition, { low, high }]) => ({ partition, from: low, to: high }))
  return {
    total: Number(stretches.reduce((sum, { from, to }) => sum + to - from, 0n)),
    read: (onRecords) =>
      readLog({
        ...{ kafka, topic, stretches, group: `${group}-${crypto.randomUUID()}` },
        onRecords: (_partition, records) => onRecords(records),
      }),
  }
}

const REDRIVE_COUNT = 'redrive-count'

export function readDeadLetter(record: KafkaMessage): DeadLetter {
  const said = (name: keyof typeof DEAD_LETTER_HEADERS) =>
    headerText(record, DEAD_LETTER_HEADERS[name]) ?? null
  const requestId = said('requestId')
  const lostBytes = record.value === null ? number(said('valueBytes') ?? undefined) : undefined
  return {
    time: said('time') ?? new Date(number(record.timestamp) ?? 0).toISOString(),
    class: said('class'),
    code: said('code'),
    topic: said('topic'),
    partition: said('partition'),
    offset: said('offset'),
    requestId: requestId && isUuid(requestId) ? requestId.toLowerCase() : null,
    key: record.key?.toString() ?? null,
    bytes: lostBytes ?? record.value?.length ?? 0,
    valueLost: lostBytes !== undefined,
    isBatch: said('baseOffset') !== null,
    redrives: number(headerText(record, REDRIVE_COUNT)) ?? 0,
  }
}

/** Why a chosen dead letter is not redriven. `trouble`: somebody has to see to it. */
export const SKIPS = {
  'came back': { trouble: false, why: 'it was redriven and came back as a newer dead letter' },
  double: { trouble: false, why: 'another dead letter of the same request has the same value' },
  'too often': { trouble: true, why: 'it was redriven as often as --max-redrives allows' },
  'value lost': { trouble: true, why: 'its value was too large to be kept' },
  'whole batch': { trouble: true, why: 'it is the raw bytes of a batch that could not be decoded' },
  'no origin': { trouble: true, why: 'it does not tell its request id and origin' },
  'topic gone': { trouble: true, why: 'there is no topic of that name any more' },
  'too large': { trouble: true, why: 'its topic does not take a record of its size' },
} as const satisfies Record<string, { trouble: boolean; why: string }>
export type Skip = keyof typeof SKIPS

export interface RedriveParts {
  letters: DeadLetters
  isChosen: (letter: DeadLetter) => boolean
  /** How many partitions a topic has; undefined when it is not there. */
  partitionsOf: (topic: string) => Promise<number | undefined>
  /** Resolves when Kafka has them all. */
  sendAll: Publisher['sendAll']
  maxRedrives: number
  limit: number
  /** Called for each that has gone, with the id of its new request. */
  onRedriven: (letter: DeadLetter, newId: string) => void
  onSkipped: (letter: DeadLetter, why: Skip) => void
  /** Called with the number of records read so far, of twice the total. */
  onRead: (count: number) => void
}

interface Due extends Addressed {
  letter: DeadLetter
  newId: string
}

const MAX_TOGETHER = 200
const MAX_BYTES_TOGETHER = 256 * 1024

/**
 * Puts the chosen dead letters back where they came from, each as a new request whose id follows from the old one:
 * whoever does it again repeats that request. Answers how many `limit` left out.
 */
export async function redrive(parts: RedriveParts): Promise<number> {
  const { letters, isChosen, partitionsOf, maxRedrives, limit, onRedriven, onSkipped, onRead } = parts
  const present = new Set<string | null>()
  const done = new Set<string>()
  let read = 0
  let taken = 0
  let left = 0

  await letters.read(async (records) => {
    for (const record of records) present.add(readDeadLetter(record).requestId)
    read += records.length
    onRead(read)
  })
  await letters.read(async (records) => {
    let due: Due[] = []
    let bytes = 0
    for (const record of records) {
      const letter = readDeadLetter(record)
      if (!isChosen(letter)) continue
      const next = await nextOf(record, letter)
      if (typeof next === 'string') {
        onSkipped(letter, next)
      } else if (taken === limit) {
        left += 1
      } else {
        taken += 1
        done.add(identityOf(next))
        if (due.length === MAX_TOGETHER || bytes + letter.bytes > MAX_BYTES_TOGETHER) {
          await send(due)
          due = []
          bytes = 0
        }
        due.push(next)
        bytes += letter.bytes
      }
    }
    await send(due)
    read += records.length
    onRead(read)
  })
  return left

  async function nextOf(record: KafkaMessage, letter: DeadLetter): Promise<Due | Skip> {
    const { requestId, topic, partition, redrives, valueLost } = letter
    if (requestId === null || topic === null) return 'no origin'
    const newId = redriveId(requestId, redrives + 1)
    if (present.has(newId)) return 'came back'
    const next = { topic, message: redriven(record, requestId, newId, redrives + 1), letter, newId }
    if (done.has(identityOf(next))) return 'double'
    if (valueLost) return 'value lost'
    if (letter.isBatch) return 'whole batch'
    if (redrives >= maxRedrives) return 'too often'
    const partitions = await partitionsOf(topic)
    if (partitions === undefined) return 'topic gone'
    const origin = number(partition ?? undefined)
    if (origin !== undefined && origin < partitions) next.message.partition = origin
    return next
  }

  async function send(due: readonly Due[]): Promise<void> {
    const left = new Set<Addressed>(await parts.sendAll(due))
    for (const one of due) {
      if (left.has(one)) onSkipped(one.letter, 'too large')
      else onRedriven(one.letter, one.newId)
    }
  }
}

/** The record as it first came, as a new request that the old one caused. The idempotency key stays with the old one. */
function redriven(record: KafkaMessage, oldId: string, newId: string, count: number): Message {
  const came = Object.entries(record.headers ?? {}).filter(
    ([name]) => !name.startsWith(DEAD_LETTER_PREFIX) && name !== 'idempotency-key',
  )
  const isEvent = formOf(record) !== 'plain'
  const { id, attribute } = readRequestEvent(record)
  const headers: IHeaders = {
    ...Object.fromEntries(came),
    ...(isEvent && { ce_id: newId }),
    'request-id': newId,
    ce_causationid: oldId,
    ce_correlationid: attribute('correlationid') ?? id?.id ?? oldId,
    [REDRIVE_COUNT]: String(count),
  }
  return { key: record.key, value: record.value, headers }
}

function identityOf({ newId, message: { value } }: Due): string {
  return `${newId} ${value === null ? '' : createHash('sha256').update(value).digest('base64')}`
}

/** How many partitions each topic has; undefined when it is not there. */
export function partitionCounts(admin: Admin): (topic: string) => Promise<number | undefined> {
  const counts = new Map<string, Promise<number | undefined>>()
  async function count(topic: string) {
    if (!(await admin.listTopics()).includes(topic)) return undefined
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
    return topics[0]?.partitions.length
  }
  return (topic) => {
    const known = counts.get(topic) ?? count(topic)
    counts.set(topic, known)
    return known
  }
}

function number(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined
}
