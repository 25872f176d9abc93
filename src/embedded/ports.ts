import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'
import { StartFailure } from './start-failure.ts'

/**
 * A port of 127.0.0.1 that nothing listens on.
 *
 * It lies below the range from which systems take the local ports of outgoing connections: while a
 * server is stopped, no client can come to sit on its port (or connect to itself).
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(12_000, 32_000)
    if ((await refusal(port)) === undefined) return port
  }
}

/** Throws a StartFailure that names `variable` when `wantedBy` could not listen on 127.0.0.1:`port`. */
export async function assertPortFree(port: number, wantedBy: string, variable: string): Promise<void> {
  const code = await refusal(port)
  if (code === undefined) return
  const why = code === 'EADDRINUSE' ? 'another process is using that port' : `the system refuses it (${code})`
  throw new StartFailure(
    `${wantedBy} cannot listen on 127.0.0.1:${port}, ${why}: free it, or choose another port with ${variable}.`,
  )
}

function refusal(port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => probe.close(() => resolve(undefined)))
  })
}
