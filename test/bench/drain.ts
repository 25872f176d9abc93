/* How fast does a worker settle what waits in Kafka, beside the same statements fed from memory? */
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { Kafka, logLevel, Partitioners } from 'kafkajs'
import pg from 'pg'
import pino from 'pino'
import { start } from '../../src/app.ts'
import { parseConfig } from '../../src/config.ts'
import { openDb } from '../../src/db/open.ts'
import { registrations } from '../../src/db/registrations.ts'
import { dbFailure } from '../../src/db/sqlstate.ts'
import { readBody } from '../../src/domain/body.ts'
import type { ValidRequest } from '../../src/domain/request.ts'
import { registerWith } from '../../src/register.ts'
import { startOwnServers } from '../support/own-servers.ts'
import { aWorkflow } from '../support/workflows.ts'

const ROUNDS = 5
const ROWS = 20_000
const BATCH = 500
const BODY_BYTES = 1_000
const LIMIT = 0.5

const say = (line: string) => void process.stdout.write(`${line}\n`)
const servers = await startOwnServers({ say, durable: true })
const { ownerUrl, serviceUrl } = servers.postgres
const owner = new pg.Pool({ connectionString: ownerUrl, max: 1 })
const log = pino({ level: 'silent' })
const config = parseConfig({
  ...{
    DATABASE_URL: serviceUrl,
    MIGRATE_DATABASE_URL: ownerUrl,
    KAFKA_BROKERS: servers.kafka.brokers.join(','),
  },
  PORT: '0',
})
try {
  process.exitCode = (await bench()) >= LIMIT ? 0 : 1
} finally {
  await owner.end()
  await servers.close()
}

/** Answers the median rate of the worker as a part of the median rate from memory. */
async function bench(): Promise<number> {
  await (await startWorker()).close() // makes the schema and the topics
  const rates = { memory: [] as number[], drain: [] as number[] }
  for (let round = 1; round <= ROUNDS; round += 1) {
    rates.memory.push(await fromMemory())
    rates.drain.push(await drain())
    say(
      `round ${round} of ${ROUNDS}: memory ${rates.memory.at(-1)} rows/s, drain ${rates.drain.at(-1)} rows/s`,
    )
  }
  const [memory, drained] = [median(rates.memory), median(rates.drain)]
  say(`memory ${memory} rows/s (${Math.min(...rates.memory)} to ${Math.max(...rates.memory)})`)
  say(`drain ${drained} rows/s (${Math.min(...rates.drain)} to ${Math.max(...rates.drain)})`)
  say(`drain/memory ${(drained / memory).toFixed(2)} (must be ${LIMIT} or more)`)
  return drained / memory
}

function startWorker() {
  const { infrastructure } = config
  if (!infrastructure) throw new Error('There is no infrastructure')
  const onCrash = (error: Error) => {
    throw error
  }
  return start({ config, infrastructure, roles: ['worker'], log, say: () => {}, onCrash })
}

function aBody(): { name: string; bytes: Buffer } {
  const name = randomUUID()
  const workflow = aWorkflow({ workflow_name: name, content: '' })
  const padding = BODY_BYTES - JSON.stringify(workflow).length
  return { name, bytes: Buffer.from(JSON.stringify({ ...workflow, content: 'x'.repeat(padding) })) }
}

function aRequest(): ValidRequest {
  const body = readBody(aBody().bytes)
  if (body.kind !== 'valid') throw new Error('the body is not valid')
  const { workflow, fingerprint } = body
  return { requestId: randomUUID(), fingerprint, idempotencyKey: null, acceptedAt: new Date(), workflow }
}

async function fromMemory(): Promise<number> {
  const batches = Array.from({ length: ROWS / BATCH }, () => Array.from({ length: BATCH }, aRequest))
  const { db, close } = openDb({ url: serviceUrl, name: 'bench', maxConnections: 1 }, log)
  const register = registerWith({ ...registrations(db), failureOf: dbFailure })
  const began = performance.now()
  for (const batch of batches) await register(batch)
  const rate = rateSince(began)
  await close()
  return rate
}

async function drain(): Promise<number> {
  const before = await settled()
  await preload()
  const worker = await startWorker()
  const began = performance.now()
  while ((await settled()) < before + ROWS) await delay(10)
  const rate = rateSince(began)
  await worker.close()
  return rate
}

async function preload(): Promise<void> {
  const kafka = new Kafka({ brokers: servers.kafka.brokers, logLevel: logLevel.ERROR })
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner })
  await producer.connect()
  for (let sent = 0; sent < ROWS; sent += BATCH) {
    const messages = Array.from({ length: BATCH }, () => {
      const { name, bytes } = aBody()
      return { key: name, value: bytes, headers: { 'request-id': randomUUID() } }
    })
    await producer.send({ topic: config.topics.requests, messages })
  }
  await producer.disconnect()
}

async function settled(): Promise<number> {
  const { rows } = await owner.query(
    'select coalesce(sum(next_offset), 0)::int as count from consumer_progress',
  )
  return rows[0].count
}

function rateSince(began: number): number {
  return Math.round(ROWS / ((performance.now() - began) / 1_000))
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!
}
