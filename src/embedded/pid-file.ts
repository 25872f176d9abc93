import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** Notes which process this is: its pid, and when it began, so that a reused pid is not taken for it. */
export function writePidFile(file: string, pid: number): void {
  writeFileSync(file, `${pid} ${beginOf(pid) ?? 'gone'}\n`)
}

/** The pid in `file` when that very process still runs, else undefined. */
export function livePid(file: string): number | undefined {
  const { pid, begin } = readPidFile(file) ?? {}
  return pid !== undefined && begin === beginOf(pid) ? pid : undefined
}

/** The pid in `file` when that process has ended, whoever may have the number now, else undefined. */
export function deadPid(file: string): number | undefined {
  return livePid(file) === undefined ? readPidFile(file)?.pid : undefined
}

/** Stops the process that `file` names, if it still runs, and resolves when it is gone. */
export async function stopLeftover(file: string, stopSignal: NodeJS.Signals, graceMs: number): Promise<void> {
  let signal: NodeJS.Signals = stopSignal
  let sentAt = 0
  for (let pid = livePid(file); pid !== undefined; pid = livePid(file)) {
    if (sentAt === 0 || Date.now() - sentAt > graceMs) {
      process.kill(pid, signal)
      sentAt = Date.now()
      signal = 'SIGKILL'
    }
    await sleep(50)
  }
}

function readPidFile(file: string): { pid: number; begin: string } | undefined {
  try {
    const [pid, ...begin] = readFileSync(file, 'utf8').trim().split(' ')
    return { pid: Number(pid), begin: begin.join(' ') }
  } catch {
    return undefined
  }
}

/** When the process began, in a form only good for comparing; undefined when it is gone (or a zombie). */
function beginOf(pid: number): string | undefined {
  return process.platform === 'linux' ? beginFromProc(pid) : beginFromPs(pid)
}

function beginFromProc(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The second field is the command in parentheses, which may itself hold spaces and parentheses.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    return `${boot} ${fields[19]}`
  } catch {
    return undefined
  }
}

function beginFromPs(pid: number): string | undefined {
  const { stdout } = spawnSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], { encoding: 'utf8' })
  const [state, ...began] = (stdout ?? '').trim().split(/\s+/)
  return !state || state.startsWith('Z') ? undefined : began.join(' ')
}
