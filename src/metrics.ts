import manifest from '../package.json' with { type: 'json' }
import type { PoolState } from './db/open.ts'
import { FAILURE_CLASSES, type FailureClass } from './domain/classify.ts'
import { DOORS, type Door } from './domain/door.ts'
import { OUTCOMES } from './domain/outcome.ts'
import { ID_REUSED, type Registered } from './domain/request.ts'
import { atZero, openInstruments } from './instruments.ts'
import type { ConsumerState } from './kafka/consumer.ts'
import { DEAD_LETTER_CLASSES, type DeadLetterClass } from './kafka/dead-letter.ts'
import type { RegisterMetrics } from './register.ts'

/** What is told of the requests of one door. */
export interface DoorMetrics extends RegisterMetrics {
  ended(outcome: Registered): void
}

export type Metrics = ReturnType<typeof openMetrics>

const BATCH_SIZES = [1, 2, 5, 10, 20, 50, 100, 200, 500]

/** How an item of a batch can end. */
const ITEM_STATUSES = [201, 400, 409, 413, 422, 500, 503]

/** Up to the time that a caller may have an answer held back. */
const ANSWER_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

/** Up to the hours that an outage may last, in which requests wait. */
const OUTCOME_SECONDS = [...ANSWER_SECONDS, 60, 300, 1_800, 7_200]

/** The metrics of a service. What can be counted is there from the start, as far as its labels are known before. */
export function openMetrics() {
  const { counter, histogram, gauge, text, contentType } = openInstruments()

  const requests = counter('requests_total', 'Requests whose outcome was stored, each at most once.', [
    'door',
    'outcome',
  ])
  const reusedIds = counter('reused_ids_total', 'Requests whose id another one had before.', ['door'])
  const replays = counter('replays_total', 'Outcomes that had been stored before.', ['door', 'outcome'])
  const accepted = counter(
    'accepted_total',
    'Requests at the asynchronous HTTP door that Kafka has acknowledged.',
  )
  const timeToOutcome = histogram(
    'time_to_outcome_seconds',
    'From the acceptance of a request to its stored outcome.',
    ['door'],
    OUTCOME_SECONDS,
  )
  const batches = histogram(
    'batch_requests',
    'How many requests were registered together.',
    ['door'],
    BATCH_SIZES,
  )
  const retries = counter('retries_total', 'Steps that failed and are tried again.', ['class'])
  const deadLetters = counter('dead_letters_total', 'Records that were parked as dead letters.', ['class'])
  const settledRecords = counter(
    'settled_records_total',
    'Records of the request topic that the worker is done with.',
  )
  const httpRequests = counter('http_requests_total', 'HTTP requests.', ['operation', 'status'])
  const batchItems = counter('batch_items_total', 'Items of batches, each by its own status.', ['status'])
  const httpSeconds = histogram(
    'http_request_duration_seconds',
    'From the head of an HTTP request to the end of its answer.',
    ['operation'],
    ANSWER_SECONDS,
  )
  gauge('build_info', 'The version of this service, in a label.', ['version'], () => [
    [{ version: manifest.version }, 1],
  ])

  const pools = new Map<string, () => PoolState>()
  gauge('pool_connections', 'Connections to PostgreSQL.', ['pool', 'state'], () =>
    [...pools].flatMap(([pool, read]) => {
      const { idle, busy } = read()
      return [
        [{ pool, state: 'idle' }, idle],
        [{ pool, state: 'busy' }, busy],
      ] as const
    }),
  )
  gauge('pool_waiting', 'Who waits for a connection to PostgreSQL.', ['pool'], () =>
    [...pools].map(([pool, read]) => [{ pool }, read().waiting] as const),
  )

  const retried = byName(FAILURE_CLASSES, (name) => atZero(retries.labels(name)))
  const parked = byName(DEAD_LETTER_CLASSES, (name) => atZero(deadLetters.labels(name)))

  function openDoor(door: Door): DoorMetrics {
    const ended = byName(OUTCOMES, (outcome) => atZero(requests.labels(door, outcome)))
    const replayed = byName(OUTCOMES, (outcome) => atZero(replays.labels(door, outcome)))
    const reused = atZero(reusedIds.labels(door))
    timeToOutcome.zero({ door })
    batches.zero({ door })
    const time = timeToOutcome.labels(door)
    const batch = batches.labels(door)
    return {
      ended(told) {
        if (told.replayed) return replayed[told.outcome].inc()
        if (told.rejection === ID_REUSED) return reused.inc() // nothing is stored of it, and its times are another's
        ended[told.outcome].inc()
        time.observe(Math.max(0, Date.now() - told.acceptedAt.getTime()) / 1_000)
      },
      batch: (requests) => batch.observe(requests),
      retried: (failureClass) => retried[failureClass].inc(),
    }
  }
  const doors = byName(DOORS, openDoor)

  return {
    text,
    contentType,

    door: (door: Door) => doors[door],

    /** Kafka has a request of the asynchronous HTTP door. */
    accepted: () => accepted.inc(),

    /** The doors are there: of these operations the answers that an alert waits for are told from the start. */
    doors(operations: readonly string[]) {
      for (const operation of operations)
        for (const status of ['500', '503']) atZero(httpRequests.labels({ operation, status }))
      for (const status of ITEM_STATUSES) atZero(batchItems.labels({ status: String(status) }))
    },

    /** An item of a batch has its result. */
    itemAnswered: (status: number) => batchItems.inc({ status }),

    /** An HTTP request is answered, or nobody waits for it any more. */
    answered(operation: string, status: string, seconds?: number) {
      httpRequests.inc({ operation, status })
      if (seconds !== undefined) httpSeconds.observe({ operation }, seconds)
    },

    /** A record is on the dead-letter topic. */
    parked: (deadLetterClass: DeadLetterClass) => parked[deadLetterClass].inc(),

    /** The worker is done with so many records. */
    settled: (records: number) => settledRecords.inc(records),

    /** A step of the worker is tried again. */
    retried: (failureClass: FailureClass) => retried[failureClass].inc(),

    /** Has a pool of connections told of. */
    pool: (name: string, read: () => PoolState) => void pools.set(name, read),

    /** Has a worker told of, and why it is not ready; `read` answers undefined while it has not started. */
    worker(read: () => ConsumerState | undefined, troubles: () => Promise<readonly string[]>) {
      const one = (name: string, help: string, figure: (state: ConsumerState) => number) =>
        gauge(name, help, [], () => {
          const state = read()
          return [[{}, state ? figure(state) : 0]]
        })
      gauge('lag_records', 'Records of a partition that are not settled yet.', ['partition'], () =>
        [...(read()?.lag ?? [])].map(([partition, records]) => [{ partition }, records] as const),
      )
      one(
        'oldest_pending_age_seconds',
        'Age, by its timestamp, of the oldest record that is not settled; 0 when there is none.',
        ({ oldestPendingSeconds }) => oldestPendingSeconds,
      )
      one('assigned_partitions', 'Partitions that the worker consumes.', ({ assigned }) => assigned)
      one('waiting_partitions', 'Partitions that wait, or stand still.', ({ waiting }) => waiting)
      gauge('worker_troubles', 'Reasons why the worker is not ready.', [], async () => [
        [{}, (await troubles()).length],
      ])
    },
  }
}

function byName<const N extends string, T>(names: readonly N[], make: (name: N) => T): Record<N, T> {
  return Object.fromEntries(names.map((name) => [name, make(name)])) as Record<N, T>
}
