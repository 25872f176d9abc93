import type { Config } from './config.ts'
import { isLoopback } from './loopback.ts'

/** What whoever starts the doors has to know, where strangers may come in; undefined where they may not. */
export function exposureOf({ access, http: { host } }: Pick<Config, 'access' | 'http'>): string | undefined {
  if (access || isLoopback(host)) return undefined
  return `Whoever reaches ${host} may read and register: no tokens are asked for (JWT_ISSUER, JWT_AUDIENCE, JWT_JWKS_URL)`
}
