import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { parseArgs, styleText } from 'node:util'
import { parseConfig } from '../config.ts'
import { describePass, isAsExpected, outcomeTable, progressLine, verdict } from '../demo/report.ts'
import { DemoError, type Progress, type Registration, runDemo } from '../demo/run-demo.ts'
import { runningPair } from '../embedded/running.ts'

const HELP = `Registers 30 real workflows with a running service, through its three doors at once, and then all of them
again through each. Start the service in another terminal first: npm start

  npm run demo -- [--url URL] [--brokers HOST:PORT,…] [--fresh]

  --url      where the service answers (default: http://127.0.0.1:$PORT, or port 8080)
  --brokers  its Kafka (default: $KAFKA_BROKERS, or that of the service in $DATA_DIR, or port 9092)
  --fresh    names that nobody has registered before
  --help     this text

REQUEST_TOPIC and REPLY_TOPIC name the topics where they are not the usual ones.
The exit code is 1 when the outcomes are not what they should be.`

const RECORDS = new URL('../../test/fixtures/workflows.jsonl', import.meta.url)

/** Kafka may be away when the demo is told to stop, and the goodbye to it is then given up. */
const STOP_TIMEOUT_MS = 4_000

const say = (text: string) => void process.stdout.write(`${text}\n`)
const settings = readSettings()
if (settings.help) say(HELP)
else process.exit(await demo())

async function demo(): Promise<number> {
  const { url, brokers, topics, fresh } = settings
  const prefix = fresh ? `demo-${randomUUID().slice(0, 8)}-` : ''
  const stopping = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const)
    process.on(name, () => {
      stopping.abort()
      setTimeout(() => process.exit(130), STOP_TIMEOUT_MS).unref()
    })
  try {
    const records = await readRecords()
    const title = `Sending ${records.length} registrations to ${url}, and to ${topics.requests} at ${brokers.join(',')}\n`
    const passes = await runDemo({
      ...{ url, brokers, topics, records, prefix, signal: stopping.signal },
      onProgress(progress) {
        if (progress.pass === 1 && progress.done === 0) say(title)
        showProgress(progress)
      },
    })
    say(`\n${outcomeTable(passes)}\n`)
    for (const [index, pass] of passes.entries()) {
      const [first, ...others] = verdict(index + 1, pass)
      say(styleText(isAsExpected(pass) ? 'green' : 'red', first!))
      for (const sentence of others) say(`  ${sentence}`)
    }
    return passes.every(isAsExpected) ? 0 : 1
  } catch (error) {
    if (stopping.signal.aborted) {
      say('\nStopped. What was sent already will be registered all the same.')
      return 130
    }
    if (!(error instanceof DemoError)) throw error
    process.stderr.write(`${error.message}\n`)
    return 1
  }
}

function showProgress(progress: Progress) {
  const { pass, done, total } = progress
  if (process.stdout.isTTY)
    return process.stdout.write(`\r\x1b[K${progressLine(progress)}${done === total ? '\n' : ''}`)
  if (done === 0) say(describePass(pass))
  if (done === total) say(`Pass ${pass}: ${done} of ${total} have their outcome`)
}

async function readRecords(): Promise<Registration[]> {
  const lines = await readFile(RECORDS, 'utf8').catch(() => {
    throw new DemoError(
      'The registrations to show are not in this installation: test/fixtures/workflows.jsonl',
    )
  })
  return lines
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
}

/** What the command line and the environment say; a complaint goes to standard error, with an exit code of 2. */
function readSettings() {
  try {
    const { values } = parseArgs({
      options: {
        url: { type: 'string' },
        brokers: { type: 'string' },
        fresh: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
    const { PORT, DATA_DIR, EMBEDDED_KAFKA_PORT, REQUEST_TOPIC, REPLY_TOPIC, KAFKA_BROKERS } = process.env
    const { http, embedded, topics } = parseConfig({
      ...{ PORT, DATA_DIR, EMBEDDED_KAFKA_PORT, REQUEST_TOPIC, REPLY_TOPIC },
    })
    const pair = runningPair(embedded.dataDir)
    const url = values.url ?? `http://127.0.0.1:${http.port}`
    if (!/^https?:$/.test(URL.parse(url)?.protocol ?? '')) throw new Error('--url must be an http(s) URL')
    const brokers =
      values.brokers || KAFKA_BROKERS || pair?.brokers.join(',') || `127.0.0.1:${embedded.kafkaPort}`
    return {
      ...{ topics, fresh: values.fresh, help: values.help },
      url: url.replace(/\/+$/, ''),
      brokers: brokers.split(',').map((broker) => broker.trim()),
    }
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n`)
    process.exit(2)
  }
}
