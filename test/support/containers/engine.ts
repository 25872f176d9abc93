import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { until } from '../until.ts'
import { command, docker } from './docker.ts'
import { LABEL, RUN } from './leftovers.ts'
import { end, hasEnded, join, leave, newEngineFolder, notePid } from './shared-engine.ts'

const START_LIMIT_MS = 60_000
const ANSWER_LIMIT_MS = 10_000
const COMPLAINT = /^panic|level=(error|fatal)|^failed/
/** What dockerd says where another one runs; versions differ. */
const SECOND = /pid file found|is still running/

/** An engine that answers. One that tests have started ends with the last run that uses it. */
export interface Engine {
  /** This run needs it no more. When it goes, it is gone afterwards. */
  stop(): void
}

export interface EngineOptions {
  say(line: string): void
  run?: string
  startLimitMs?: number
}

/** Why there is no engine, in a sentence. */
export class NoEngine extends Error {
  override readonly name = 'NoEngine'
}

/** Finds an engine that answers, or starts the one that is installed. */
export async function findEngine(options: EngineOptions): Promise<Engine> {
  const { run = RUN } = options
  if ((await command('docker', ['--version']).catch(() => undefined)) === undefined)
    throw new NoEngine('there is no `docker` command: install Docker (Debian: docker.io)')
  const complaint = await silence()
  if (complaint === undefined) {
    const folder = await folderOfEngine()
    if (folder === undefined) return { stop() {} }
    if (join(folder, run)) return { stop: () => leave(folder, run) }
    await until('the end of an engine that nobody uses', () => hasEnded(folder))
    return findEngine(options)
  }
  if (process.env.DOCKER_HOST)
    throw new NoEngine(`DOCKER_HOST names an engine that does not answer: ${complaint}`)
  if (process.getuid?.() !== 0)
    throw new NoEngine(`no Docker engine answers, and only root may start one: ${complaint}`)
  return startEngine(options)
}

async function startEngine(options: EngineOptions): Promise<Engine> {
  const { say, run = RUN, startLimitMs = START_LIMIT_MS } = options
  const { folder, log } = newEngineFolder(run)
  const complaint = () => {
    const lines = readFileSync(log, 'utf8').trim().split('\n')
    return lines.findLast((line) => COMPLAINT.test(line)) ?? lines.at(-1)!
  }
  const output = openSync(log, 'a')
  const { CONTAINERS_OF: _, ...env } = process.env // it is no part of the run
  const child = spawn('dockerd', ['--label', `${LABEL}=${folder}`], {
    env,
    stdio: ['ignore', output, output],
    detached: true, // Ctrl-C is for those that use it
  })
  closeSync(output)
  child.unref()
  if (child.pid !== undefined) notePid(folder, child.pid)
  let ended: string | undefined
  const exited = once(child, 'exit').then(
    ([code]) => {
      ended = `it ended with ${code}`
    },
    (error: NodeJS.ErrnoException) => {
      ended = error.code === 'ENOENT' ? 'it is not installed' : error.message
    },
  )
  const giveUp = () => end(folder)
  process.once('exit', giveUp)
  try {
    await until(
      'an answer',
      async () => {
        const isSecond = ended !== undefined && SECOND.test(complaint())
        if (ended !== undefined && !isSecond) throw new Error(ended)
        return (await silence()) === undefined
      },
      startLimitMs,
    )
  } catch (error) {
    const reason = [(error as Error).message, complaint()].filter(Boolean).join(': ')
    giveUp()
    await exited
    throw new NoEngine(`no Docker engine answers, and dockerd cannot be started: ${reason}`)
  } finally {
    process.off('exit', giveUp)
  }
  if ((await folderOfEngine()) !== folder) {
    giveUp()
    return findEngine(options) // another run has started one at the same time
  }
  say('Docker: started dockerd')
  return { stop: () => leave(folder, run) }
}

/** The folder of the engine that answers, if tests have started it. */
async function folderOfEngine(): Promise<string | undefined> {
  const labels: string[] | null = JSON.parse(await docker('info', '--format', '{{json .Labels}}'))
  return labels?.find((label) => label.startsWith(`${LABEL}=`))?.slice(LABEL.length + 1)
}

/** What `docker` complains of, when no engine answers it. */
async function silence(): Promise<string | undefined> {
  const asked = ['version', '--format', '{{.Server.Version}}']
  return command('docker', asked, { timeout: ANSWER_LIMIT_MS }).then(
    () => undefined,
    (error: Error) => error.message,
  )
}
