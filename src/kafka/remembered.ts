import type { KafkaMessage } from 'kafkajs'

/** Remembers records of each partition, until they are forgotten with the chunk that they came in. */
export function rememberedRecords() {
  const places = new Map<number, Set<string>>()

  return {
    has: (partition: number, record: KafkaMessage): boolean =>
      places.get(partition)?.has(placeOf(record)) ?? false,

    add(partition: number, record: KafkaMessage): void {
      const known = places.get(partition) ?? new Set()
      places.set(partition, known.add(placeOf(record)))
    },

    forget(partition: number): void {
      places.delete(partition)
    },
  }
}

/** A log that was made anew has the same offsets again. */
function placeOf({ offset, timestamp }: KafkaMessage): string {
  return `${offset} ${timestamp}`
}
