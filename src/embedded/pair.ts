import { claimDataDir } from './data-dir.ts'
import { type Kafka, startKafka } from './kafka.ts'
import { type Postgres, startPostgres } from './postgres.ts'
import { publishAddresses } from './running.ts'

export type PairOptions = {
  /** Made if missing; holds everything the pair keeps, and its logs. */
  dataDir: string
  /** 0 for a free one. */
  postgresPort: number
  /** 0 for a free one. */
  kafkaPort: number
  /** Gets one line per step of the start. */
  say(line: string): void
  /** Gets one sentence, with the log's path, when a started server ends though nobody asked it to. */
  onExit?(sentence: string): void
  /** False (for tests): PostgreSQL does not fsync. It survives any kill, but not a power failure. */
  durable?: boolean
  /** Aborting gives up the start: what runs is stopped, then startPair rejects with the reason. */
  signal?: AbortSignal
}

export type Pair = {
  postgres: Postgres
  kafka: Kafka
  /** Stops both gracefully and resolves when their processes are gone and the folder is free. */
  stop(): Promise<void>
}

/**
 * Starts a PostgreSQL and a Kafka of our own, on the data they had in `dataDir`.
 *
 * Rejects with a StartFailure when either cannot start; then neither runs. However our process ends,
 * both servers stop.
 */
export async function startPair(options: PairOptions): Promise<Pair> {
  const { say, onExit = () => {}, durable = true } = options
  const dir = claimDataDir(options.dataDir)
  const failure = new AbortController()
  const signal = options.signal ? AbortSignal.any([options.signal, failure.signal]) : failure.signal
  const shared = { dataDir: dir.path, say, onExit, signal }
  const giveUp = (error: unknown) => failure.abort(error) // only the first is kept
  const starting = {
    postgres: startPostgres({ ...shared, port: options.postgresPort, durable }),
    kafka: startKafka({ ...shared, port: options.kafkaPort }),
  }
  starting.postgres.catch(giveUp)
  starting.kafka.catch(giveUp)
  const [postgres, kafka] = await Promise.allSettled([starting.postgres, starting.kafka])

  let withdraw = () => {}
  async function stop() {
    withdraw()
    await Promise.all([postgres, kafka].map((one) => one.status === 'fulfilled' && one.value.stop()))
    dir.release()
  }

  if (postgres.status === 'rejected' || kafka.status === 'rejected') {
    await stop()
    throw signal.reason
  }
  const { serviceUrl, ownerUrl } = postgres.value
  withdraw = publishAddresses(dir.path, { serviceUrl, ownerUrl, brokers: kafka.value.brokers })
  return { postgres: postgres.value, kafka: kafka.value, stop }
}
