import type { Outcome } from './domain/outcome.ts'
import type { Settled } from './domain/request.ts'
import type { Logger } from './logger.ts'

/** Which way a request came. */
export type Door = 'sync' | 'async'

/** A created workflow is no news; a duplicate is a fact; only what failed on our side is an error. */
const LEVELS: Record<Outcome, 'debug' | 'info' | 'error'> = {
  created: 'debug',
  conflict: 'info',
  rejected: 'info',
  failed: 'error',
}

/** Writes the one line that an outcome is worth, without anything that the caller sent but name and version. */
export function logOutcome(
  log: Pick<Logger, 'debug' | 'info' | 'error'>,
  door: Door,
  settled: Settled,
): void {
  log[LEVELS[settled.outcome]](
    {
      request_id: settled.requestId,
      door,
      outcome: settled.outcome,
      workflow_name: settled.workflowName,
      version: settled.version,
      ...(settled.rejection && { reason: settled.rejection.reason }),
    },
    `request ${settled.outcome}`,
  )
}
