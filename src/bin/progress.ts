import { commandOf } from '../built.ts'
import { closeStack } from '../close-stack.ts'
import { openDb } from '../db/open.ts'
import { progressOf, type StoredProgress } from '../db/progress.ts'
import { mismatch } from '../kafka/alignment.ts'
import { kafkaClient } from '../kafka/client.ts'
import { type LogOffsets, readCommitted, readOffsets } from '../kafka/log-offsets.ts'
import { table } from './terminal.ts'
import { runTool, UsageError } from './tool.ts'

const ABOUT = `Shows how far the request topic is settled, and says how to go on where the topic and the database contradict
each other. A worker that stopped there goes on by itself.

  ${commandOf('progress', 'show')}
  ${commandOf('progress', 'accept [--partition N] [--dry-run]')}
  ${commandOf('progress', 'reset [--partition N] [--dry-run] [--force]')}

  show         the offsets of each partition, with a verdict; the exit code is 1 where something is wrong
  accept       where the log begins after the progress: the records between are lost, and it goes on after them
  reset        where the log ends before the progress: the topic was made anew, and it goes on at its start;
               the outcome of a request accepted before that is then not known, unless it is stored
  --partition  this one alone
  --dry-run    says what would be done
  --force      resets a log that does not end before the progress too: it was made anew and has grown since
  --help       this text`

/** One partition, as the broker and the database know it. What is undefined is not there. */
interface Row {
  partition: number
  log: { low: bigint; high: bigint } | undefined
  stored: StoredProgress | undefined
  /** What the group has committed. */
  committed: bigint | undefined
  contradiction: string | undefined
}

await runTool({
  about: ABOUT,
  options: {
    partition: { type: 'string' },
    'dry-run': { type: 'boolean', default: false },
    force: { type: 'boolean', default: false },
  },
  async main({ config, infrastructure, values, positionals, log, say }) {
    const [command = 'show', ...others] = positionals
    if (!['show', 'accept', 'reset'].includes(command) || others.length > 0)
      throw new UsageError('Say one of show, accept and reset; --help tells more')
    if (values.force && command !== 'reset') throw new UsageError('--force goes with reset only')
    if (values.partition !== undefined && !/^\d{1,9}$/.test(values.partition))
      throw new UsageError('--partition takes the number of one partition')

    const { consumerGroup: group, topics } = config
    const topic = topics.requests
    const opened = closeStack()
    try {
      const { db, close } = openDb(
        { url: infrastructure.databaseUrl, name: 'progress', maxConnections: 1 },
        log,
      )
      opened.add(close)
      const progress = progressOf(db)
      const everything = await progress.readAll()

      const admin = kafkaClient(infrastructure.kafka, 'workflow-registrar-progress', log).admin()
      opened.add(() => admin.disconnect())
      await admin.connect()
      const { clusterId } = await admin.describeCluster()
      if (!(await admin.listTopics()).includes(topic)) throw new Error(`Kafka has no topic ${topic}`)
      const committed = await readCommitted(admin, group, topic)
      const offsets = await readOffsets(admin, topic)

      const isOurs = (stored: StoredProgress) => stored.clusterId === clusterId && stored.topic === topic
      const rows = rowsOf(offsets, everything.filter(isOurs), committed)
      const chosen = rows.filter(
        ({ partition }) => !values.partition || partition === Number(values.partition),
      )
      if (chosen.length === 0)
        throw new UsageError(
          `The topic ${topic} has no partition ${values.partition}, and never had one settled`,
        )

      if (command === 'show') {
        say(`Topic ${topic} of cluster ${clusterId}, consumer group ${group}\n\n${tableOf(chosen)}`)
        const elsewhere = everything.filter((stored) => !isOurs(stored))
        if (elsewhere.length > 0) say(`\nOther logs that were settled from\n\n${otherLogs(elsewhere)}`)
        return chosen.some(({ contradiction }) => contradiction) ? 1 : 0
      }

      const isReset = command === 'reset'
      const moves = isReset ? resets(chosen, values.force) : acceptances(chosen)
      if (moves.length === 0) throw new Error(refusal(command, chosen))
      let code = 0
      for (const { stored, to, why } of moves) {
        const { partition, nextOffset } = stored
        const isDone = values['dry-run'] || (await progress.put(stored, to, isReset))
        if (!isDone) code = 1
        say(
          isDone
            ? `partition ${partition}: the progress ${values['dry-run'] ? 'would go' : 'goes'} from ${nextOffset} to ${to}; ${why}`
            : `partition ${partition}: the progress is no longer ${nextOffset}, and was left as it is; look again`,
        )
      }
      return code
    } finally {
      await opened.close()
    }
  },
})

/** A partition that is gone with its topic counts as an empty one. */
function rowsOf(
  offsets: LogOffsets,
  stored: StoredProgress[],
  committed: ReadonlyMap<number, bigint>,
): Row[] {
  const partitions = new Set([...offsets.keys(), ...stored.map(({ partition }) => partition)])
  return [...partitions]
    .sort((a, b) => a - b)
    .map((partition) => {
      const log = offsets.get(partition)
      const progress = stored.find((one) => one.partition === partition)
      return {
        partition,
        log,
        stored: progress,
        committed: committed.get(partition),
        contradiction: progress && mismatch(partition, progress.nextOffset, log ?? { low: 0n, high: 0n }),
      }
    })
}

interface Move {
  stored: StoredProgress
  to: bigint
  why: string
}

function acceptances(rows: readonly Row[]): Move[] {
  return rows.flatMap(({ log, stored }) => {
    if (!log || !stored || log.low <= stored.nextOffset) return []
    const count = log.low - stored.nextOffset
    return { stored, to: log.low, why: `${count} ${count === 1n ? 'offset is' : 'offsets are'} given up` }
  })
}

function resets(rows: readonly Row[], force: boolean): Move[] {
  return rows.flatMap(({ log = { low: 0n, high: 0n }, stored }) => {
    if (!stored || (log.high >= stored.nextOffset && !force)) return []
    return { stored, to: log.low, why: 'offsets given out before now are void' }
  })
}

function refusal(command: string, rows: readonly Row[]): string {
  const others = rows.flatMap(({ contradiction }) => contradiction ?? [])
  if (others.length > 0) return `Nothing to ${command}: ${others.join('; ')}`
  return command === 'accept'
    ? 'Nothing to accept: no log begins after its progress'
    : 'Nothing to reset: no log ends before its progress; --force does it all the same'
}

function tableOf(rows: readonly Row[]): string {
  return table(
    ['partition', 'log start', 'log end', 'progress', 'committed', 'lag', 'verdict'],
    rows.map(({ partition, log, stored, committed, contradiction }) => {
      const waiting = log ? log.high - (stored?.nextOffset ?? log.low) : 0n
      const verdict = contradiction ?? (waiting > 0n ? `${waiting} waiting` : 'ok')
      const lag = contradiction ? undefined : waiting
      return [partition, log?.low, log?.high, stored?.nextOffset, committed, lag, verdict]
    }),
  )
}

function otherLogs(logs: readonly StoredProgress[]): string {
  return table(
    ['cluster', 'topic', 'partition', 'progress'],
    logs.map(({ clusterId, topic, partition, nextOffset }) => [clusterId, topic, partition, nextOffset]),
  )
}
