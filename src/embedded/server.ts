import { closeSync, existsSync, openSync, readFileSync, statSync, truncateSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Child, type ChildOptions, startChild } from './child.ts'
import { StartFailure } from './start-failure.ts'

const START_LIMIT_MS = 60_000
const POLL_MS = 50
const LOG_LIMIT_BYTES = 20 * 1024 * 1024

export type ServerOptions = {
  /** As in sentences: "PostgreSQL 18". */
  name: string
  /** Called before each start; may throw a StartFailure. */
  prepare(): Promise<ChildOptions>
  /** Whether the server serves; may throw while it does not. */
  answers(): Promise<boolean>
  /** Gets one sentence when the server ends though nobody asked it to. */
  onExit(sentence: string): void
}

export type Server = {
  /** Resolves when the server serves; at once when it runs already. Aborting stops it and rejects. */
  start(signal?: AbortSignal): Promise<void>
  /** Stops gracefully; resolves when the process is gone. */
  stop(): Promise<void>
  /** SIGKILL, as in a power failure; resolves when the process is gone. */
  kill(): Promise<void>
  /** The server's pid while it runs. */
  pid(): number | undefined
}

/** One server process that can be stopped and started again on what it had. */
export function server({ name, prepare, answers, onExit }: ServerOptions): Server {
  let running: { child: Child; expected: boolean } | undefined

  async function start(signal?: AbortSignal) {
    if (running) return
    const options = await prepare()
    signal?.throwIfAborted()
    const logFrom = beginLog(options.logFile)
    const child = startChild(options)
    const current = { child, expected: true }
    running = current
    let ended: string | undefined
    void child.exited.then((how) => {
      ended = how
      if (running === current) running = undefined
      if (!current.expected) onExit(`${name} ended unexpectedly (${how}); its log is ${options.logFile}`)
    })

    const deadline = Date.now() + START_LIMIT_MS
    while (!(await answers().catch(() => false))) {
      if (ended !== undefined) {
        const line = lastComplaint(options.logFile, logFrom)
        const said = line ? `: ${line}` : ''
        throw new StartFailure(`${name} ended during its start (${ended}), see ${options.logFile}${said}`)
      }
      if (signal?.aborted || Date.now() > deadline) {
        await child.stop()
        signal?.throwIfAborted()
        throw new StartFailure(
          `${name} did not answer within ${START_LIMIT_MS / 1000} s and was stopped; its log is ${options.logFile}`,
        )
      }
      await Promise.race([sleep(POLL_MS), child.exited])
    }
    current.expected = false
  }

  async function end(how: 'stop' | 'kill') {
    if (!running) return
    running.expected = true
    await running.child[how]()
  }

  return { start, stop: () => end('stop'), kill: () => end('kill'), pid: () => running?.child.pid }
}

/** Where the log of this start begins. A log that has grown large starts anew. */
function beginLog(file: string): number {
  if (!existsSync(file)) closeSync(openSync(file, 'a', 0o600))
  const { size } = statSync(file)
  if (size <= LOG_LIMIT_BYTES) return size
  truncateSync(file)
  return 0
}

function lastComplaint(file: string, from: number): string | undefined {
  const lines = readFileSync(file).subarray(from).toString().split('\n')
  const spoken = lines.map((line) => line.trim()).filter((line) => line !== '')
  return spoken.findLast((line) => /\b(FATAL|PANIC|ERROR)\b/.test(line)) ?? spoken.at(-1)
}
