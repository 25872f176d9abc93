import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { inspect } from './leaks.ts'
import { inspectMetrics } from './metrics.ts'
import type { World } from './world.ts'

export interface ServiceProcess {
  /** Where its HTTP listens. */
  url: string
  pid: number
  /** Every line on standard output and standard error so far, as they came. */
  lines: string[]
  /** Those of them that came on standard error. */
  stderr: string[]
  kill(signal?: NodeJS.Signals): void
  /** Resolves when the process is gone and its last line is here. */
  exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
}

/** Runs `src/bin/<name>.ts` in that world until the test is over; resolves when its HTTP listens. */
export function startProcess(
  name: 'start' | 'all-in-one' | 'ingress' | 'worker',
  world: World,
  env: Record<string, string> = {},
): Promise<ServiceProcess> {
  const script = fileURLToPath(new URL(`../../src/bin/${name}.ts`, import.meta.url))
  return startScript(script, { ...world.env, ...env })
}

/** The same with any file and folder. */
export async function startScript(
  script: string,
  env: Record<string, string>,
  cwd?: string,
): Promise<ServiceProcess> {
  const child = spawn(process.execPath, [script], { env, cwd, stdio: ['ignore', 'pipe', 'pipe'] })
  inspectOutput(child)
  const lines: string[] = []
  const stderr: string[] = []
  const listening = Promise.withResolvers<string>()
  eachLine(child.stdout, (line) => {
    lines.push(line)
    const url = /^HTTP: listening on (\S+)$/.exec(line)?.[1]
    if (url) listening.resolve(url)
  })
  eachLine(child.stderr, (line) => {
    lines.push(line)
    stderr.push(line)
  })
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve({ code, signal }))
  })
  exited.then(
    () => listening.reject(new Error(`${script} ended before it listened:\n${lines.join('\n')}`)),
    listening.reject,
  )
  onTestFinished(async () => {
    for (const line of lines) if (line.startsWith('Metrics: ')) await inspectMetrics(line.split(' ')[1]!)
    child.kill('SIGKILL')
    await exited
  })
  return {
    url: await listening.promise,
    pid: child.pid!,
    lines,
    stderr,
    kill: (signal) => void child.kill(signal),
    exited,
  }
}

/** Looks into all that a process of ours says, whoever else reads it. */
export function inspectOutput({ stdout, stderr }: Pick<ChildProcess, 'stdout' | 'stderr'>): void {
  for (const stream of [stdout, stderr]) if (stream) eachLine(stream, (line) => inspect('log', line))
}

function eachLine(stream: NodeJS.ReadableStream, take: (line: string) => void) {
  let rest = ''
  stream.setEncoding('utf8')
  stream.on('data', (text: string) => {
    const parts = (rest + text).split('\n')
    rest = parts.pop()!
    for (const part of parts) take(part)
  })
  stream.on('end', () => {
    if (rest !== '') take(rest)
  })
}
