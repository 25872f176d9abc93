import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { findEngine } from './engine.ts'
import { RUN } from './leftovers.ts'

/* The commands are stand-ins here: what they do is what an engine looks like from outside. */
let folder: string
const inFolder = (name: string) => path.join(folder, name)
function install(name: string, script: string): void {
  writeFileSync(inFolder(name), `#!/bin/sh\ncd '${folder}'\n${script}\n`)
  chmodSync(inFolder(name), 0o755)
}
/** Undefined for one that is not a process of ours. */
const processOf = () => Number(readFileSync(inFolder('running'), 'utf8')) || undefined
const isEngineUp = () => existsSync(inFolder('running'))

const DOCKER = `
case $1 in
version) [ -e running ] || { echo 'Cannot connect' >&2; exit 1; } ;;
info) cat labels ;;
ps) cat containers ;;
esac`
const DOCKERD = `
mkdir lock || { echo 'pid file found, ensure docker is not running' >&2; exit 1; }
trap 'rm -r running lock; exit 0' TERM
echo "[\\"$2\\"]" > labels
: > containers
echo $$ > running
while :; do sleep 0.05; done`

/** The names of runs: of a process that lives beside this one, and of one that does not live any more. */
const LIVING = RUN.replace(/\d+$/, `${process.ppid}`)
const DEAD = RUN.replace(/\d+$/, `${2 ** 22 + 1}`)

const said: string[] = []
const say = (line: string) => void said.push(line)
const find = (run: string, startLimitMs = 30_000) => findEngine({ say, run, startLimitMs })

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'workflow-registrar-test-'))
  said.length = 0
  vi.stubEnv('PATH', `${folder}:/usr/bin:/bin`)
  vi.stubEnv('DOCKER_HOST', '')
  vi.spyOn(process, 'getuid').mockReturnValue(0)
  onTestFinished(() => {
    vi.unstubAllEnvs()
    vi.restoreAllMocks()
    const left = isEngineUp() && processOf()
    if (left) process.kill(left, 'SIGKILL')
    rmSync(folder, { recursive: true })
  })
  install('docker', DOCKER)
  install('dockerd', DOCKERD)
})

/** Where the engine that runs has its log, and says who uses it. */
const folderOfEngine = () => JSON.parse(readFileSync(inFolder('labels'), 'utf8'))[0].split('=')[1]

describe('an engine that a run has started', () => {
  test('ends with that run, and its folder too', async () => {
    const engine = await find(LIVING)
    expect(said).toEqual(['Docker: started dockerd'])
    expect(isEngineUp()).toBe(true)
    engine.stop()
    expect(isEngineUp()).toBe(false)
    expect(existsSync(folderOfEngine())).toBe(false)
  })

  test('goes on for another run that has found it, and ends with that one', async () => {
    const first = await find(RUN)
    const second = await find(LIVING)
    first.stop()
    expect(isEngineUp()).toBe(true)
    second.stop()
    expect(isEngineUp()).toBe(false)
  })

  test('ends with the next run when its own was killed', async () => {
    await find(DEAD)
    const next = await find(RUN)
    expect(said).toHaveLength(1)
    next.stop()
    expect(isEngineUp()).toBe(false)
  })

  test('goes on while a container of anybody runs', async () => {
    const engine = await find(RUN)
    writeFileSync(inFolder('containers'), 'c0ffee\n')
    engine.stop()
    expect(isEngineUp()).toBe(true)
    writeFileSync(inFolder('containers'), '')
    ;(await find(RUN)).stop()
    expect(isEngineUp()).toBe(false)
  })

  test('serves another run that wanted to start one at the same time', async () => {
    const [first, second] = await Promise.all([find(RUN), find(LIVING)])
    expect(said).toEqual(['Docker: started dockerd'])
    first.stop()
    second.stop()
    expect(isEngineUp()).toBe(false)
  })
})

test('an engine that was there before goes on', async () => {
  writeFileSync(inFolder('running'), '')
  writeFileSync(inFolder('labels'), 'null')
  const engine = await find(RUN)
  engine.stop()
  expect(isEngineUp()).toBe(true)
})

describe('there is no engine', () => {
  test('where dockerd ends, and the last that it has said is told', async () => {
    install('dockerd', `echo 'failed to mount' >&2; exit 1`)
    await expect(find(RUN)).rejects.toMatchObject({
      name: 'NoEngine',
      message: expect.stringContaining('it ended with 1: failed to mount'),
    })
  })

  test('where dockerd runs and never answers, and it runs no longer', async () => {
    install('dockerd', `echo $$ > silent; echo 'waiting for a device' >&2; exec sleep 600`)
    await expect(find(RUN, 2_000)).rejects.toMatchObject({
      name: 'NoEngine',
      message: expect.stringContaining('waiting for a device'),
    })
    const silent = Number(readFileSync(inFolder('silent'), 'utf8'))
    expect(() => process.kill(silent, 0)).toThrow('ESRCH')
  })

  test('where Docker is not installed', async () => {
    vi.stubEnv('PATH', '/nowhere')
    await expect(find(RUN)).rejects.toMatchObject({ name: 'NoEngine' })
  })

  test('where dockerd is not installed', async () => {
    vi.stubEnv('PATH', folder)
    rmSync(inFolder('dockerd'))
    install('docker', '[ "$1" = --version ]')
    await expect(find(RUN)).rejects.toThrow('it is not installed')
  })

  test('where DOCKER_HOST names one that does not answer', async () => {
    vi.stubEnv('DOCKER_HOST', 'tcp://127.0.0.1:1')
    await expect(find(RUN)).rejects.toThrow('DOCKER_HOST names an engine that does not answer')
  })
})
