import { parseArgs } from 'node:util'
import { describeVariables, parseConfig } from '../config.ts'

const ABOUT = `Asks the process on this machine whether it is well. The exit code is 0 when it is, else 1.
For the health checks of containers, which have no shell and no curl.

  node dist/health.js [live|ready]

  live    whether it turns
  ready   whether it is able to do its job (asked when nothing is said)
  --help  this text

Set in the environment:`

const ANSWER_LIMIT_MS = 2_500

process.exitCode = (await main()) ? 0 : 1

/** Answers whether all is well. */
async function main(): Promise<boolean> {
  try {
    const { help, aspect } = readArguments()
    if (help) {
      process.stdout.write(`${ABOUT}\n${describeVariables()}\n`)
      return true
    }
    return await ask(aspect)
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n`)
    return false
  }
}

function readArguments(): { help: boolean; aspect: string } {
  const help = { type: 'boolean', short: 'h', default: false } as const
  const { values, positionals } = parseArgs({ options: { help }, allowPositionals: true })
  const aspect = positionals.join(' ') || 'ready'
  if (!['live', 'ready'].includes(aspect)) throw new Error(`It is live or ready, not ${aspect}`)
  return { help: values.help, aspect }
}

async function ask(aspect: string): Promise<boolean> {
  const { host, port } = parseConfig(process.env).http
  const url = `http://${reachable(host)}:${port}/health/${aspect}`
  const answer = await fetch(url, { signal: AbortSignal.timeout(ANSWER_LIMIT_MS) }).catch(() => undefined)
  if (!answer) throw new Error(`${url} does not answer`)
  process.stdout.write(`${await answer.text()}\n`)
  return answer.ok
}

/** Where to ask a process that listens on `host`, which may stand for all addresses. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1'
  if (host === '::') return '[::1]'
  return host.includes(':') ? `[${host}]` : host
}
