import * as z from 'zod'

/** How a create request can end. These words are declared here and nowhere else. */
export const OUTCOMES = ['created', 'conflict', 'rejected', 'failed'] as const
export type Outcome = (typeof OUTCOMES)[number]

/** What a poller may see: `pending` until the request has an outcome. */
export const REQUEST_STATES = ['pending', ...OUTCOMES] as const

export const outcomeSchema = z.enum(OUTCOMES).meta({ id: 'Outcome' })
export const requestStateSchema = z.enum(REQUEST_STATES).meta({ id: 'RequestState' })
