import { Partitioners } from 'kafkajs'
import { median } from '../figure.ts'
import { assignmentAtRest } from '../group.ts'
import type { Lab } from '../lab.ts'
import { drainRate, produce } from '../queue.ts'
import { coreMs, logBytes, walBytes } from './costs.ts'
import type { DrainedBy } from './result.ts'

const WORKERS = [1, 2, 3]
const PARTITIONS = 12

/** What 1, 2 and 3 workers drain, in turn. */
export async function measureWorkers(lab: Lab): Promise<DrainedBy[]> {
  const records = lab.size(100_000)
  const rounds: DrainedBy[] = []
  for (let round = 1; round <= lab.rounds(3); round += 1)
    for (const workers of WORKERS) {
      const drained = await drain(lab, workers, records)
      rounds.push(drained)
      lab.say(`round ${round}, ${workers} workers: ${Math.round(drained.rowsPerSecond[0]!)} rows/s`)
    }
  return [...Map.groupBy(rounds, ({ workers }) => workers).values()].map(together)
}

/** The medians of some rounds. */
function together(rounds: readonly DrainedBy[]): DrainedBy {
  const middle = (of: (round: DrainedBy) => number) => median(rounds.map(of))
  return {
    ...rounds[0]!,
    rowsPerSecond: rounds.flatMap(({ rowsPerSecond }) => rowsPerSecond),
    coreMs: {
      workers: middle((round) => round.coreMs.workers),
      postgres: middle((round) => round.coreMs.postgres),
      kafka: middle((round) => round.coreMs.kafka),
    },
    peakRssBytes: Math.max(...rounds.map((round) => round.peakRssBytes)),
    walBytes: middle((round) => round.walBytes),
    logBytes: {
      requests: middle((round) => round.logBytes.requests),
      replies: middle((round) => round.logBytes.replies),
    },
  }
}

/**
 * The records come in a transaction, which the workers see nothing of until it is committed: by then the group is
 * balanced, and from then on all of them are there.
 */
async function drain(lab: Lab, workers: number, records: number): Promise<DrainedBy> {
  const ground = await lab.ground({ partitions: PARTITIONS })
  const running = await Promise.all(Array.from({ length: workers }, () => lab.start('worker', ground)))
  await assignmentAtRest(lab, ground, workers)
  const producer = lab.kafka.producer({
    transactionalId: ground.topics.requests,
    maxInFlightRequests: 1,
    idempotent: true,
    createPartitioner: Partitioners.DefaultPartitioner,
  })
  await producer.connect()
  const transaction = await producer.transaction()
  await produce(transaction, ground, records)

  const used = () => ({
    workers: running.reduce((sum, worker) => sum + worker.cpuSeconds() * 1_000, 0),
    postgres: coreMs('postgres'),
    kafka: coreMs('java'),
  })
  const before = { ...used(), wal: await walBytes(lab) }
  await transaction.commit()
  const rate = await drainRate(lab, ground, records)
  const after = { ...used(), wal: await walBytes(lab) }
  await producer.disconnect()
  const peaks = running.map((worker) => worker.peakRssBytes())
  for (const worker of running) await worker.stop()

  const each = (name: keyof typeof before) => (after[name] - before[name]) / records
  return {
    workers,
    records,
    rowsPerSecond: [rate],
    coreMs: { workers: each('workers'), postgres: each('postgres'), kafka: each('kafka') },
    peakRssBytes: Math.max(...peaks),
    walBytes: each('wal'),
    logBytes: {
      requests: logBytes(ground.topics.requests) / records,
      replies: logBytes(ground.topics.replies) / records,
    },
  }
}
