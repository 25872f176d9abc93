import { afterEach, describe, expect, test } from 'vitest'
import { type WatchParts, watch } from '../../src/kafka/watch.ts'
import { until } from '../support/until.ts'

const INTERVAL_MS = 10
const STALL_MS = 100

const open: ReturnType<typeof watch>[] = []
afterEach(() => {
  for (const one of open.splice(0)) one.stop()
})

/** Watches a consumer of partition 0 that has settled 5 of the 8 records from 2 to 9, and shows no sign of life. */
function watching(parts: Partial<WatchParts> = {}) {
  const alarms: Error[] = []
  let looks = 0
  const one = watch({
    readOffsets: async () => new Map([[0, { low: 2n, high: 10n }]]),
    readProgress: async () => {
      looks += 1
      return new Map([[0, 7n]])
    },
    assigned: () => [0],
    isMember: () => true,
    isBusy: () => false,
    onStall: (error) => void alarms.push(error),
    intervalMs: INTERVAL_MS,
    stallMs: STALL_MS,
    ...parts,
  })
  open.push(one)
  return { ...one, alarms, looks: () => looks }
}

/** Long enough for an alarm: a watch that has begun later has raised one, and another. */
async function longEnough() {
  const control = watching()
  await until('an alarm where one is due', () => control.alarms.length >= 2)
}

test('a consumer that has records to settle and gives no sign of life is told of, with how many wait', async () => {
  const began = performance.now()
  const { alarms } = watching()
  await until('an alarm', () => alarms.length > 0)
  expect(performance.now() - began).toBeGreaterThan(STALL_MS)
  expect(alarms[0]!.message).toBe(
    'The consumer stands still: 3 records of partition 0 wait, and none was fetched for 100 ms',
  )
})

test('where nothing was ever settled, all records that are there wait', async () => {
  const { alarms } = watching({ readProgress: async () => new Map() })
  await until('an alarm', () => alarms.length > 0)
  expect(alarms[0]!.message).toContain('8 records of partition 0 wait')
})

test('a consumer that does not come into its group is told of, once it had time enough', async () => {
  const began = performance.now()
  const { alarms } = watching({ isMember: () => false, joinMs: 2 * STALL_MS })
  await until('an alarm', () => alarms.length > 0)
  expect(performance.now() - began).toBeGreaterThan(2 * STALL_MS)
  expect(alarms[0]!.message).toBe('The consumer stands still: it has not come into its group for 200 ms')
})

const QUIET: [string, Partial<WatchParts>][] = [
  ['everything is settled', { readProgress: async () => new Map([[0, 10n]]) }],
  [
    'its topic is empty',
    { readOffsets: async () => new Map([[0, { low: 0n, high: 0n }]]), readProgress: async () => new Map() },
  ],
  ['a chunk is in hand or a partition waits on purpose', { isBusy: () => true }],
  ['it has no partition', { assigned: () => [] }],
  ['its group has new members', { isMember: () => false }],
  ['the records that wait are those of others', { assigned: () => [1] }],
  [
    'records are missing from its log, which has its own reason',
    { readProgress: async () => new Map([[0, 1n]]) },
  ],
  [
    'it is outside its group because Kafka is away',
    { isMember: () => false, joinMs: 0, readOffsets: async () => Promise.reject(new Error('away')) },
  ],
  ['Kafka is away', { readOffsets: async () => Promise.reject(new Error('away')) }],
  ['PostgreSQL is away', { readProgress: async () => Promise.reject(new Error('away')) }],
]
test.each(QUIET)('there is no alarm while %s', async (_, parts) => {
  const { alarms } = watching(parts)
  await longEnough()
  expect(alarms).toEqual([])
})

test('there is no alarm while it gives signs of life, and one once they stop', async () => {
  const one = watching()
  const beating = setInterval(() => one.active(0), INTERVAL_MS)
  await longEnough()
  expect(one.alarms).toEqual([])
  clearInterval(beating)
  await until('an alarm', () => one.alarms.length > 0)
})

test.each(['readOffsets', 'readProgress'] as const)(
  'the time in which %s failed is not held against the consumer',
  async (name) => {
    const calls = {
      readOffsets: async () => new Map([[0, { low: 2n, high: 10n }]]),
      readProgress: async () => new Map([[0, 7n]]),
    }
    let away = true
    let backAt = 0
    const one = watching({
      ...calls,
      async [name]() {
        if (away) throw new Error('away')
        backAt ||= performance.now()
        return calls[name]() as never
      },
    })
    await longEnough()
    away = false
    await until('an alarm', () => one.alarms.length > 0)
    expect(performance.now() - backAt).toBeGreaterThan(STALL_MS / 2)
  },
)

describe('who does not answer', () => {
  const SILENCE_MS = 50
  const KAFKA = 'Kafka does not answer for the request topic'
  const DATABASE = 'PostgreSQL does not tell how far the log is settled'

  test.each([
    ['refuses', () => Promise.reject(new Error('away'))],
    ['is silent', () => new Promise<never>(() => {})],
  ])('is told of once it was long enough, where it %s', async (_, answer) => {
    const began = performance.now()
    const one = watching({ silenceMs: SILENCE_MS, readOffsets: answer })
    await until('the reason', () => one.silences().length > 0)
    expect(performance.now() - began).toBeGreaterThan(SILENCE_MS)
    expect(one.silences()).toEqual([KAFKA])
  })

  test('is told of by name, and no more once it answers', async () => {
    const away = { kafka: true, database: true }
    const one = watching({
      silenceMs: SILENCE_MS,
      readOffsets: async () => {
        if (away.kafka) throw new Error('away')
        return new Map()
      },
      readProgress: async () => {
        if (away.database) throw new Error('away')
        return new Map()
      },
    })
    await until('both reasons', () => one.silences().length === 2)
    expect(one.silences().sort()).toEqual([KAFKA, DATABASE])
    away.kafka = false
    await until('one reason', () => one.silences().length === 1)
    expect(one.silences()).toEqual([DATABASE])
    away.database = false
    await until('no reason', () => one.silences().length === 0)
  })

  test('is nobody while answers come', async () => {
    const one = watching({ silenceMs: SILENCE_MS })
    const silences: string[] = []
    await until('many looks', () => {
      silences.push(...one.silences())
      return one.looks() > 20
    })
    expect(silences).toEqual([])
  })
})

