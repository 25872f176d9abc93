import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import type { Writable } from 'node:stream'
import { writePidFile } from './pid-file.ts'

/** How long a server may take to stop before it is killed. */
export const STOP_GRACE_MS = 8_000

/**
 * Whom to run a command as: nothing for our own user, `user` for another one, and `prefix` for words that
 * go before the command and change the user themselves.
 */
export type RunAs = { user?: { uid: number; gid: number }; prefix?: readonly string[] }

export type ChildOptions = {
  command: string
  args: readonly string[]
  runAs: RunAs
  logFile: string
  pidFile: string
  stopSignal: NodeJS.Signals
}

export type Child = {
  pid: number
  /** Resolves once the process is gone, with how it ended. Never rejects. */
  exited: Promise<string>
  /** Asks, insists after STOP_GRACE_MS, and resolves when the process is gone. */
  stop(): Promise<void>
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>
}

/**
 * Becomes the server (so its pid is the one we spawned), after leaving a watcher behind that reads fd 3.
 * A line there says that the server is gone; end of file, that we are: then the watcher stops the server.
 * The watcher is forked twice, because PostgreSQL would be surprised by a child that it did not make.
 */
const LEASH = `
stop=$1 tenths=$2; shift 2
( (
  read -r line <&3 && exit
  kill -s "$stop" $$
  while kill -0 $$; do
    [ "$tenths" -gt 0 ] || exec kill -9 $$
    tenths=$((tenths - 1)); sleep 0.1
  done
) </dev/null >/dev/null 2>&1 & )
exec "$@" 3<&-
`

/** Starts a server that stops by itself when our process dies, in a process group that Ctrl-C does not reach. */
export function startChild({ command, args, runAs, logFile, pidFile, stopSignal }: ChildOptions): Child {
  const log = openSync(logFile, 'a')
  const leash = [
    LEASH,
    'leash',
    stopSignal.slice('SIG'.length),
    String(STOP_GRACE_MS / 100),
    command,
    ...args,
  ]
  const [first, ...rest] = [...(runAs.prefix ?? []), 'sh', '-c', ...leash] as [string, ...string[]]
  const child = spawn(first, rest, {
    cwd: '/',
    detached: true,
    stdio: ['ignore', log, log, 'pipe'],
    ...(runAs.prefix ? {} : runAs.user),
  })
  closeSync(log)
  if (child.pid !== undefined) writePidFile(pidFile, child.pid)

  const held = child.stdio[3] as Writable
  held.on('error', () => {}) // the watcher may be gone before us
  const exited = new Promise<string>((resolve) => {
    child.once('exit', (code, signal) => {
      held.end('gone\n')
      resolve(signal ?? `exit code ${code}`)
    })
    child.once('error', (error) => resolve(error.message))
  })

  async function kill() {
    child.kill('SIGKILL')
    await exited
  }

  async function stop() {
    child.kill(stopSignal)
    const insist = setTimeout(() => child.kill('SIGKILL'), STOP_GRACE_MS)
    await exited
    clearTimeout(insist)
  }

  return { pid: child.pid ?? 0, exited, stop, kill }
}
