import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { onTestFinished } from 'vitest'
import { startScript } from './process.ts'

/** A folder as it is in production, gone when the test is over: the build in `dist/`, and nothing else. */
export async function makeBuild() {
  const folder = mkdtempSync(path.join(tmpdir(), 'workflow-registrar-production-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const root = path.join(import.meta.dirname, '../..')
  await promisify(execFile)(process.execPath, ['esbuild.config.ts', path.join(folder, 'dist')], { cwd: root })
  return {
    folder,
    /** What there is to run, and what that loads. */
    scripts: readdirSync(path.join(folder, 'dist')).filter((name) => name.endsWith('.js')),
    /** Runs a process of it until the test is over; resolves when its HTTP listens. */
    start: (name: 'ingress' | 'worker', env: Record<string, string>) =>
      startScript(path.join(folder, 'dist', `${name}.js`), env, folder),
  }
}
