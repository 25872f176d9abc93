import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { until } from '../until.ts'
import { command, docker } from './docker.ts'

const START_LIMIT_MS = 60_000

/** An engine that answers. `stop` ends it if it was started here. */
export interface Engine {
  stop(): Promise<void>
}

/** Why there is no engine, in a sentence. */
export class NoEngine extends Error {
  override readonly name = 'NoEngine'
}

/** Finds an engine that answers, or starts the one that is installed. */
export async function findEngine(say: (line: string) => void): Promise<Engine> {
  if ((await command('docker', ['--version']).catch(() => undefined)) === undefined)
    throw new NoEngine('there is no `docker` command: install Docker (Debian: docker.io)')
  const complaint = await silenceOf()
  if (complaint === undefined) return { stop: async () => {} }
  if (process.env.DOCKER_HOST)
    throw new NoEngine(`DOCKER_HOST names an engine that does not answer: ${complaint}`)
  if (process.getuid?.() !== 0)
    throw new NoEngine(`no Docker engine answers, and only root may start one: ${complaint}`)
  return startEngine(say)
}

async function startEngine(say: (line: string) => void): Promise<Engine> {
  const logFile = path.join(mkdtempSync(path.join(tmpdir(), 'workflow-registrar-dockerd-')), 'dockerd.log')
  const log = openSync(logFile, 'a')
  const engine = spawn('dockerd', [], { stdio: ['ignore', log, log], detached: true })
  closeSync(log)
  let ended: string | undefined
  engine.once('error', (error: NodeJS.ErrnoException) => {
    ended = error.code === 'ENOENT' ? 'it is not installed' : error.message
  })
  engine.once('exit', (code) => {
    ended ??= `it ended with ${code}; its log is ${logFile}`
  })
  await until(
    'an answer of dockerd',
    async () => {
      if (ended !== undefined)
        throw new NoEngine(`no Docker engine answers, and dockerd cannot be started: ${ended}`)
      return (await silenceOf()) === undefined
    },
    START_LIMIT_MS,
  )
  say('Docker: started dockerd')
  return {
    async stop() {
      if (ended !== undefined) return
      engine.kill('SIGTERM')
      await once(engine, 'exit')
    },
  }
}

/** What `docker` complains of, when no engine answers it. */
async function silenceOf(): Promise<string | undefined> {
  return docker('version', '--format', '{{.Server.Version}}').then(
    () => undefined,
    (error: Error) => error.message,
  )
}
