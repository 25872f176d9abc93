import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { docker as dockerNow, isOver } from './leftovers.ts'

const END_LIMIT_MS = 20_000
const clock = new Int32Array(new SharedArrayBuffer(4))

/*
 * An engine that a run has started is for all runs on this machine, and the last one that uses it ends it. It bears the
 * name of a folder: its log, the number of its process, and a file for each run that uses it.
 */
const inside = (folder: string) => ({
  log: path.join(folder, 'dockerd.log'),
  pid: path.join(folder, 'pid'),
  runs: path.join(folder, 'runs'),
})

/** Makes the folder of an engine that this run is about to start. */
export function newEngineFolder(run: string): { folder: string; log: string } {
  const folder = mkdtempSync(path.join(tmpdir(), 'workflow-registrar-dockerd-'))
  const { log, runs } = inside(folder)
  mkdirSync(runs)
  join(folder, run)
  return { folder, log }
}

export function notePid(folder: string, pid: number): void {
  writeFileSync(inside(folder).pid, `${pid}`)
}

/** Notes that a run uses it. False when it is too late: the last one has left, and the engine is about to end. */
export function join(folder: string, run: string): boolean {
  try {
    writeFileSync(path.join(inside(folder).runs, run), '')
    return true
  } catch {
    return false
  }
}

/** Strikes a run off; where nobody is left, ends the engine. */
export function leave(folder: string, run: string): void {
  try {
    if (leavesNobody(folder, run)) end(folder)
  } catch {
    // it is gone, or is not ours to end
  }
}

/** Ends the engine, and removes its folder. At once, since a process that ends awaits nothing. */
export function end(folder: string): void {
  const pid = pidOf(folder)
  if (pid !== undefined && !isGone(pid)) {
    process.kill(pid, 'SIGTERM') // one that is killed would leave a file that keeps the next from starting
    const deadline = Date.now() + END_LIMIT_MS
    while (!isGone(pid) && Date.now() < deadline) Atomics.wait(clock, 0, 0, 20)
    if (!isGone(pid)) process.kill(pid, 'SIGKILL')
  }
  rmSync(folder, { recursive: true, force: true })
}

/** Whether its process is over. */
export function hasEnded(folder: string): boolean {
  const pid = pidOf(folder)
  return pid === undefined || isGone(pid)
}

/** The folder of the runs can only be removed while it is empty, and nobody can join without it. */
function leavesNobody(folder: string, run: string): boolean {
  const { runs } = inside(folder)
  rmSync(path.join(runs, run), { force: true })
  if (dockerNow('ps', '--quiet').length > 0) return false
  for (const other of readdirSync(runs)) if (isOver(other)) rmSync(path.join(runs, other), { force: true })
  if (readdirSync(runs).length > 0) return false
  rmdirSync(runs)
  return true
}

function pidOf(folder: string): number | undefined {
  try {
    return Number(readFileSync(inside(folder).pid, 'utf8'))
  } catch {
    return undefined
  }
}

/** One that has ended, and that nobody has waited for, counts as gone. */
function isGone(pid: number): boolean {
  try {
    return / Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return true
  }
}
