import type { TestProject } from 'vitest/node'
import { lane } from './lane.ts'
import type { SharedServers } from './servers.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** The servers that all test files share; each file has its own database and topics on them. */
    servers: SharedServers
  }
}

/** Has the servers run before the first test, and until after the last. */
export default async function setup(project: TestProject) {
  const say = (line: string) => void process.stderr.write(`${line}\n`)
  const { servers, close } = await (await lane()).startShared({ say })
  project.provide('servers', servers)
  return close
}
