import { execFileSync } from 'node:child_process'
import { hostname } from 'node:os'

/** What all runs on this machine begin their name with. */
const HERE = `registrar-test-${hostname()
  .toLowerCase()
  .replaceAll(/[^a-z0-9]/g, '')}-`

/** The process that runs the tests gives a run its name, and hands it on to those that it starts. */
process.env.CONTAINERS_OF ??= `${HERE}${process.pid}`

/** The name of this run, as compose wants it. */
export const RUN = process.env.CONTAINERS_OF

/** On everything that tests make of an engine. */
export const LABEL = 'io.workflow-registrar.test'
const LABELS = [LABEL, 'com.docker.compose.project']

export const LABELLED: Record<string, string> = { [LABEL]: RUN }

const KINDS = [
  { list: ['ps', '-a'], remove: ['rm', '--force', '--volumes'] },
  { list: ['network', 'ls'], remove: ['network', 'rm'] },
  { list: ['volume', 'ls'], remove: ['volume', 'rm', '--force'] },
]

/** Removes what is left of runs on this machine that are over, however they ended. */
export function removeLeftovers(): void {
  const runs = KINDS.flatMap(({ list }) =>
    LABELS.flatMap((label) =>
      docker(...list, '--filter', `label=${label}`, '--format', `{{.Label "${label}"}}`),
    ),
  )
  for (const run of new Set(runs)) if (run.startsWith(HERE) && isOver(run)) removeAllOf(run)
}

/** Removes all containers, networks and volumes of a run, and says what cannot be removed. */
export function removeAllOf(run: string): void {
  for (const { list, remove } of KINDS)
    for (const label of LABELS)
      try {
        const found = docker(...list, '--quiet', '--filter', `label=${label}=${run}`)
        if (found.length > 0) docker(...remove, ...found)
      } catch (error) {
        process.stderr.write(`Docker: something is left of ${run}: ${(error as Error).message}\n`)
      }
}

/** Whether the process that gave a run its name is gone. */
export function isOver(run: string): boolean {
  try {
    process.kill(Number(run.slice(HERE.length)), 0)
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH'
  }
}

/** At once, since a process that ends waits for nothing. Answers the words that it says. */
export function docker(...args: string[]): string[] {
  const said = execFileSync('docker', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  return said.split(/\s+/).filter((word) => word !== '')
}
