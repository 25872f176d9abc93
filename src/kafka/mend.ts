import kafkajs from 'kafkajs/package.json' with { type: 'json' }

const mended = new Set<string>()

/** Puts right what `name` stands for in kafkajs, once, and only in the release whose source the mending was written for. */
export function mend(name: string, apply: () => void): void {
  if (mended.has(name) || kafkajs.version !== '2.2.4') return
  mended.add(name)
  apply()
}