test('after it was stopped, it looks no more and raises no alarm', async () => {
  const one = watching()
  one.stop()
  const looks = one.looks()
  await longEnough()
  expect(one.alarms).toEqual([])
  expect(one.looks()).toBe(looks)
})

test('one look at a time, however long it takes', async () => {
  let under = 0
  let most = 0
  const slow = Promise.withResolvers<Map<number, bigint>>()
  watching({
    readProgress: async () => {
      under += 1
      most = Math.max(most, under)
      const answer = await slow.promise
      under -= 1
      return answer
    },
  })
  await longEnough()
  expect(most).toBe(1)
  slow.resolve(new Map())
})

test.each([
  [
    'ends before the progress',
    { low: 0n, high: 6n },
    'partition 0: the log ends at 6, before the progress 7',
  ],
  [
    'begins after the progress',
    { low: 8n, high: 10n },
    'partition 0: the log begins at 8, after the progress 7',
  ],
])('a log that %s is told of for as long as it does', async (_, offsets, reason) => {
  let now = offsets
  const one = watching({ readOffsets: async () => new Map([[0, now]]) })
  await until('the reason', () => one.mismatches().size > 0)
  expect([...one.mismatches().values()]).toEqual([expect.stringContaining(reason)])
  now = { low: 0n, high: 7n }
  await until('no reason', () => one.mismatches().size === 0)
})

test('what is settled while it looks does not look like more than there is', async () => {
  let settled = 0n
  const one = watching({
    readProgress: async () => new Map([[0, ++settled]]),
    readOffsets: async () => new Map([[0, { low: 0n, high: ++settled }]]),
  })
  let mismatches: string[] = []
  await until('many looks', () => {
    mismatches = [...mismatches, ...one.mismatches().values()]
    return settled > 40n
  })
  expect(mismatches).toEqual([])
})

describe('a partition with records to settle', () => {
  const STANDSTILL_MS = 50
  const REASON = 'partition 0 makes no progress: 3 records wait'
  const unfinished = (parts: Partial<WatchParts> = {}) =>
    watching({ standstillMs: STANDSTILL_MS, isBusy: () => true, ...parts })

  test.each([
    ['though a chunk is in hand', true],
    ['and nothing is in hand', false],
  ])('of which nothing is settled is told of, %s', async (_, isBusy) => {
    const one = unfinished({ isBusy: () => isBusy, stallMs: 60_000 })
    const [[partition, reason] = []] = await until('the reason', () => {
      const found = [...one.standstills()]
      return found.length > 0 && found
    })
    expect({ partition, reason }).toEqual({ partition: 0, reason: REASON })
    expect(one.alarms).toEqual([])
  })

  test('that goes on is told of no more', async () => {
    let settled = 7n
    const one = unfinished({ readProgress: async () => new Map([[0, settled]]) })
    await until('the reason', () => one.standstills().size > 0)
    settled = 8n
    await until('no reason', () => one.standstills().size === 0)
  })

  test('that is settled bit by bit is not told of', async () => {
    let settled = 0n
    const one = unfinished({
      readProgress: async () => new Map([[0, ++settled]]),
      readOffsets: async () => new Map([[0, { low: 0n, high: 1_000_000n }]]),
    })
    const control = unfinished()
    await until('the reason where one is due', () => control.standstills().size > 0)
    const since = settled
    await until('more looks', () => settled > since + 10n)
    expect(one.standstills()).toEqual(new Map())
  })

  test.each([
    ['is not told of so soon while there is plenty of others that come first', false, 100, 0],
    ['is told of though there is plenty of others, after a while', false, 1 / 5, 1],
    ['is told of while others are settled and it is in hand', true, 1, 1],
  ])('%s', async (_, isInHand, share, reasons) => {
    let settled = 0n
    const one = unfinished({
      standstillMs: STANDSTILL_MS * share,
      assigned: () => [0, 1],
      isBusy: (partition) => partition === undefined || (partition === 0 && isInHand),
      readProgress: async () =>
        new Map([
          [0, 7n],
          [1, ++settled],
        ]),
      readOffsets: async () =>
        new Map([
          [0, { low: 2n, high: 10n }],
          [1, { low: 0n, high: 1_000_000n }],
        ]),
    })
    const control = unfinished()
    await until('the reason where one is due', () => control.standstills().size > 0)
    const since = settled
    await until('more looks', () => settled > since + 10n)
    expect(one.standstills().size).toBe(reasons)
  })

  test('is told of while its group has new members, who settle nothing', async () => {
    const one = unfinished({ isBusy: () => false, isMember: () => false })
    await until('the reason', () => one.standstills().get(0) === REASON)
    expect(one.isOutside()).toBe(true)
  })

  test('is not told of for the time in which nobody could look', async () => {
    let isAway = false
    const one = unfinished({
      readProgress: async () => {
        if (isAway) throw new Error('away')
        return new Map([[0, 7n]])
      },
    })
    await until('the reason', () => one.standstills().size > 0)
    isAway = true
    await until('no reason', () => one.standstills().size === 0)
  })
})
