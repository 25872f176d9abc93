import { createRequire } from 'node:module'

interface RequestQueue {
  pending: unknown[]
  throttledUntil: number
  scheduleCheckPendingRequests(): void
}

const require = createRequire(import.meta.url)
let mended = false

/**
 * Keeps the request queue of kafkajs 2.2.4 from arming a timer when it has nothing to wait for: the delay would be
 * negative, which Node takes as 1 ms and warns about, some hundred times a second in an idle process.
 */
export function mendRequestQueue(): void {
  if (mended || require('kafkajs/package.json').version !== '2.2.4') return
  mended = true
  const { prototype }: { prototype: RequestQueue } = require('kafkajs/src/network/requestQueue/index.js')
  const schedule = prototype.scheduleCheckPendingRequests
  prototype.scheduleCheckPendingRequests = function (this: RequestQueue) {
    if (this.pending.length > 0 || this.throttledUntil > Date.now()) schedule.call(this)
  }
}
