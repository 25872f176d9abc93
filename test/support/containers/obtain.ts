import { command, docker } from './docker.ts'

const PULL_LIMIT_MS = 10 * 60_000
/** A registry that can be reached has named the layers by then. */
const REGISTRY_LIMIT_MS = 60_000

/** Answers why an image cannot be had; nothing when it is here now. */
export async function obtain(
  image: string,
  { registryLimitMs = REGISTRY_LIMIT_MS } = {},
): Promise<string | undefined> {
  if (await isHere(image)) return undefined
  const silence = new AbortController()
  const patience = setTimeout(() => silence.abort(), registryLimitMs)
  const heard = () => clearTimeout(patience)
  return command('docker', ['pull', image], {
    timeout: PULL_LIMIT_MS,
    signal: silence.signal,
    onOutput: heard,
  })
    .then(
      () => undefined,
      (error: Error) => (silence.signal.aborted ? 'its registry does not answer' : error.message),
    )
    .finally(heard)
}

export async function isHere(image: string): Promise<boolean> {
  return docker('image', 'inspect', image).then(
    () => true,
    () => false,
  )
}
