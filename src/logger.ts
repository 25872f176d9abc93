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

function describeError(error: unknown) {
  if (!(error instanceof Error)) return { type: typeof error }
  const failure = error instanceof Fault ? error.failure : dbFailure(error)
  const { code } = error as { code?: unknown }
  return {
    type: error.constructor.name,
    code: failure?.code ?? (typeof code === 'string' ? code : undefined),
    constraint: failure?.constraint,
    stack: error.stack
      ?.split('\n')
      .filter((line) => /^\s+at /.test(line))
      .join('\n'),
  }
}
