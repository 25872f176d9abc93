import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { World } from './world.ts'

export interface ToolRun {
  code: number | null
  stdout: string
  stderr: string
}

/** Runs a command for operators in that world to its end. */
export async function runTool(
  name: 'dlq' | 'progress' | 'topics' | 'verify-replay',
  world: World,
  ...args: string[]
): Promise<ToolRun> {
  const script = fileURLToPath(new URL(`../../src/bin/${name}.ts`, import.meta.url))
  const child = spawn(process.execPath, [script, ...args], {
    env: world.env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const run: ToolRun = { code: null, stdout: '', stderr: '' }
  for (const stream of ['stdout', 'stderr'] as const)
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      run[stream] += text
    })
  await once(child, 'close')
  return { ...run, code: child.exitCode }
}
