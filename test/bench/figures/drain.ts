import { randomUUID } from 'node:crypto'
import { openDb } from '../../../src/db/open.ts'
import { registrations } from '../../../src/db/registrations.ts'
import { dbFailure } from '../../../src/db/sqlstate.ts'
import { readBody } from '../../../src/domain/body.ts'
import { CHUNK_LIMITS } from '../../../src/domain/limits.ts'
import type { ValidRequest } from '../../../src/domain/request.ts'
import { registerWith } from '../../../src/register.ts'
import { alternate, type Sides } from '../alternate.ts'
import { atLeast, type Figure } from '../figure.ts'
import { aBody, sha256 } from '../generate.ts'
import type { Lab } from '../lab.ts'
import { drainRate, preload } from '../queue.ts'

export const drain: Figure = {
  name: 'drain',
  about: 'a worker and what waits in Kafka ÷ its own statements fed from memory, on one connection',
  async measure(lab) {
    const rows = lab.size(200_000)
    const sides: Sides = {
      unit: 'rows/s',
      rounds: 3,
      ours: () => fromKafka(lab, rows),
      limit: () => fromMemory(lab, rows),
    }
    return [await alternate(lab, 'drain', atLeast(0.5, 0.7), sides)]
  },
}

async function fromKafka(lab: Lab, rows: number): Promise<number> {
  const ground = await lab.ground()
  await preload(lab, ground, rows)
  const worker = await lab.start('worker', ground)
  const rate = await drainRate(lab, ground, rows)
  await worker.stop()
  return rate
}

async function fromMemory(lab: Lab, rows: number): Promise<number> {
  await lab.ground()
  const requests = Array.from({ length: rows }, aRequest)
  const options = { url: lab.postgres.serviceUrl, name: 'bench', maxConnections: 1, keepsPlans: true }
  const { db, close } = openDb(options, lab.log)
  const register = registerWith({ ...registrations(db), failureOf: dbFailure })
  const log = { clusterId: 'bench', topic: 'bench', partition: 0 }
  const began = performance.now()
  for (let done = 0; done < rows; done += CHUNK_LIMITS.requests) {
    const batch = requests.slice(done, done + CHUNK_LIMITS.requests)
    await register(batch, [{ ...log, nextOffset: BigInt(done + batch.length) }])
  }
  const rate = rows / ((performance.now() - began) / 1_000)
  await close()
  return rate
}

const read = readBody(Buffer.from(JSON.stringify(aBody())))

function aRequest(): ValidRequest {
  if (read.kind !== 'valid') throw new Error('the body is not valid')
  const requestId = randomUUID()
  return {
    requestId,
    fingerprint: sha256(requestId),
    idempotencyKey: null,
    principal: null,
    acceptedAt: new Date(),
    workflow: { ...read.workflow, workflow_name: randomUUID() },
  }
}
