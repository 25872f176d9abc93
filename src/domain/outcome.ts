/** How a create request can end. These words are declared here and nowhere else. */
export const OUTCOMES = ['created', 'conflict', 'rejected', 'failed'] as const
export type Outcome = (typeof OUTCOMES)[number]

/** What a poller may see: `pending` until the request has an outcome. */
export const REQUEST_STATES = ['pending', ...OUTCOMES] as const
export type RequestState = (typeof REQUEST_STATES)[number]
