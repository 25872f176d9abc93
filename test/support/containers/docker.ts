import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/** Runs the `docker` command, and answers what it said. Fails with the last line of its complaint. */
export function docker(...args: string[]): Promise<string> {
  return command('docker', args)
}

export interface CommandOptions {
  env?: Record<string, string | undefined>
  cwd?: string
  timeout?: number
  signal?: AbortSignal
  /** Called whenever it says something on standard output. */
  onOutput?: () => void
}

/** The same with any command. */
export async function command(
  name: string,
  args: readonly string[],
  { onOutput = () => {}, ...options }: CommandOptions = {},
): Promise<string> {
  try {
    const running = promisify(execFile)(name, args, { maxBuffer: 64 * 1024 * 1024, ...options })
    running.child.stdout?.on('data', onOutput)
    return (await running).stdout.trim()
  } catch (error) {
    const { stderr = '', message } = error as Error & { stderr?: string }
    const complaint = stderr.trim().split('\n').at(-1) || message.split('\n')[0]
    throw new Error(`${name} ${args.slice(0, 2).join(' ')}: ${complaint}`, { cause: error })
  }
}

/** What the engine knows of a container or an image, as `docker inspect` tells it. */
// biome-ignore lint/suspicious/noExplicitAny: a test looks wherever it likes
export async function inspect(name: string): Promise<any> {
  return JSON.parse(await docker('inspect', name))[0]
}

/** Words of a command that lists something, one each. */
export async function listed(...args: string[]): Promise<string[]> {
  return (await docker(...args)).split(/\s+/).filter((word) => word !== '')
}
