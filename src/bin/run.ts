import { parseArgs } from 'node:util'
import { type Role, start } from '../app.ts'
import { type Config, describeVariables, parseConfig } from '../config.ts'
import { keepHeapSmall } from '../heap.ts'
import { createLogger, type Logger } from '../logger.ts'
import { StartError } from '../start-error.ts'
import { sentenceOf } from './sentence.ts'

export interface Process {
  config: Config
  log: Logger
  /** One line for the person who watches the start. */
  say: (line: string) => void
  /** Ends the process with this reason. */
  onCrash: (error: Error) => void
  /** Aborted when the process is told to stop before it is up. */
  signal: AbortSignal
}

/** How long an orderly end may take before the process ends anyway. */
const END_MS = 12_000

/** npm passes Ctrl-C on to a process that the terminal has told already: twice in so short a time is once. */
const SAME_SIGNAL_MS = 500

/**
 * The life of a process: `--help`, the environment, the start, and an orderly end on SIGINT or SIGTERM. A second
 * signal ends it at once. What cannot start is one sentence on standard error, and an exit code of 1. A job (`isJob`)
 * ends with `up`, and with 1 when a signal came before that.
 */
export async function run(
  about: string,
  up: (process: Process) => Promise<{ close(): Promise<void> } | undefined>,
  { isJob = false, ...options }: Parameters<typeof parseConfig>[1] & { isJob?: boolean } = {},
) {
  const say = (line: string) => void process.stdout.write(`${line}\n`)
  const { help, config } = readSettings(options)
  if (help)
    return say(`${about}

${describeVariables()}`)

  const log = createLogger(config.logLevel)
  const stopping = new AbortController()
  let firstSignal = 0
  let code = 0

  const running = up({
    config,
    log,
    say,
    signal: stopping.signal,
    onCrash(error) {
      const reason = sentenceOf(error)
      log.fatal({ err: error, reason }, 'the process cannot go on')
      process.stderr.write(`${reason}\n`)
      code = 1
      void end()
    },
  })

  async function end() {
    if (stopping.signal.aborted) return
    stopping.abort(new StartError('Stopped before it was up'))
    setTimeout(() => process.exit(1), END_MS).unref()
    try {
      await (await running)?.close()
    } catch (error) {
      if (isJob) code = 1 // nobody may take it for done
      if (!(error instanceof StartError)) {
        log.error({ err: error }, 'the end was not orderly')
        code = 1
      }
    }
    process.exit(code)
  }

  for (const name of ['SIGINT', 'SIGTERM'] as const)
    process.on(name, () => {
      const now = Date.now()
      if (firstSignal !== 0 && now - firstSignal > SAME_SIGNAL_MS) process.exit(1)
      firstSignal ||= now
      void end()
    })
  process.on('uncaughtException', (error) => {
    log.fatal({ err: error }, 'uncaught')
    process.exit(1)
  })

  try {
    await running
    if (isJob) process.exit(0)
  } catch (error) {
    if (stopping.signal.aborted) return
    process.stderr.write(`${sentenceOf(error)}\n`)
    process.exit(1)
  }
}

/** A process that runs `roles` on the PostgreSQL and Kafka that the environment names. */
export function runRoles(about: string, roles: readonly Role[]) {
  return run(about, async ({ config, ...context }) => {
    const { infrastructure } = config
    if (!infrastructure)
      throw new StartError('DATABASE_URL and KAFKA_BROKERS are missing: this process starts neither')
    if (!roles.includes('ingress')) keepHeapSmall() // at the doors it would cost a quarter of what they take
    return start({ config, infrastructure, roles, ...context })
  })
}

/** What the command line and the environment say; complaints go to standard error, with an exit code of 2. */
function readSettings(options: Parameters<typeof parseConfig>[1]): { help: boolean; config: Config } {
  try {
    const { values } = parseArgs({ options: { help: { type: 'boolean', short: 'h', default: false } } })
    return { help: values.help, config: parseConfig(values.help ? {} : process.env, options) }
  } catch (error) {
    process.stderr.write(`${sentenceOf(error)}\n`)
    process.exit(2)
  }
}
