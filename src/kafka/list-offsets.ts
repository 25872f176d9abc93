import { AsyncLocalStorage } from 'node:async_hooks'
import broker from 'kafkajs/src/broker/index.js'
import { mend } from './mend.ts'

interface Broker {
  listOffsets(query: { isolationLevel?: number }): Promise<unknown>
}

const READ_UNCOMMITTED = 0
const uncommitted = new AsyncLocalStorage<true>()

/**
 * Lets `toLogEnd` ask kafkajs 2.2.4 for the real end of a log. Its admin client has no setting for that, and by itself
 * asks for the end of what a consumer may read: that stands before the first transaction which is still open.
 */
export function mendListOffsets(): void {
  mend('list offsets', () => {
    const { prototype }: { prototype: Broker } = broker
    const list = prototype.listOffsets
    prototype.listOffsets = function (query) {
      return list.call(this, uncommitted.getStore() ? { ...query, isolationLevel: READ_UNCOMMITTED } : query)
    }
  })
}

/** Runs a step whose offsets reach to the real end of the log, past open transactions. */
export function toLogEnd<T>(step: () => Promise<T>): Promise<T> {
  return uncommitted.run(true, step)
}
