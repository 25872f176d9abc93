import type { Failure } from './classify.ts'

/** How a call can fail with nobody to blame but the infrastructure: `outage` passes by itself, `systemic` does not. */
export type FaultClass = 'outage' | 'systemic'

/** Nothing was decided: the requests at hand have no outcome yet. `failure` is for the log. */
export class Fault extends Error {
  override readonly name = 'Fault'
  readonly class: FaultClass
  readonly failure: Failure

  constructor(faultClass: FaultClass, failure: Failure, cause?: unknown) {
    super(`${faultClass}: ${failure.code}${failure.constraint ? ` (${failure.constraint})` : ''}`, { cause })
    this.class = faultClass
    this.failure = failure
  }
}
