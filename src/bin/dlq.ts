import { commandOf } from '../built.ts'
import { closeStack } from '../close-stack.ts'
import { isUuid } from '../domain/ids.ts'
import { kafkaClient } from '../kafka/client.ts'
import {
  type DeadLetter,
  type DeadLetters,
  deadLettersOf,
  partitionCounts,
  readDeadLetter,
  redrive,
  SKIPS,
  type Skip,
} from '../kafka/dead-letters.ts'
import { openPublisher } from '../kafka/publish.ts'
import { printable, progressLine, table } from './terminal.ts'
import { runTool, UsageError } from './tool.ts'

const ABOUT = `Shows the dead letters: records of the request topic that could not be read, or that the database refused for
good. And puts them back, once what was wrong with them is mended.

  ${commandOf('dlq', 'list [--cause CLASS[/CODE]] [--limit N] [--json]')}
  ${commandOf('dlq', 'redrive (--cause CLASS[/CODE] | --id REQUEST_ID | --all) [--limit N] [--max-redrives N] [--dry-run]')}

  list            how many there are of each cause, then the newest (20). Never what is in them
  redrive         puts each that is chosen back on its topic as a new request, caused by the old one. The old one
                  stays as it ended, and keeps its idempotency key. Where it came back as a newer dead letter, that
                  one alone is redriven. The exit code is 1 when one was left out that somebody has to see to
  --cause         those of the class unreadable or failed, or of the code too: failed/23514, "unreadable/not JSON"
  --id            those of this request
  --all           all of them
  --limit         list: that many of the newest; redrive: at most that many, from the oldest on
  --max-redrives  leaves out what was redriven that often (5)
  --json          one JSON document instead of tables
  --dry-run       says what would be done
  --help          this text

Dead letters stay in their topic until its retention is over; nothing here removes them. Whoever redrives one twice
repeats the same request, which has one effect. So does an interruption no harm: Ctrl-C, and do it again.`

const SHOWN = 20
const MAX_REDRIVES = 5
/** More would tell no more. */
const LINES_SHOWN = 100

await runTool({
  about: ABOUT,
  options: {
    cause: { type: 'string' },
    id: { type: 'string' },
    all: { type: 'boolean', default: false },
    limit: { type: 'string' },
    'max-redrives': { type: 'string' },
    json: { type: 'boolean', default: false },
    'dry-run': { type: 'boolean', default: false },
  },
  async main({ config, infrastructure, values, positionals, log, say }) {
    const [command, ...others] = positionals
    if ((command !== 'list' && command !== 'redrive') || others.length > 0)
      throw new UsageError('Say one of list and redrive; --help tells more')
    const isList = command === 'list'
    const foreign = (isList ? (['id', 'all', 'max-redrives', 'dry-run'] as const) : (['json'] as const)).find(
      (name) => values[name] !== undefined && values[name] !== false,
    )
    if (foreign) throw new UsageError(`--${foreign} does not go with ${command}`)
    const ways = [values.cause !== undefined, values.id !== undefined, values.all].filter(Boolean)
    if (!isList && ways.length !== 1) throw new UsageError('Say one of --cause, --id and --all')
    if (values.id !== undefined && !isUuid(values.id)) throw new UsageError('--id takes a request id, a UUID')
    const isChosen = chooser(values.cause, values.id?.toLowerCase())
    const limit = count('limit', values.limit)
    const maxRedrives = count('max-redrives', values['max-redrives']) ?? MAX_REDRIVES

    const { topics, consumerGroup, kafkaSendTimeoutMs: timeoutMs } = config
    const topic = topics.deadLetters
    const opened = closeStack()
    try {
      const kafka = kafkaClient(infrastructure.kafka, 'workflow-registrar-dlq', log)
      const admin = kafka.admin()
      opened.add(() => admin.disconnect())
      await admin.connect()
      const letters = await deadLettersOf({ kafka, admin, topic, group: `${consumerGroup}-dlq` })
      if (isList) {
        const summary = await summarise(letters, isChosen, limit ?? SHOWN)
        say(values.json ? JSON.stringify({ topic, ...summary }, null, 2) : textOf(topic, summary))
        return 0
      }

      const isDry = values['dry-run']
      const publisher = isDry ? undefined : await openPublisher(kafka, { timeoutMs })
      if (publisher) opened.add(() => publisher.close())
      const report = redriveReport(say, isDry)
      process.prependListener('SIGINT', report.interrupted)
      const left = await redrive({
        ...{ letters, isChosen, maxRedrives, limit: limit ?? Number.POSITIVE_INFINITY },
        partitionsOf: partitionCounts(admin),
        sendAll: publisher?.sendAll ?? (async () => []),
        onRedriven: report.redriven,
        onSkipped: report.skipped,
        onRead: (read) => report.line.show(`${read} of ${2 * letters.total} read`),
      })
      process.removeListener('SIGINT', report.interrupted)
      const found = report.end(left, topic)
      return report.hasTrouble() || (values.id !== undefined && !found) ? 1 : 0
    } finally {
      await opened.close()
    }
  },
})

function count(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (!/^\d{1,9}$/.test(text)) throw new UsageError(`--${option} takes a number`)
  return Number(text)
}

