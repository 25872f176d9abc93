import path from 'node:path'
import { virtualEnvironment } from '../support/python.ts'
import { runProgram } from './program.ts'

const FOLDER = path.join(import.meta.dirname, 'python')

/** Installs what the Python programs need, unless it is there. Answers where their commands are. */
export function installPythonPackages(): Promise<string> {
  return virtualEnvironment('interop-python', path.join(FOLDER, 'requirements.txt'))
}

/** Runs Python with those packages. Answers the lines that it printed. */
export async function python(
  args: readonly string[],
  options?: Parameters<typeof runProgram>[2],
): Promise<string[]> {
  return runProgram(path.join(await installPythonPackages(), 'python'), args, options)
}

export interface Event {
  attributes: Record<string, string>
  data: Record<string, unknown>
}

/** Has the SDK register with structured events, and read the replies, which come in any order. */
export async function registerInPython(
  args: readonly string[],
  events: readonly Event[],
): Promise<(Event & { partition: number })[]> {
  const input = events.map((event) => `${JSON.stringify(event)}\n`).join('')
  const lines = await python([path.join(FOLDER, 'structured_events.py'), ...args], { input })
  return lines.map((line) => JSON.parse(line))
}
