import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { CANARY } from './leaks.ts'
import { inspectOutput } from './process.ts'

export interface FailedStart {
  code: number | null
  stderr: string
  /** All that it said, on both streams. */
  output: string
  elapsedMs: number
}

/** Runs `src/bin/<name>.ts` with this environment and all its log lines, to the end that it should come to by itself. */
export async function failingStart(
  name: string,
  env: Record<string, string>,
  ...args: string[]
): Promise<FailedStart> {
  const script = fileURLToPath(new URL(`../../src/bin/${name}.ts`, import.meta.url))
  const began = performance.now()
  const child = spawn(process.execPath, [script, ...args], {
    env: { LOG_LEVEL: 'trace', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 30_000,
  })
  inspectOutput(child)
  let stderr = ''
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
    output += text
  })
  await once(child, 'close')
  return { code: child.exitCode, stderr, output, elapsedMs: performance.now() - began }
}

/** In every password and other secret of these tests, so that any line that tells one is found. */
export const SECRET = `${CANARY}-password`

/** It ended with one sentence and no more, in time, and without a secret in any line. */
export function expectSentence({ code, stderr, output, elapsedMs }: FailedStart, says: RegExp): void {
  expect(stderr.trim()).toMatch(says)
  expect(stderr.trim().split('\n')).toHaveLength(1)
  expect(code).toBe(1)
  expect(elapsedMs).toBeLessThan(10_000)
  expect(output).not.toContain(SECRET)
}
