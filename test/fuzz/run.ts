/* Does the service keep to its own description, whatever is sent to it? FUZZ_SEED repeats a run. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { withPrivateService } from '../support/private-service.ts'
import { virtualEnvironment } from '../support/python.ts'

const CONFIG = path.join(import.meta.dirname, 'schemathesis.toml')
const REQUIREMENTS = path.join(import.meta.dirname, 'requirements.txt')
const seed = Number(process.env.FUZZ_SEED) || Date.now() % 2 ** 31

try {
  const schemathesis = path.join(await virtualEnvironment('schemathesis', REQUIREMENTS), 'schemathesis')
  process.exitCode = await withPrivateService((url) => fuzz(schemathesis, url))
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`)
  process.exitCode = 1
}

/** Answers 0 when nothing was found. */
async function fuzz(schemathesis: string, url: string): Promise<number> {
  process.stdout.write(`This run again: FUZZ_SEED=${seed} npm run fuzz\n`)
  const args = [
    '--config-file',
    CONFIG,
    'run',
    `${url}/openapi.json`,
    '--checks',
    'all',
    '--seed',
    String(seed),
  ]
  const child = spawn(schemathesis, args, {
    cwd: path.dirname(schemathesis), // where it leaves files of its own
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  const [code] = await once(child, 'close')
  return code ?? 1
}
