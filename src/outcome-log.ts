import type { Door } from './domain/door.ts'
import type { Outcome } from './domain/outcome.ts'
import type { NamedRequest, Registered, Settled } from './domain/request.ts'
import type { Logger } from './logger.ts'

/** A created workflow is no news; a duplicate is a fact; only what failed on our side is an error. */
const LEVELS: Record<Outcome, 'debug' | 'info' | 'error'> = {
  created: 'debug',
  conflict: 'info',
  rejected: 'info',
  failed: 'error',
}

type OutcomeLog = Pick<Logger, 'debug' | 'info' | 'error'>

/** Tells how a request ended, once for each time that it is answered. */
export type TellOutcome = (log: OutcomeLog, outcome: Registered) => void

/** Has the outcomes of a door counted, and each written to the log. */
export function tellOutcomes(door: Door, counts: { ended(outcome: Registered): void }): TellOutcome {
  return (log, outcome) => {
    counts.ended(outcome)
    logOutcome(log, door, outcome)
  }
}

/** What a line tells of a request: of all that the caller sent, name and version alone. */
export function requestFields(
  door: Door,
  { requestId, workflowName, version }: Pick<NamedRequest, 'requestId' | 'workflowName' | 'version'>,
) {
  return { request_id: requestId, door, workflow_name: workflowName, version }
}

/** Writes the one line that an outcome is worth. */
export function logOutcome(log: OutcomeLog, door: Door, settled: Settled): void {
  log[LEVELS[settled.outcome]](
    {
      ...requestFields(door, settled),
      outcome: settled.outcome,
      ...(settled.rejection && { reason: settled.rejection.reason }),
    },
    `request ${settled.outcome}`,
  )
}
