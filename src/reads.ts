import { catalog } from './db/catalog.ts'
import { throwingFaults } from './db/faults.ts'
import type { Db } from './db/open.ts'
import { outlooks } from './db/outlook.ts'
import { progressOf } from './db/progress.ts'
import { registrations } from './db/registrations.ts'

export type Reads = ReturnType<typeof readsOf>

/** Reads that no outcome depends on. */
export function readsOf(db: Db) {
  return {
    catalog: throwingFaults(catalog(db)),
    outlook: throwingFaults(outlooks(db)),
    status: throwingFaults(registrations(db)),
    progress: throwingFaults(progressOf(db)),
  }
}
