import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'

const PROMTOOL = '/usr/bin/promtool'

/** Runs promtool to its end; `input` is what it reads. Rejects with all that it said where it finds fault. */
export async function promtool(args: readonly string[], input = ''): Promise<string> {
  if (!existsSync(PROMTOOL)) throw new Error(`There is no ${PROMTOOL}: install Debian's prometheus`)
  const child = spawn(PROMTOOL, args, { stdio: 'pipe' })
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
  child.stdin.end(input)
  await once(child, 'close')
  if (child.exitCode !== 0)
    throw new Error(`promtool ${args.join(' ')} ended with ${child.exitCode}:\n${said}`)
  return said
}
