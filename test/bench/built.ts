import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

const BUILD = path.join(import.meta.dirname, '../../esbuild.config.ts')

/** Makes a production build for as long as `use` takes. */
export async function withBuild<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(path.join(tmpdir(), 'workflow-registrar-build-'))
  try {
    execFileSync(process.execPath, [BUILD, folder], { stdio: ['ignore', 'ignore', 'inherit'] })
    return await use(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
