import type { KafkaMessage } from 'kafkajs'
import { expect, test } from 'vitest'
import { problemsAt } from '../../src/domain/problem.ts'
import { createdBy, type Registered } from '../../src/domain/request.ts'
import { passage } from '../../src/kafka/chunks.ts'
import { PublishFailure } from '../../src/kafka/publish.ts'
import { type SettleParts, settleWith } from '../../src/kafka/settle.ts'
import { createLogger } from '../../src/logger.ts'
import type { Register } from '../../src/register.ts'
import type { Span, SpanStart } from '../../src/span.ts'
import { aWorkflow } from '../support/workflows.ts'

const TRACEPARENT = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`

/** Stores every request as created: once, and as told again from then on. */
function registering(): Register {
  const known = new Set<string>()
  return async (requests) =>
    requests.map((request): Registered => {
      if (!request.workflow) throw new Error('all of them are valid')
      const replayed = known.has(request.requestId)
      known.add(request.requestId)
      return { ...createdBy(request, { workflowId: request.requestId, completedAt: new Date() }), replayed }
    })
}

/** Every span that began and did not end. */
function tracing() {
  const open = new Set<Span>()
  const names: string[] = []
  function begin({ name }: SpanStart): Span {
    const span: Span = {
      context: { traceparent: TRACEPARENT },
      begin,
      end: () => void open.delete(span),
      ...{ set() {}, become() {}, fail() {} },
    }
    open.add(span)
    names.push(name)
    return span
  }
  return { open, names, begin, close: async () => {} }
}

function settling(parts: Partial<SettleParts> = {}) {
  const told: Registered[] = []
  const settle = settleWith({
    register: registering(),
    moveProgress: async () => {},
    deadLetterTopic: 'dead letters',
    publisher: { sendAll: async () => [] },
    replies: { topicFor: () => 'replies', send: async () => {} },
    tellOutcome: (_, outcome) => void told.push(outcome),
    onParked() {},
    makeProblem: problemsAt('https://problems.test'),
    log: createLogger('silent'),
    onStep() {},
    ...parts,
  })
  const chunk = (first: number, values: string[]) => ({
    chunk: {
      ...passage(BigInt(first), BigInt(first + values.length)),
      records: values.map(
        (value, index): KafkaMessage => ({
          ...{ key: null, value: Buffer.from(value), timestamp: '1700000000000', attributes: 0 },
          offset: String(first + index),
          headers: { traceparent: TRACEPARENT },
        }),
      ),
    },
    from: { clusterId: 'c', topic: 'requests', partition: 0, from: 0n },
    attempts: 1,
  })
  return { settle, told, chunk }
}

const valid = () => JSON.stringify(aWorkflow())

test('an outcome is told once, as it was first, however often its reply is tried', async () => {
  let isAway = true
  const { settle, told, chunk } = settling({
    replies: {
      topicFor: () => 'replies',
      async send() {
        if (isAway) throw new PublishFailure('away')
      },
    },
  })
  const placed = chunk(0, [valid(), valid()])
  for (const _ of [1, 2, 3]) await expect(settle([placed])).rejects.toThrow('away')
  isAway = false
  await settle([placed])
  expect(told.map(({ replayed }) => replayed)).toEqual([false, false])
  await settle([placed])
  expect(told.map(({ replayed }) => replayed)).toEqual([false, false, true, true])
})

test('every span ends, though the dead letters of its chunk are not taken', async () => {
  const traces = tracing()
  let isAway = true
  const { settle, chunk } = settling({
    tracing: traces,
    publisher: {
      async sendAll() {
        if (isAway) throw new PublishFailure('away')
        return []
      },
    },
  })
  const placed = chunk(0, [valid(), 'not JSON'])
  await expect(settle([placed])).rejects.toThrow('away')
  expect(traces.names).toContain('process requests')
  expect(traces.names).not.toContain('send replies')
  expect(traces.open.size).toBe(0)
  isAway = false
  await settle([placed])
  expect(traces.names).toContain('send replies')
  expect(traces.open.size).toBe(0)
})
