import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { command } from './docker.ts'

const ROOT = path.join(import.meta.dirname, '../../..')
const textOf = (name: string) => readFileSync(path.join(ROOT, name), 'utf8')

/** Does in a folder what the first stage of the Dockerfile says: its COPY with what `.dockerignore` lets through, and its RUN. */
export async function runFirstStage(folder: string): Promise<void> {
  const context = mkdtempSync(path.join(tmpdir(), 'workflow-registrar-context-'))
  try {
    for (const [, name] of textOf('.dockerignore').matchAll(/^!(.+)$/gm))
      cpSync(path.join(ROOT, name!), path.join(context, name!), { recursive: true })
    const [, stage] = textOf('Dockerfile').split(/^(?=FROM )/m)
    for (const line of stage!.split('\n')) {
      const [instruction, ...words] = line.split(' ')
      if (instruction === 'COPY') copy(context, words, folder)
      if (instruction === 'RUN')
        await command('sh', ['-c', words.join(' ')], { cwd: folder, env: ENVIRONMENT })
    }
  } finally {
    rmSync(context, { recursive: true, force: true })
  }
}

/** Packages that are on this machine already are good enough. */
const ENVIRONMENT = { ...process.env, npm_config_prefer_offline: 'true' }

function copy(context: string, words: readonly string[], folder: string): void {
  const to = words.at(-1)!
  for (const name of words.slice(0, -1))
    cpSync(path.join(context, name), path.join(folder, to, to.endsWith('/') ? path.basename(name) : ''), {
      recursive: true,
    })
}
