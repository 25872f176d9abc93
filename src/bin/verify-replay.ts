import { commandOf } from '../built.ts'
import { closeStack } from '../close-stack.ts'
import { openDb } from '../db/open.ts'
import { progressOf } from '../db/progress.ts'
import { evidence } from '../db/replay.ts'
import { mismatch } from '../kafka/alignment.ts'
import { kafkaClient } from '../kafka/client.ts'
import { decodeRecord } from '../kafka/decode.ts'
import { readOffsets } from '../kafka/log-offsets.ts'
import { readLog } from '../kafka/read-log.ts'
import { type Difference, replayVerifier, type Tally } from '../verify-replay.ts'
import { progressLine } from './terminal.ts'
import { runTool, UsageError } from './tool.ts'

const ABOUT = `Reads the whole request topic as far as it is settled, and compares what each record must have come to with
what is stored. Writes nothing, neither to the database nor to Kafka.

  ${commandOf('verify-replay')}

  --help  this text

It reads with a consumer group of its own that is named after CONSUMER_GROUP and gone afterwards.
The exit code is 1 when something is not as it must be.`

/** Of each kind; more would tell no more. */
const SHOWN = 100

const ABOUT_COUNTS: Record<keyof Tally, string> = {
  created: 'their workflow is there, as they asked for it',
  conflict: 'another request made the workflow of that name and version',
  rejected: 'unacceptable, and stored so',
  failed: 'refused by the database, and stored so',
  'id reused': 'rejected: the request id belongs to another body',
  'dead letter': 'unreadable, and without an id',
  unknown: 'they left nothing, and the status rows of their time are purged',
  different: 'stored is not what it must be',
}

await runTool({
  about: ABOUT,
  options: {},
  async main({ config, infrastructure, positionals, log, say }) {
    if (positionals.length > 0) throw new UsageError('It takes no arguments; --help tells more')
    const { consumerGroup, topics } = config
    const topic = topics.requests
    const opened = closeStack()
    try {
      const { db, close } = openDb(
        { url: infrastructure.databaseUrl, name: 'verify-replay', maxConnections: 1 },
        log,
      )
      opened.add(close)
      const stored = evidence(db)
      const kafka = kafkaClient(infrastructure.kafka, 'workflow-registrar-verify-replay', log)
      const admin = kafka.admin()
      opened.add(() => admin.disconnect())
      await admin.connect()
      const { clusterId } = await admin.describeCluster()
      if (!(await admin.listTopics()).includes(topic)) throw new Error(`Kafka has no topic ${topic}`)

      const progress = await progressOf(db).read(clusterId, topic)
      const contradictions: string[] = []
      let waiting = 0n
      const stretches = [...(await readOffsets(admin, topic))].map(([partition, ends]) => {
        const next = progress.get(partition) ?? ends.low
        const contradiction = mismatch(partition, next, ends)
        if (contradiction) contradictions.push(contradiction)
        const to = next < ends.high ? next : ends.high
        waiting += ends.high - to
        return { partition, from: ends.low, to }
      })

      const line = progressLine()
      const told = { differences: 0, unknowns: 0 }
      const tell = (kind: keyof typeof told, sentence: string) => {
        told[kind] += 1
        if (told[kind] > SHOWN) return
        line.clear()
        say(sentence)
      }
      const verifier = replayVerifier({
        readEvidence: stored.read,
        rowsKeptSince: await stored.oldestRow(),
        onDifference: ({ stored, mustBe, ...record }) =>
          tell('differences', `${nameOf(record)}: stored is ${stored}; it must be ${mustBe}`),
        onUnknown: (record) =>
          tell('unknowns', `${nameOf(record)}: unknown, nothing is stored of it any more`),
      })
      const total = stretches.reduce((sum, { from, to }) => sum + (to > from ? to - from : 0n), 0n)
      let read = 0
      await readLog({
        ...{ kafka, topic, stretches },
        group: `${consumerGroup}-verify-replay-${crypto.randomUUID()}`,
        async onRecords(partition, records) {
          const from = { clusterId, topic, partition }
          await verifier.verify(
            records.map((record) => ({ partition, offset: record.offset, ...decodeRecord(record, from) })),
          )
          read += records.length
          line.show(`${read} of ${total} records`)
        },
      })
      line.clear()

      const tally = verifier.tally()
      for (const [kind, count] of Object.entries(told))
        if (count > SHOWN) say(`… and ${count - SHOWN} more ${kind}`)
      for (const contradiction of contradictions) say(contradiction)
      say(summary(topic, read, tally, waiting))
      return tally.different > 0 || contradictions.length > 0 ? 1 : 0
    } finally {
      await opened.close()
    }
  },
})

function nameOf({
  partition,
  offset,
  requestId,
}: Pick<Difference, 'partition' | 'offset' | 'requestId'>): string {
  return `partition ${partition} offset ${offset}, request ${requestId}`
}

function summary(topic: string, read: number, tally: Tally, waiting: bigint): string {
  const counts = Object.entries(tally).filter(([kind, count]) => count > 0 || kind === 'different')
  const lines = [
    ...counts.map(([kind, count]) => [kind, String(count), ABOUT_COUNTS[kind as keyof Tally]] as const),
    ...(waiting > 0n
      ? [['waiting', String(waiting), 'offsets beyond the progress, not looked at'] as const]
      : []),
  ]
  const widths = [0, 1].map((column) => Math.max(...lines.map((line) => line[column]!.length)))
  const text = lines.map(
    ([kind, count, about]) => `${kind.padEnd(widths[0]!)}  ${count.padStart(widths[1]!)}  ${about}`,
  )
  return [`${read} records of ${topic} are settled`, ...text].join('\n')
}
