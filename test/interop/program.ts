import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'

const TIME_LIMIT_MS = 100_000

/** Runs a program to its end. Answers the lines that it printed; throws what it complained of when it failed. */
export async function runProgram(
  command: string,
  args: readonly string[],
  { input = '', env = {}, cwd = '/' }: { input?: string; env?: Record<string, string>; cwd?: string } = {},
): Promise<string[]> {
  const child = spawn(command, args, {
    cwd,
    env: { PATH: process.env.PATH, LC_ALL: 'C.UTF-8', ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: TIME_LIMIT_MS,
  })
  child.stdin.on('error', () => {}) // its end tells more
  child.stdin.end(input)
  const [output, complaints, [code, signal]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ])
  if (code !== 0) throw new Error(`${command} ended with ${signal ?? code}:\n${complaints}`)
  return output.split('\n').filter((line) => line !== '')
}
