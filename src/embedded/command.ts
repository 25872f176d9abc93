import { execFile } from 'node:child_process'
import type { RunAs } from './child.ts'

export type Finished = { code: number | 'not found'; output: string }

/** Runs a command to its end and tells how it went; rejects only when aborted. */
export function run(
  command: string,
  args: readonly string[],
  { runAs = {}, signal }: { runAs?: RunAs; signal?: AbortSignal | undefined } = {},
): Promise<Finished> {
  const [first, ...rest] = [...(runAs.prefix ?? []), command, ...args] as [string, ...string[]]
  const options = {
    cwd: '/',
    maxBuffer: 64 * 1024 * 1024,
    ...(runAs.prefix ? {} : runAs.user),
    ...(signal === undefined ? {} : { signal }),
  }
  return new Promise((resolve, reject) => {
    execFile(first, rest, options, (error, stdout, stderr) => {
      if (signal?.aborted) return reject(signal.reason)
      const output = `${stdout}${stderr}`.trim()
      if (error === null) return resolve({ code: 0, output })
      if (error.code === 'ENOENT') return resolve({ code: 'not found', output })
      resolve({ code: typeof error.code === 'number' ? error.code : 1, output: output || error.message })
    })
  })
}
