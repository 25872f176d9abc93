import { type ParseArgsConfig, parseArgs } from 'node:util'
import { isBuilt } from '../built.ts'
import { type Config, ConfigError, describeVariables, type Infrastructure, parseConfig } from '../config.ts'
import { runningPair } from '../embedded/running.ts'
import { createLogger, type Logger } from '../logger.ts'
import { StartError } from '../start-error.ts'
import { sentenceOf } from './sentence.ts'

export interface Tool<Options extends NonNullable<ParseArgsConfig['options']>> {
  /** What it does and how it is called, for `--help`. */
  about: string
  options: Options
  /** Answers the exit code. */
  main(context: {
    config: Config
    infrastructure: Infrastructure
    values: ReturnType<typeof parseArgs<{ options: Options; allowPositionals: true }>>['values']
    positionals: string[]
    /** For the libraries; a tool itself speaks to a person, with `say`. */
    log: Logger
    say: (line: string) => void
  }): Promise<number>
}

/** The command line is wrong: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/**
 * Runs a command for operators: `--help`, the environment, and the servers that it names, or else (but not in a
 * production build) those that `npm start` runs in `DATA_DIR`. It starts none itself. What goes wrong is one sentence on
 * standard error.
 */
export async function runTool<Options extends NonNullable<ParseArgsConfig['options']>>(tool: Tool<Options>) {
  const say = (line: string) => void process.stdout.write(`${line}\n`)
  process.on('SIGINT', () => process.exit(130))
  try {
    const { help, values, positionals } = readArguments(tool.options)
    if (help) return say(`${tool.about}\n\nSet in the environment:\n${describeVariables()}`)
    const config = parseConfig(process.env)
    const log = createLogger(process.env.LOG_LEVEL ? config.logLevel : 'silent')
    const infrastructure = config.infrastructure ?? running(config.embedded.dataDir)
    process.exitCode = await tool.main({ config, infrastructure, values, positionals, log, say } as never)
  } catch (error) {
    process.stderr.write(`${sentenceOf(error)}\n`)
    process.exitCode = isUsage(error) ? 2 : 1
  }
}

function isUsage(error: unknown): boolean {
  if (error instanceof UsageError || error instanceof ConfigError) return true
  return (
    error instanceof TypeError && String((error as NodeJS.ErrnoException).code).startsWith('ERR_PARSE_ARGS')
  )
}

function readArguments(options: NonNullable<ParseArgsConfig['options']>) {
  const help = { type: 'boolean', short: 'h', default: false } as const
  const { values, positionals } = parseArgs({ options: { ...options, help }, allowPositionals: true })
  return { help: values.help === true, values, positionals }
}

function running(dataDir: string): Infrastructure {
  if (isBuilt) throw new StartError('DATABASE_URL and KAFKA_BROKERS are missing: they say what to join')
  const pair = runningPair(dataDir)
  if (!pair)
    throw new StartError(
      `Nothing runs in ${dataDir}: say \`npm start\` in another terminal, or set DATABASE_URL and KAFKA_BROKERS`,
    )
  return { databaseUrl: pair.serviceUrl, migrateDatabaseUrl: undefined, kafka: { brokers: pair.brokers } }
}
