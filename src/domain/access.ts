/** What a caller may do. None of these implies another. */
export const SCOPES = ['workflows:read', 'workflows:write', 'workflows:operate'] as const
export type Scope = (typeof SCOPES)[number]

/** Who asks, as far as that is known, and what they may do. */
export interface Caller {
  principal: string | null
  scopes: ReadonlySet<Scope>
}

/** Whoever asks where callers are not told apart. */
export const ANYBODY: Caller = { principal: null, scopes: new Set(SCOPES) }

/** Nothing of it is unseen; joined by line feeds it cannot be taken for another, and every store and header takes it. */
const PRINCIPAL = /^(?=.*\S)[^\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]{1,255}$/u

/**
 * Whether it can name somebody: a text of 1 to 255 characters, well-formed, not all of them white space, and none of
 * them a control, formatting or line-separating character.
 */
export function isPrincipal(value: unknown): value is string {
  return typeof value === 'string' && PRINCIPAL.test(value)
}

/** Whether a caller may know of a request of this principal. What belongs to nobody is everybody's. */
export function maySee({ principal, scopes }: Caller, owner: string | null): boolean {
  return owner === null || owner === principal || scopes.has('workflows:operate')
}
