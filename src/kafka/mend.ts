import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)
const mended = new Set<string>()

/** A file of kafkajs, by its path in `src`. */
export const partOfKafkajs = (path: string) => require(`kafkajs/src/${path}`)

/** Puts right what `name` stands for in kafkajs, once, and only in the release whose source the mending was written for. */
export function mend(name: string, apply: () => void): void {
  if (mended.has(name) || require('kafkajs/package.json').version !== '2.2.4') return
  mended.add(name)
  apply()
}
