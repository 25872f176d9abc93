/** Servers that may be shared: what a test needs to make a world of its own on them. */
export interface SharedServers {
  /** The superuser's URL. */
  postgresUrl: string
  kafkaBrokers: string[]
}

export interface OwnServer {
  /** Resolves when it serves, on what it had. */
  start(): Promise<void>
  /** Stops it in good order; resolves when it is gone. */
  stop(): Promise<void>
  /** As a power failure would; resolves when it is gone. */
  kill(): Promise<void>
  /** It takes connections and does not answer, until it is resumed. */
  pause(): Promise<void>
  /** Nothing happens when it is not paused. */
  resume(): Promise<void>
  isRunning(): boolean
}

/** A PostgreSQL and a Kafka that no other test uses, so that a test may stop them. */
export interface OwnServers {
  postgres: OwnServer & {
    /** The superuser, in the database `registrar`. */
    ownerUrl: string
    /** The role `registrar` in the same database; the role itself is made by the migration. */
    serviceUrl: string
  }
  kafka: OwnServer & { brokers: string[] }
  /** For `makeWorld`. */
  servers: SharedServers
  close(): Promise<void>
}

export interface OwnServersOptions {
  /** Gets one line for each step of the start. */
  say?: (line: string) => void
  /** Whether PostgreSQL survives a power failure; else it is faster. */
  durable?: boolean
}