function chooser(cause: string | undefined, id: string | undefined): (letter: DeadLetter) => boolean {
  if (id !== undefined) return ({ requestId }) => requestId === id
  if (cause === undefined) return () => true
  const [, wantedClass, wantedCode] = /^(unreadable|failed)(?:\/(.+))?$/.exec(cause) ?? []
  if (wantedClass === undefined)
    throw new UsageError('--cause takes unreadable or failed, and after a slash a code')
  return (letter) => letter.class === wantedClass && (wantedCode === undefined || letter.code === wantedCode)
}

interface Cause {
  class: string | null
  code: string | null
  count: number
}

interface Summary {
  total: number
  causes: Cause[]
  newest: ReturnType<typeof rowOf>[]
}

async function summarise(
  letters: DeadLetters,
  isChosen: (letter: DeadLetter) => boolean,
  limit: number,
): Promise<Summary> {
  const causes = new Map<string, Cause>()
  let newest: DeadLetter[] = []
  let read = 0
  let total = 0
  const line = progressLine()
  await letters.read(async (records) => {
    const chosen = records.map(readDeadLetter).filter(isChosen)
    for (const letter of chosen) {
      const name = nameOf(letter)
      const cause = causes.get(name) ?? { class: letter.class, code: letter.code, count: 0 }
      causes.set(name, cause)
      cause.count += 1
    }
    newest = [...chosen.toReversed(), ...newest]
      .sort((a, b) => (a.time < b.time ? 1 : a.time > b.time ? -1 : 0))
      .slice(0, limit)
    total += chosen.length
    read += records.length
    line.show(`${read} of ${letters.total} read`)
  })
  line.clear()
  return {
    total,
    causes: [...causes.values()].sort((a, b) => b.count - a.count),
    newest: newest.map(rowOf),
  }
}

function rowOf(letter: DeadLetter) {
  const { requestId, redrives, valueLost, isBatch, key, ...rest } = letter
  return { ...rest, request_id: requestId, key, redrives, value_lost: valueLost, is_batch: isBatch }
}

function nameOf({ class: name, code }: Pick<Cause, 'class' | 'code'>): string {
  return code === null ? (name ?? 'unknown') : `${name ?? 'unknown'}/${code}`
}

function textOf(topic: string, { total, causes, newest }: Summary): string {
  if (total === 0) return `No dead letters on ${topic}`
  const counts = table(
    ['cause', 'count'],
    causes.map((cause) => [printable(nameOf(cause)), cause.count]),
  )
  if (newest.length === 0) return `${amount(total)} on ${topic}\n\n${counts}`
  const rows = table(
    ['time', 'class', 'code', 'origin', 'request id', 'workflow key', 'bytes'],
    newest.map((row) => [
      ...[
        row.time,
        row.class,
        row.code,
        `${row.topic ?? '-'}/${row.partition ?? '-'}/${row.offset ?? '-'}`,
      ].map(shown),
      ...[row.request_id, row.key, row.value_lost ? `${row.bytes} (not kept)` : `${row.bytes}`].map(shown),
    ]),
  )
  return `${amount(total)} on ${topic}\n\n${counts}\n\nThe newest ${newest.length}\n\n${rows}`
}

/** Tells what becomes of each dead letter as it goes, and at the end how many went which way. */
function redriveReport(say: (line: string) => void, isDry: boolean) {
  const line = progressLine()
  const skips = new Map<Skip, number>()
  let redriven = 0
  let said = 0
  const tell = (text: string) => {
    said += 1
    if (said > LINES_SHOWN) return
    line.clear()
    say(text)
  }
  const skipped = () => [...skips.values()].reduce((sum, some) => sum + some, 0)
  return {
    line,
    redriven({ requestId, topic }: DeadLetter, newId: string) {
      redriven += 1
      tell(`${requestId} ${isDry ? 'would go' : 'goes'} to ${printable(topic!)} as ${newId}`)
    },
    skipped(letter: DeadLetter, why: Skip) {
      skips.set(why, (skips.get(why) ?? 0) + 1)
      tell(`${letter.requestId ?? 'a record without a request id'} is left out: ${SKIPS[why].why}`)
    },
    hasTrouble: () => [...skips.keys()].some((why) => SKIPS[why].trouble),
    interrupted() {
      line.clear()
      say(
        `Interrupted after ${redriven}. Nothing is lost: the same command again repeats those and does the rest`,
      )
    },
    /** Answers whether there was anything to tell of. */
    end(left: number, topic: string): boolean {
      line.clear()
      if (said > LINES_SHOWN) say(`… and ${said - LINES_SHOWN} more`)
      const found = redriven + skipped() + left
      if (found === 0) say(`No such dead letter on ${topic}`)
      else {
        if (said > 0) say('')
        say(`${amount(found)} chosen: ${redriven} ${isDry ? 'would be redriven' : 'redriven'}`)
        for (const [why, some] of skips) say(`  ${some} left out: ${SKIPS[why].why}`)
        if (left > 0) say(`  ${left} left out: more than --limit`)
      }
      return found > 0
    },
  }
}

function amount(letters: number): string {
  return letters === 1 ? '1 dead letter' : `${letters} dead letters`
}

function shown(text: string | null): string | null {
  return text && printable(text)
}
