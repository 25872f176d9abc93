import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { run } from '../../src/embedded/command.ts'

const CACHE = path.join(import.meta.dirname, '../../node_modules/.cache/workflow-registrar')

/** The folder of the commands of a virtual environment, which is made once for what its requirements say. */
export async function virtualEnvironment(name: string, requirementsFile: string): Promise<string> {
  const folder = path.join(CACHE, name)
  const commands = path.join(folder, 'bin')
  const installed = path.join(folder, 'installed.txt') // the requirements that were installed; written last
  const requirements = readFileSync(requirementsFile, 'utf8')
  if (existsSync(installed) && readFileSync(installed, 'utf8') === requirements) return commands

  process.stderr.write(`Python: installing what ${name} needs (once)\n`)
  rmSync(folder, { recursive: true, force: true })
  const made = await run('python3', ['-m', 'venv', folder])
  if (made.code !== 0)
    throw new Error(`${name} needs Python 3.10 or newer with venv and pip (Debian: python3-venv).`)
  const pip = await run(path.join(commands, 'python'), ['-m', 'pip', 'install', '-q', '-r', requirementsFile])
  if (pip.code !== 0)
    throw new Error(`pip could not install what ${name} needs: ${pip.output.split('\n').at(-1)}`)
  writeFileSync(installed, requirements)
  return commands
}
