import { errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose'
import type { AccessSettings } from '../config.ts'
import { type Caller, isPrincipal, SCOPES } from '../domain/access.ts'
import { KeysUnavailable } from './keys.ts'

/** Whoever knows the key that verifies these cannot sign with it. */
const ALGORITHMS = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
]

/** How far the clocks of the issuer and of this process may be apart. */
const CLOCK_TOLERANCE_S = 30

/** A token speaks for nobody. The message is for its caller, and has no text of the token. */
export class TokenRefused extends Error {
  override readonly name = 'TokenRefused'
}

/** The caller that a token speaks for. Throws `TokenRefused` or `KeysUnavailable`. */
export type ReadToken = (token: string) => Promise<Caller>

/** Takes the tokens of one issuer; `findKey` finds its keys. */
export function tokensOf(
  { issuer, audience }: Pick<AccessSettings, 'issuer' | 'audience'>,
  findKey: JWTVerifyGetKey,
): ReadToken {
  const options = { issuer, audience, algorithms: ALGORITHMS, clockTolerance: CLOCK_TOLERANCE_S }

  return async function readToken(token) {
    const payload = await verified(() =>
      jwtVerify(token, findKey, { ...options, requiredClaims: ['sub', 'exp'] }),
    )
    const { sub } = payload
    if (!isPrincipal(sub))
      throw new TokenRefused('The claim sub of the token is not a name that is taken here')
    const given = scopesIn(payload)
    return { principal: sub, scopes: new Set(SCOPES.filter((scope) => given.has(scope))) }
  }
}

async function verified(verify: () => Promise<{ payload: JWTPayload }>): Promise<JWTPayload> {
  try {
    return (await verify()).payload
  } catch (error) {
    if (error instanceof KeysUnavailable) throw error
    if (error instanceof errors.JOSEError) throw new TokenRefused(refusal(error), { cause: error })
    throw new KeysUnavailable('UNUSABLE_KEY', { cause: error }) // one that is too short, say
  }
}

function refusal(error: errors.JOSEError): string {
  if (error instanceof errors.JWTExpired) return 'The token has expired'
  if (error instanceof errors.JWTClaimValidationFailed)
    return `The claim ${error.claim} of the token is missing, or not as it must be here`
  return REFUSALS[error.code] ?? 'The token cannot be read'
}

const WRONG_KEY = 'The token is not signed with a key that is known here'
const WRONG_WAY = 'The token is signed in a way that is not taken here'

const REFUSALS: Record<string, string> = {
  [errors.JWSSignatureVerificationFailed.code]: WRONG_KEY,
  [errors.JWKSNoMatchingKey.code]: WRONG_KEY,
  [errors.JWKSMultipleMatchingKeys.code]: 'The token does not name its key, and several could be it',
  [errors.JOSEAlgNotAllowed.code]: WRONG_WAY,
  [errors.JOSENotSupported.code]: WRONG_WAY,
}

/** In `scope` as RFC 8693 has it, or in `scp` as others do. */
function scopesIn({ scope, scp }: JWTPayload): ReadonlySet<unknown> {
  const words = (claim: unknown) => (typeof claim === 'string' ? claim.split(' ') : [])
  return new Set([...words(scope), ...(Array.isArray(scp) ? scp : words(scp))])
}
