import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'

/** A process that serves HTTP. */
export interface Running {
  url: string
  pid: number
  /** How long after its start it listened. */
  listeningAfterMs: number
  /** Of one core, since its start. */
  cpuSeconds(): number
  rssBytes(): number
  /** The most that it ever had in memory. */
  peakRssBytes(): number
  /** SIGTERM, and until it is gone. */
  stop(): Promise<void>
}

const TICKS_PER_SECOND = 100
const PAGE_BYTES = 4_096

/** Starts a script; resolves when it says where it listens, and rejects with what it said when it ends before. */
export async function runScript(
  script: string,
  env: Readonly<Record<string, string>>,
  nodeOptions: readonly string[] = [],
): Promise<Running> {
  const began = performance.now()
  const child = spawn(process.execPath, [...nodeOptions, script], {
    env: { PATH: process.env.PATH, NODE_ENV: 'production', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const exited = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const heard: string[] = []
  const url = await new Promise<string>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', () => reject(new Error(`${script} ended:\n${heard.slice(-20).join('\n')}`)))
    for (const stream of [child.stdout, child.stderr])
      createInterface(stream).on('line', (line) => {
        if (heard.length < 1_000) heard.push(line)
        const found = /listening on (http\S+)/.exec(line)?.[1]
        if (found) resolve(found)
      })
  })
  const { pid } = child
  if (pid === undefined) throw new Error(`${script} has no process`)
  return {
    url,
    pid,
    listeningAfterMs: performance.now() - began,
    cpuSeconds() {
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
      return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
    },
    rssBytes: () => Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * PAGE_BYTES,
    peakRssBytes: () =>
      Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1_024,
    async stop() {
      child.kill('SIGTERM')
      await exited
    },
  }
}
