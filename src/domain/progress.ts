/** One partition of a topic of one cluster: offsets mean nothing without all three. */
export interface Log {
  clusterId: string
  topic: string
  partition: number
}

/** Every record below `nextOffset` is settled. */
export interface LogProgress extends Log {
  nextOffset: bigint
}
