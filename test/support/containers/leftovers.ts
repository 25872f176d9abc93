import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
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

/** How often what is left is looked for. */
const ROUNDS = 5

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
  for (const run of new Set(runs))
    if (run.startsWith(HERE) && isOver(run)) {
      endProcessesOf(run)
      removeAllOf(run)
    }
}

/**
 * Ends what a run has started and has not waited for, which may be asking the engine for something. An engine that is
 * ended while it makes a network may not start again.
 */
export function endProcessesOf(run: string): void {
  const isOfRun = (pid: string) =>
    readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(`CONTAINERS_OF=${run}`)
  for (const pid of existsSync('/proc') ? readdirSync('/proc') : [])
    try {
      if (/^\d+$/.test(pid) && Number(pid) !== process.pid && isOfRun(pid))
        process.kill(Number(pid), 'SIGKILL')
    } catch {
      // it is gone, or is somebody else's
    }
}

/**
 * Removes all containers, networks and volumes of a run, and says what cannot be removed. Again while there is any: what
 * a process of that run is just making comes after the first look, and cannot without its network.
 */
export function removeAllOf(run: string): void {
  let complaints = ['']
  for (let round = 1; round <= ROUNDS && complaints.length > 0; round += 1)
    complaints = KINDS.flatMap((kind) => LABELS.flatMap((label) => removeKind(kind, `label=${label}=${run}`)))
  for (const complaint of complaints)
    process.stderr.write(`Docker: something is left of ${run}: ${complaint}\n`)
}

/** Answers what it has to complain of. */
function removeKind({ list, remove }: (typeof KINDS)[number], filter: string): string[] {
  try {
    const found = docker(...list, '--quiet', '--filter', filter)
    if (found.length > 0) docker(...remove, ...found)
    return []
  } catch (error) {
    return [(error as Error).message]
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
