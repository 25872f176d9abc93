import { catalog } from './db/catalog.ts'
import { throwingFaults } from './db/faults.ts'
import type { Db } from './db/open.ts'
import { outlooks } from './db/outlook.ts'
import { progressOf } from './db/progress.ts'
import { registrations } from './db/registrations.ts'
import { serverOf } from './db/server.ts'
import type { Settled } from './domain/request.ts'
import { gather } from './gather.ts'

export type Reads = ReturnType<typeof readsOf>

/** Reads that no outcome depends on. `mustBeOpen` throws a `Fault` while there is nothing to read. */
export function readsOf(db: Db, mustBeOpen: () => void) {
  const status = throwingFaults(registrations(db), mustBeOpen)
  return {
    status,
    catalog: throwingFaults(catalog(db), mustBeOpen),
    outlook: throwingFaults(outlooks(db), mustBeOpen),
    progress: throwingFaults(progressOf(db), mustBeOpen),
    server: throwingFaults(serverOf(db), mustBeOpen),
    /** How a request ended, where it did. Calls of one turn go together. */
    settled: gather<string, Settled | undefined>({
      run: async (ids) => {
        const stored = await status.read(ids)
        return ids.map((id) => stored.get(id))
      },
      ...{ sizeOf: () => 0, maxItems: 500, maxSize: 0, maxInFlight: 2 },
    }),
  }
}
