import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from '../../src/embedded/command.ts'

const REQUIREMENTS = fileURLToPath(new URL('requirements.txt', import.meta.url))
const FOLDER = fileURLToPath(
  new URL('../../node_modules/.cache/workflow-registrar/schemathesis', import.meta.url),
)
/** Holds the requirements that were installed; it is written last. */
const INSTALLED = path.join(FOLDER, 'installed.txt')

/** The command of schemathesis, in a virtual environment of its own that is made once. */
export async function installSchemathesis(): Promise<string> {
  const command = (name: string) => path.join(FOLDER, 'bin', name)
  const requirements = readFileSync(REQUIREMENTS, 'utf8')
  if (existsSync(INSTALLED) && readFileSync(INSTALLED, 'utf8') === requirements)
    return command('schemathesis')

  process.stderr.write('Schemathesis: installing (once)\n')
  rmSync(FOLDER, { recursive: true, force: true })
  const made = await run('python3', ['-m', 'venv', FOLDER])
  if (made.code !== 0)
    throw new Error('Fuzzing needs Python 3.10 or newer with venv and pip (Debian: python3-venv).')
  const installed = await run(command('python'), ['-m', 'pip', 'install', '-q', '-r', REQUIREMENTS])
  if (installed.code !== 0)
    throw new Error(`pip could not install schemathesis: ${installed.output.split('\n').at(-1)}`)
  writeFileSync(INSTALLED, requirements)
  return command('schemathesis')
}
