import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import pino from 'pino'
import type { CreateWorkflow } from '../client/index.ts'
import { closeStack } from '../close-stack.ts'
import { kafkaClient } from '../kafka/client.ts'
import { openPublisher } from '../kafka/publish.ts'
import { type DemoRequest, type Door, demoClient, queueDoor, syncDoor, topicDoor } from './doors.ts'
import { followReplies } from './replies.ts'
import { alreadyThere, type PassTally, type Sent, tallyPass } from './tally.ts'

/** A registration as a caller would send it. */
export type Registration = CreateWorkflow

export interface DemoParts {
  url: string
  brokers: readonly string[]
  topics: { requests: string; replies: string }
  records: readonly Registration[]
  /** Goes before each `workflow_name`. */
  prefix?: string
  onProgress?: (progress: Progress) => void
  /** Ends the demo, which then throws the signal's reason. */
  signal?: AbortSignal
  /** After this long, requests of a pass without an outcome are given up. */
  passTimeoutMs?: number
}

/** How many requests of a pass have their outcome. */
export interface Progress {
  pass: number
  done: number
  total: number
}

/** Cannot be shown: one sentence that says why. */
export class DemoError extends Error {
  override readonly name = 'DemoError'
}

export const PASS_TIMEOUT_MS = 60_000
const ANSWER_TIMEOUT_MS = 5_000
const OPEN_TIMEOUT_MS = 15_000
const CLOSE_TIMEOUT_MS = 3_000

/**
 * Registers the records with a running service, twice: first each of them once, dealt over the three doors, then all
 * of them through every door. The requests of a pass are under way all at once. If any of the first pass gets no
 * outcome, there is no second.
 */
export async function runDemo(parts: DemoParts): Promise<PassTally[]> {
  const { url, brokers, topics, records, prefix = '', onProgress, passTimeoutMs = PASS_TIMEOUT_MS } = parts
  const stop = parts.signal ?? new AbortController().signal
  const noKafka = `No Kafka answers at ${brokers.join(',')}: start it with \`npm start\``
  const opened = closeStack()
  const beganAt = new Date()
  try {
    await assertReady(url, stop)
    const kafka = await within(ANSWER_TIMEOUT_MS, noKafka, reachKafka())
    const doors = await within(OPEN_TIMEOUT_MS, noKafka, openDoors(kafka))

    const dealt = records.map((record, index) => ({ record, door: doors[index % doors.length]! }))
    const first = await runPass(1, dealt)
    const firstTally = tallyPass(first, doors, alreadyThere(first, beganAt))
    if (firstTally.withoutOutcome.length > 0) return [firstTally]

    const everywhere = records.flatMap((record) => doors.map((door) => ({ record, door })))
    const second = await runPass(2, everywhere)
    const known = new Set(first.map(({ request }) => request.workflow))
    return [firstTally, tallyPass(second, doors, known)]
  } finally {
    await Promise.race([opened.close().catch(() => {}), delay(CLOSE_TIMEOUT_MS, undefined, { ref: false })])
  }

  /** Answers once the brokers do, and have the topics: a wrong address is told before anything is sent. */
  async function reachKafka() {
    const kafka = kafkaClient({ brokers }, 'workflow-registrar-demo', pino({ level: 'silent' }))
    const admin = kafka.admin()
    opened.add(() => admin.disconnect())
    await admin.connect()
    const present = await admin.listTopics()
    for (const topic of [topics.requests, topics.replies])
      if (!present.includes(topic))
        throw new DemoError(
          `The Kafka at ${brokers.join(',')} has no topic ${topic}: the service at ${url} uses another one`,
        )
    return kafka
  }

  async function openDoors(kafka: ReturnType<typeof kafkaClient>): Promise<Door[]> {
    const publisher = await openPublisher(kafka, { timeoutMs: 10_000 })
    opened.add(() => publisher.close())
    const replies = await followReplies(kafka, topics.replies)
    opened.add(() => replies.close())
    const registrar = demoClient(url)
    return [syncDoor(registrar), queueDoor(registrar), topicDoor(topics.requests, publisher, replies)]
  }

  async function runPass(
    pass: number,
    sends: readonly { record: Registration; door: Door }[],
  ): Promise<Sent[]> {
    const signal = AbortSignal.any([stop, AbortSignal.timeout(passTimeoutMs)])
    let done = 0
    const report = () => onProgress?.({ pass, done, total: sends.length })
    report()
    const sent = await Promise.all(
      sends.map(async ({ record, door }) => {
        const request = requestFor(record, prefix)
        const sentAt = performance.now()
        let trouble: string | undefined
        const ending = await door.register(request, signal).catch((error) => {
          if (!signal.aborted) trouble = error instanceof Error ? error.message : String(error)
          return undefined
        })
        const ms = performance.now() - sentAt
        if (ending) {
          done += 1
          report()
        }
        return { request, door, ending, trouble, ms }
      }),
    )
    stop.throwIfAborted()
    return sent
  }

  async function within<T>(timeoutMs: number, otherwise: string, step: Promise<T>): Promise<T> {
    const expiry = delay(timeoutMs, undefined, { signal: stop, ref: false }).then(() => {
      throw new DemoError(otherwise)
    })
    return Promise.race([step, expiry]).catch((error) => {
      stop.throwIfAborted()
      throw error instanceof DemoError ? error : new DemoError(otherwise, { cause: error })
    })
  }
}

async function assertReady(url: string, stop: AbortSignal): Promise<void> {
  const signal = AbortSignal.any([stop, AbortSignal.timeout(ANSWER_TIMEOUT_MS)])
  const response = await fetch(`${url}/health/ready`, { signal }).catch(() => undefined)
  stop.throwIfAborted()
  if (!response) throw new DemoError(`No service answers at ${url}: start it with \`npm start\``)
  const body = (await response.json().catch(() => undefined)) as
    | { status?: unknown; detail?: string }
    | undefined
  if (response.ok && body?.status === 'ready') return
  const why = response.status === 503 && body?.detail
  throw new DemoError(
    why ? `The service at ${url} is not ready: ${why}` : `What answers at ${url} is another service`,
  )
}

function requestFor(record: Registration, prefix: string): DemoRequest {
  const workflowName = `${prefix}${record.workflow_name}`
  return {
    id: randomUUID(),
    workflowName,
    workflow: `${workflowName} ${record.version}`,
    body: { ...record, workflow_name: workflowName },
  }
}
