import { findEngine, NoEngine } from '../support/containers/engine.ts'
import { findImages } from '../support/containers/images.ts'
import { endProcessesOf, RUN, removeAllOf, removeLeftovers } from '../support/containers/leftovers.ts'

const say = (line: string) => void process.stderr.write(`${line}\n`)

/** Has an engine and all images, and sees to it that nothing is left when the run is over, however it ends. */
export default async function setup() {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(1))
  const engine = await findEngine({ say }).catch(skipped)
  const end = () => {
    process.off('exit', breakOff)
    removeAllOf(RUN)
    engine.stop()
  }
  const breakOff = () => {
    endProcessesOf(RUN)
    end()
  }
  process.on('exit', breakOff)
  try {
    removeLeftovers()
    Object.assign(process.env, await findImages(say))
  } catch (error) {
    end()
    throw error
  }
  return end
}

/** Ends the run: there is nothing that it could show. */
function skipped(error: unknown): never {
  if (!(error instanceof NoEngine)) throw error
  const isAllowed = process.env.ALLOW_NO_CONTAINERS === '1'
  const rule = '='.repeat(100)
  say(`${rule}\nSKIPPED: nothing was tested in containers, since ${error.message}`)
  if (!isAllowed) say('This counts as a failure. With ALLOW_NO_CONTAINERS=1 it does not.')
  say(rule)
  process.exit(isAllowed ? 0 : 1)
}
