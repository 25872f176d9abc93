import requestQueue from 'kafkajs/src/network/requestQueue/index.js'
import { mend } from './mend.ts'

interface RequestQueue {
  pending: unknown[]
  throttledUntil: number
  scheduleCheckPendingRequests(): void
}

/**
 * Keeps the request queue of kafkajs 2.2.4 from arming a timer when it has nothing to wait for: the delay would be
 * negative, which Node takes as 1 ms and warns about, some hundred times a second in an idle process.
 */
export function mendRequestQueue(): void {
  mend('request queue', () => {
    const { prototype }: { prototype: RequestQueue } = requestQueue
    const schedule = prototype.scheduleCheckPendingRequests
    prototype.scheduleCheckPendingRequests = function () {
      if (this.pending.length > 0 || this.throttledUntil > Date.now()) schedule.call(this)
    }
  })
}
