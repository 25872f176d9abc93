import type { TestProject } from 'vitest/node'
import { lane } from './lane.ts'
import { leaks } from './leaks.ts'
import type { SharedServers } from './servers.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** The servers that all test files share; each file has its own database and topics on them. */
    servers: SharedServers
  }
}

/** Has the servers run before the first test, and until after the last; then what they have logged was looked at. */
export default async function setup(project: TestProject) {
  const say = (line: string) => void process.stderr.write(`${line}\n`)
  const { servers, close } = await (await lane()).startShared({ say })
  project.provide('servers', servers)
  return async () => {
    await close()
    const found = leaks()
    if (found.length > 0)
      throw new Error(`The logs of the servers have what no log may have:\n${found.join('\n')}`)
  }
}
