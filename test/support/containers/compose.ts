import path from 'node:path'
import { command } from './docker.ts'
import { RUN } from './leftovers.ts'

const FILE = path.join(import.meta.dirname, '../../../docker-compose.yml')

/** Runs compose, whichever there is, on the project's own file, under the name of this run. */
export type Compose = (...args: string[]) => Promise<string>

export async function findCompose(env: Record<string, string>): Promise<Compose> {
  const isPlugin = await command('docker', ['compose', 'version']).then(
    () => true,
    () => false,
  )
  const [name, ...first] = isPlugin ? (['docker', 'compose'] as const) : (['docker-compose'] as const)
  return (...args) =>
    command(name, [...first, '--file', FILE, '--project-name', RUN, ...args], {
      env: { ...process.env, ...env },
    })
}
