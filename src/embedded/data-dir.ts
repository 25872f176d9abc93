import { accessSync, constants, linkSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { livePid, writePidFile } from './pid-file.ts'
import { StartFailure } from './start-failure.ts'

export type DataDir = {
  /** Absolute. */
  path: string
  /** Lets the next instance have the folder. */
  release(): void
}

/**
 * Makes the folder if need be and claims it for this process.
 *
 * Throws a StartFailure when another living process has it, or when it cannot be written. A claim
 * whose process is dead counts for nothing.
 */
export function claimDataDir(dataDir: string): DataDir {
  const path = resolve(dataDir)
  const claim = join(path, 'pair.pid')
  const mine = join(path, `pair.pid.${process.pid}`)
  try {
    mkdirSync(path, { recursive: true })
    accessSync(path, constants.W_OK)
    writePidFile(mine, process.pid)
  } catch (error) {
    throw new StartFailure(
      `The data folder ${path} cannot be written (${(error as NodeJS.ErrnoException).code}): make it writable for this user, or choose another with DATA_DIR.`,
      { cause: error },
    )
  }
  try {
    while (!linked(mine, claim)) {
      const holder = livePid(claim)
      if (holder !== undefined) {
        throw new StartFailure(
          `The data folder ${path} is in use by the running process ${holder}: stop that one, or choose another folder with DATA_DIR.`,
        )
      }
      // Nothing is awaited since livePid, so that a claim made in the meantime is not removed.
      rmSync(claim, { force: true })
    }
  } finally {
    rmSync(mine, { force: true })
  }
  for (const name of readdirSync(path)) {
    // Something that was being made when its process died; see makeCluster and formatStorage.
    if (name.startsWith('new-')) rmSync(join(path, name), { recursive: true, force: true, maxRetries: 3 })
  }
  return { path, release: () => rmSync(claim, { force: true }) }
}

/** link(2) either makes the complete file or fails: nobody ever reads a claim that is half written. */
function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}
