import { lane } from './lane.ts'
import type { OwnServers, OwnServersOptions } from './servers.ts'

export type { OwnServers } from './servers.ts'

/** Starts a PostgreSQL and a Kafka of a test's own. */
export async function startOwnServers(options: OwnServersOptions = {}): Promise<OwnServers> {
  return (await lane()).startOwn(options)
}
