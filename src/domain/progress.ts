/** One partition of a topic of one cluster: offsets mean nothing without all three. */
export interface Log {
  clusterId: string
  topic: string
  partition: number
}

/** Every record below `nextOffset` is settled. */
export interface LogProgress extends Log {
  nextOffset: bigint
  /**
   * Where the records begin that are settled with it. The database must know as settled what is below, or it refuses:
   * it may have been restored to an earlier state in the meantime. Absent: a log of which it knows nothing yet.
   */
  from?: bigint | undefined
}
