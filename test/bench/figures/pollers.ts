import type { Admin } from 'kafkajs'
import { formatAt, logTag } from '../../../src/domain/accepted-at.ts'
import { within } from '../../../src/within.ts'
import { alternate, type Sides } from '../alternate.ts'
import { atLeast, type Figure } from '../figure.ts'
import { aRecord } from '../generate.ts'
import type { Ground, Lab } from '../lab.ts'
import { openConnections } from '../loads/connections.ts'
import { drainRate, preload } from '../queue.ts'

const POLLERS = 2_000
const PARTITIONS = 12
const MAX_ANSWER_MS = 30_000

/** Where a record is, and what its request is called. */
interface Place {
  requestId: string
  partition: number
  offset: number
}

export const pollers: Figure = {
  name: 'pollers',
  about: 'a drain while 2 000 callers of a separate ingress wait for outcomes ÷ while none does',
  async measure(lab) {
    const records = lab.size(60_000)
    const sides: Sides = {
      unit: 'rows/s',
      rounds: 5,
      ours: () => drained(lab, records, Math.min(POLLERS, records)),
      limit: () => drained(lab, records, 0),
    }
    return [await alternate(lab, 'pollers', atLeast(0.8, 0.95), sides)]
  },
}

async function drained(lab: Lab, records: number, callers: number): Promise<number> {
  const ground = await lab.ground({ partitions: PARTITIONS })
  const places = await fill(lab, ground, records)
  const ingress = await lab.start('ingress', ground)
  const asked = Array.from(
    { length: callers },
    (_, index) => places[Math.floor((index * records) / callers)]!,
  )
  const polls = openPolls(ingress.url, asked, await tagOf(lab, ground))
  const worker = await lab.start('worker', ground)
  const rate = await Promise.race([drainRate(lab, ground, records), polls.failed])
  await within(MAX_ANSWER_MS, Promise.race([polls.allTold, polls.failed]))
  polls.close()
  await worker.stop()
  await ingress.stop()
  return rate
}

/** Puts records on the request topic so that it is known where each one is. */
async function fill(lab: Lab, ground: Ground, records: number): Promise<Place[]> {
  const places: Place[] = []
  await preload(lab, ground, records, (index) => {
    const record = aRecord()
    const partition = index % PARTITIONS
    const offset = Math.floor(index / PARTITIONS)
    places.push({ requestId: record.headers['request-id'], partition, offset })
    return { ...record, partition }
  })
  const ends = await withAdmin(lab, (admin) => admin.fetchTopicOffsets(ground.topics.requests))
  const filled = ends.reduce((sum, { high }) => sum + Number(high), 0)
  if (filled !== records) throw new Error(`Of ${records} records Kafka has made ${filled}`)
  return places
}

async function tagOf(lab: Lab, { topics }: Ground): Promise<string> {
  const { clusterId } = await withAdmin(lab, (admin) => admin.describeCluster())
  return logTag(clusterId, topics.requests)
}

async function withAdmin<T>(lab: Lab, use: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = lab.kafka.admin()
  await admin.connect()
  const result = await use(admin)
  await admin.disconnect()
  return result
}

/**
 * A caller for each place, who asks with `Prefer: wait=30` how its request ended, again and again until it is told so,
 * and from then on about a record behind all that are there: so many are always open.
 */
function openPolls(ingressUrl: string, places: readonly Place[], tag: string) {
  const connections = openConnections(ingressUrl)
  const acceptedAt = new Date()
  const failed = Promise.withResolvers<never>()
  failed.promise.catch(() => {})
  const told = places.map(() => Promise.withResolvers<void>())
  let isOver = false

  async function ask({ requestId, partition, offset }: Place): Promise<string> {
    const at = formatAt({ tag, partition, offset: BigInt(offset), acceptedAt })
    const target = `/api/v1/workflow-requests/${requestId}?at=${at}`
    const { status, body } = await connections.send({ method: 'GET', target, headers: { prefer: 'wait=30' } })
    if (status !== 200) throw new Error(`A status was answered ${status}: ${body}`)
    return JSON.parse(body).state
  }

  async function poll(place: Place, tell: () => void) {
    let state = await ask(place)
    while (state === 'pending') state = await ask(place)
    if (state !== 'created') throw new Error(`A request ended as ${state}`)
    tell()
    const behind = { requestId: crypto.randomUUID(), partition: place.partition, offset: 1_000_000_000 }
    while (!isOver) if ((await ask(behind)) !== 'pending') throw new Error('A request ended that never was')
  }

  for (const [index, place] of places.entries())
    poll(place, told[index]!.resolve).catch((error) => isOver || failed.reject(error))
  return {
    /** Every one of the callers has heard how its request ended. */
    allTold: Promise.all(told.map(({ promise }) => promise)),
    /** Rejects when one is told anything else. */
    failed: failed.promise,
    close() {
      isOver = true
      connections.close()
    },
  }
}
