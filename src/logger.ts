import pino from 'pino'
import { dbFailure } from './db/sqlstate.ts'
import { Fault } from './domain/fault.ts'

export type Logger = pino.Logger

/**
 * JSON lines on standard output. An error is told by its type, its code and where it arose, never by the message:
 * drivers put parameters, keys and addresses with passwords there.
 */
export function createLogger(level: string, destination?: pino.DestinationStream): Logger {
  const options: pino.LoggerOptions = {
    level,
    base: { pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    serializers: { err: describeError },
  }
  return destination ? pino(options, destination) : pino(options)
}

/** What an error is called: all that may be told of it beyond this process. */
export interface ErrorNames {
  type: string
  code: string | undefined
  constraint: string | undefined
}

export function errorNames(error: unknown): ErrorNames {
  if (!(error instanceof Error)) return { type: typeof error, code: undefined, constraint: undefined }
  const failure = error instanceof Fault ? error.failure : dbFailure(error)
  const { code } = error as { code?: unknown }
  return {
    type: error.constructor.name,
    code: failure?.code ?? (typeof code === 'string' ? code : undefined),
    constraint: failure?.constraint,
  }
}

function describeError(error: unknown) {
  const names = errorNames(error)
  return error instanceof Error ? { ...names, stack: framesOf(error) } : names
}

/** Where an error arose. Its stack begins with its message, any line of which may look like such a place. */
function framesOf({ message, stack = '' }: Error): string | undefined {
  const [name] = /^[^:\n]*/.exec(stack)!
  const head = stack.startsWith(`${name}\n`) ? name : `${name}: ${message}`
  if (!stack.startsWith(`${head}\n`)) return undefined
  const lines = stack.slice(head.length).split('\n')
  return lines.filter((line) => /^\s+at /.test(line)).join('\n')
}
