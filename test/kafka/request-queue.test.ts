import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { test as base, expect, inject } from 'vitest'

interface Observed {
  /** How often a timer with a negative delay was armed while nothing was asked of the client. */
  negativeTimers: number
  warnings: string[]
  /** How many of the requests that were asked at once were answered. */
  answered: number
}

/** A client in a process of its own: made by `makeClient`, connected, then watched while it is idle. */
async function observeIdle(makeClient: string): Promise<Observed> {
  const script = `
    import { setTimeout as delay } from 'node:timers/promises'
    const warnings = []
    process.on('warning', ({ name }) => warnings.push(name))
    let negativeTimers = 0
    const arm = globalThis.setTimeout
    globalThis.setTimeout = Object.assign((run, ms, ...rest) => {
      if (ms < 0) negativeTimers += 1
      return arm(run, ms, ...rest)
    }, arm)
    const brokers = ${JSON.stringify(inject('servers').kafkaBrokers)}
    ${makeClient}
    const admin = client.admin()
    await admin.connect()
    await admin.listTopics()
    negativeTimers = 0
    await delay(300)
    const idle = negativeTimers
    const answers = await Promise.all(Array.from({ length: 200 }, () => admin.listTopics()))
    console.log(JSON.stringify({ negativeTimers: idle, warnings, answered: answers.length }))
    await admin.disconnect()
  `
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script])
  return JSON.parse(stdout)
}

const test = base.concurrent
const PLAIN = `import { Kafka, logLevel } from 'kafkajs'
    const client = new Kafka({ brokers, logLevel: logLevel.NOTHING, maxInFlightRequests: 2 })`
const OURS = `const { kafkaClient } = await import('${import.meta.dirname}/../../src/kafka/client.ts')
    const { createLogger } = await import('${import.meta.dirname}/../../src/logger.ts')
    const client = kafkaClient({ brokers }, 'test', createLogger('silent'))`
const MENDED = `const { mendRequestQueue } = await import('${import.meta.dirname}/../../src/kafka/request-queue.ts')
    mendRequestQueue()
    mendRequestQueue()
    ${PLAIN}`

test('an idle client of kafkajs alone wakes up all the time', async () => {
  const { negativeTimers, warnings } = await observeIdle(PLAIN)
  expect(negativeTimers).toBeGreaterThan(20)
  expect(warnings).toContain('TimeoutNegativeWarning')
})

test('an idle client of ours never wakes up, and still answers', async () => {
  expect(await observeIdle(OURS)).toEqual({ negativeTimers: 0, warnings: [], answered: 200 })
})

test('requests that have to wait for others in flight are still sent', async () => {
  expect(await observeIdle(MENDED)).toEqual({ negativeTimers: 0, warnings: [], answered: 200 })
})
