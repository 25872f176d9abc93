import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { livePid } from './pid-file.ts'

/** How to reach a pair that runs. The URLs hold passwords. */
export type Addresses = {
  serviceUrl: string
  ownerUrl: string
  brokers: string[]
}

const FILE = 'addresses.json'

/** Notes where the pair in `dataDir` is reached, for other processes of the same user. Answers how to take it back. */
export function publishAddresses(dataDir: string, addresses: Addresses): () => void {
  const file = join(dataDir, FILE)
  rmSync(file, { force: true })
  writeFileSync(file, JSON.stringify(addresses), { mode: 0o600 })
  return () => rmSync(file, { force: true })
}

/** Where the pair in `dataDir` is reached, or undefined when none runs there, or none that this user may read. */
export function runningPair(dataDir: string): Addresses | undefined {
  const dir = resolve(dataDir)
  if (livePid(join(dir, 'pair.pid')) === undefined) return undefined
  try {
    return JSON.parse(readFileSync(join(dir, FILE), 'utf8'))
  } catch {
    return undefined
  }
}
