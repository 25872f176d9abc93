/** Which way a request came: for an answer at once, or through Kafka. */
export const DOORS = ['sync', 'async'] as const

export type Door = (typeof DOORS)[number]
