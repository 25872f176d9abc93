import type { CloseStack } from './close-stack.ts'
import { type Db, type DbOptions, openDb, type PoolState } from './db/open.ts'
import type { Logger } from './logger.ts'

/** Opens a pool of connections, one for each use, that closes with `opened`. */
export type OpenPool = (
  opened: CloseStack,
  name: string,
  maxConnections: number,
  options?: Pick<DbOptions, 'keepsPlans'>,
) => Db

/** `onOpen` is told each pool, with how to ask for its connections. From `givenUp` on nothing is waited for. */
export function poolsOf(
  url: string,
  log: Logger,
  givenUp: AbortSignal,
  onOpen: (name: string, state: () => PoolState) => void,
): OpenPool {
  return (opened, name, maxConnections, options) => {
    const open = openDb({ url, name, maxConnections, givenUp, ...options }, log)
    opened.add(() => open.close())
    onOpen(name, open.state)
    return open.db
  }
}
