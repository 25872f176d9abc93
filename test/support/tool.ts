import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { inspectOutput } from './process.ts'
import type { World } from './world.ts'

export interface ToolRun {
  code: number | null
  stdout: string
  stderr: string
}

/** Runs a command for operators in that world to its end. */
export function runTool(
  name: 'dlq' | 'progress' | 'topics' | 'verify-replay',
  world: World,
  ...args: string[]
): Promise<ToolRun> {
  const script = fileURLToPath(new URL(`../../src/bin/${name}.ts`, import.meta.url))
  return runScript([script, ...args], world)
}

/** The same with any file, folder and Node. */
export async function runScript(
  script: readonly string[],
  { env, cwd, node = process.execPath }: { env: Record<string, string>; cwd?: string; node?: string },
): Promise<ToolRun> {
  const child = spawn(node, script, { env, cwd, stdio: ['ignore', 'pipe', 'pipe'] })
  inspectOutput(child)
  const run: ToolRun = { code: null, stdout: '', stderr: '' }
  for (const stream of ['stdout', 'stderr'] as const)
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      run[stream] += text
    })
  await once(child, 'close')
  return { ...run, code: child.exitCode }
}
