import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type Addressed, NoSuchPartition, type Publisher, PublishFailure } from '../../src/kafka/publish.ts'
import { openReplies, type Reply, ROUTE_TIMEOUT_MS } from '../../src/kafka/replies.ts'
import { createLogger } from '../../src/logger.ts'
import type { Span } from '../../src/span.ts'
import { until } from '../support/until.ts'

/** Time stands still unless a test moves it, so what is done meanwhile has waited for none. */
beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] }))
afterEach(() => void vi.useRealTimers())

const soon = () => new Promise((resolve) => setImmediate(resolve))

const reply = (name: string, topic?: string, partition?: number): Reply => ({
  message: { key: name, value: '' },
  smaller: () => undefined,
  destination: topic === undefined ? undefined : { topic, partition },
})

const namesOf = (records: readonly Addressed[]) => records.map(({ message }) => String(message.key))

/** A publisher that does what `sendAll` does. */
const publisher = (sendAll: Publisher['sendAll']): Publisher => ({
  ...{ sendAll, send: () => Promise.reject(), close: async () => {} },
})

const never = () => new Promise<never>(() => {})

function repliesOver(openRoute: () => Promise<Publisher>) {
  const here: string[] = []
  const lines: string[] = []
  let kafkaAnswers: () => Promise<unknown> = async () => {}
  const log = createLogger('silent')
  const replies = openReplies({
    publisher: {
      sendAll: async (records) => {
        here.push(...namesOf(records))
        return []
      },
    },
    ...{ defaultTopic: 'default', allowedTopics: ['mine'], openRoute },
    kafkaAnswers: () => kafkaAnswers(),
    log: Object.assign(Object.create(log), {
      info: (_: object, line: string) => lines.push(line),
      warn: (_: object, line: string) => lines.push(line),
    }),
  })
  const setKafka = (answers: () => Promise<unknown>) => {
    kafkaAnswers = answers
  }
  return { ...replies, here, lines, setKafka }
}

test('a topic that does not answer holds up one chunk for a moment, and from then on nobody', async () => {
  let asked = 0
  const replies = repliesOver(() => {
    asked += 1
    return never()
  })
  const first = replies.send([reply('for mine', 'mine'), reply('for default')])
  for (const tries of [1, 2]) {
    await until('it is asked', async () => {
      await soon()
      return asked === tries
    })
    expect(replies.here, 'the others have gone meanwhile').toEqual(['for default'])
    await vi.advanceTimersByTimeAsync(ROUTE_TIMEOUT_MS)
  }
  await first
  expect(replies.here).toEqual(['for default', 'for mine'])

  vi.setSystemTime(Date.now() + 60_000)
  await replies.send([reply('again', 'mine')])
  expect(replies.here.at(-1)).toBe('again')
  expect(asked, 'it is asked again, and nobody waits for that').toBe(3)
  await replies.send([reply('and again', 'mine')])
  expect(replies.here.at(-1)).toBe('and again')
  expect(asked).toBe(3)
})

test('the span of a reply is that of the topic it went to', async () => {
  const told: Record<string, unknown>[] = []
  const span: Span = {
    context: { traceparent: '' },
    begin: () => span,
    set: (attributes) => void told.push(attributes),
    become: ({ name, attributes }) => void told.push({ name, ...attributes }),
    ...{ fail() {}, end() {} },
  }
  const replies = repliesOver(() => Promise.reject(new PublishFailure('no')))
  const sent = replies.send([{ ...reply('a', 'mine'), span }])
  await vi.advanceTimersByTimeAsync(10_000)
  await sent
  expect(replies.here).toEqual(['a'])
  expect(Object.assign({}, ...told)).toMatchObject({
    name: 'send default',
    'messaging.destination.name': 'default',
    'registrar.reply_fallback': 'refused',
  })
})

test('while all of Kafka is silent for a while no topic is blamed for it', async () => {
  const awake = Promise.withResolvers<void>()
  const there: string[] = []
  let asked = 0
  const replies = repliesOver(async () =>
    publisher((records) => {
      asked += 1
      if (asked === 1) return never()
      there.push(...namesOf(records))
      return Promise.resolve([])
    }),
  )
  replies.setKafka(() => awake.promise)
  const sent = replies.send([reply('a', 'mine')])
  await until('it is asked', async () => {
    await soon()
    return asked === 1
  })
  await vi.advanceTimersByTimeAsync(60_000)
  expect(replies.here).toEqual([])
  awake.resolve()
  await sent
  expect([there, replies.here]).toEqual([['a'], []])
})

test('while all of Kafka is away nothing is settled, and no topic is blamed for it', async () => {
  let isAway = true
  const there: string[] = []
  const replies = repliesOver(async () => {
    if (isAway) throw new PublishFailure('Kafka is away')
    return publisher(async (records) => {
      there.push(...namesOf(records))
      return []
    })
  })
  replies.setKafka(() => Promise.reject(new Error('away')))
  await expect(replies.send([reply('a', 'mine')])).rejects.toThrow(PublishFailure)
  isAway = false
  replies.setKafka(async () => {})
  await replies.send([reply('a', 'mine')])
  expect([there, replies.here]).toEqual([['a'], []])
})

test('a topic is healed by a reply that it took, and by nothing else', async () => {
  let mode: 'refuses' | 'lacks the partition' | 'takes' = 'refuses'
  const there: string[] = []
  const replies = repliesOver(async () =>
    publisher(async (records) => {
      if (mode === 'refuses') throw new PublishFailure('no')
      if (mode === 'lacks the partition')
        throw new PublishFailure('no', { cause: new NoSuchPartition('no such partition') })
      there.push(...namesOf(records))
      return []
    }),
  )
  await replies.send([reply('a', 'mine')])
  expect(replies.lines).toHaveLength(1)
  mode = 'lacks the partition'
  vi.setSystemTime(Date.now() + 60_000)
  await replies.send([reply('b', 'mine', 99)])
  await soon()
  mode = 'takes'
  await replies.send([reply('c', 'mine')])
  expect([there, replies.lines.length]).toEqual([[], 1])
  vi.setSystemTime(Date.now() + 60_000)
  await replies.send([reply('d', 'mine')])
  await until('it is healed', async () => {
    await soon()
    return replies.lines.length === 2
  })
  await replies.send([reply('e', 'mine')])
  expect(there).toEqual(['d', 'e'])
  expect(replies.here).toEqual(['a', 'b', 'c', 'd'])
})
