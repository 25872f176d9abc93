import { createLocalJWKSet, errors } from 'jose'
import type { Logger } from '../logger.ts'

/** How old the keys become before they are fetched again: for so long a key goes on counting that is withdrawn. */
const FRESH_MS = 10 * 60_000

/** How long after a try there is no other: tokens of unknown keys are for anybody to send. */
const COOL_DOWN_MS = 30_000

/** How old the keys may become while no others can be had. */
const USABLE_MS = 24 * 60 * 60_000

/** How long the issuer has for its answer. */
const TIMEOUT_MS = 3_000

const MAX_BYTES = 1024 * 1024

/** The keys cannot be had now, or not be used: nothing can be said of any token. */
export class KeysUnavailable extends Error {
  override readonly name = 'KeysUnavailable'
  /** `HTTP_` and the status, `TIMEOUT`, `TOO_LARGE`, `NOT_A_JWKS`, `UNUSABLE_KEY`, or what Node calls a lost connection. */
  readonly code: string

  constructor(code: string, options?: ErrorOptions) {
    super('the keys that sign tokens cannot be had', options)
    this.code = code
  }
}

type LocalKeys = ReturnType<typeof createLocalJWKSet>
type Token = Parameters<LocalKeys>

/** The keys of an issuer, kept here. */
export interface Keys {
  /** The key that a token names. Throws a `KeysUnavailable`, or an error of jose's that says what is wrong with the token. */
  find: (...token: Token) => ReturnType<LocalKeys>
  /** Why no token can be read now; undefined when they can. */
  trouble(): string | undefined
  close(): void
}

/**
 * Fetches the keys now, every 10 minutes, and when a token names one that is not there. Those that were fetched last
 * go on counting while the issuer is away, for a day.
 */
export function openKeys(url: string, log: Pick<Logger, 'info' | 'warn'>): Keys {
  let kept: { keys: LocalKeys; at: number } | undefined
  let failure: KeysUnavailable | undefined
  let triedAt = 0
  let trying: Promise<void> | undefined
  let next: NodeJS.Timeout | undefined
  let isOpen = true

  async function tryOnce(): Promise<void> {
    clearTimeout(next)
    triedAt = performance.now()
    try {
      kept = { keys: await fetchKeys(url), at: triedAt }
      if (failure) log.info('the keys that sign tokens can be had again')
      failure = undefined
    } catch (error) {
      const unavailable = asUnavailable(error)
      if (unavailable.code !== failure?.code) log.warn({ err: unavailable }, unavailable.message)
      failure = unavailable
    }
    trying = undefined
    if (isOpen) next = setTimeout(fetchNow, failure ? COOL_DOWN_MS : FRESH_MS).unref()
  }

  function fetchNow(): Promise<void> {
    trying ??= tryOnce()
    return trying
  }

  async function fetchUnlessTried(): Promise<void> {
    if (trying || performance.now() - triedAt >= COOL_DOWN_MS) await fetchNow()
  }

  function usable(): LocalKeys | undefined {
    return kept && performance.now() - kept.at < USABLE_MS ? kept.keys : undefined
  }

  void fetchNow()
  return {
    async find(...token) {
      const known = await keyIn(usable(), token)
      if (known) return known
      await fetchUnlessTried()
      if (failure) throw failure // it may have a key by now that nobody here knows
      const key = await keyIn(usable(), token)
      if (!key) throw new errors.JWKSNoMatchingKey()
      return key
    },
    trouble() {
      if (usable()) return undefined
      return `the keys of JWT_JWKS_URL cannot be had (${failure?.code ?? 'not yet'})`
    },
    close() {
      isOpen = false
      clearTimeout(next)
    },
  }
}

/** The key that a token names; undefined where it is not among them. */
async function keyIn(keys: LocalKeys | undefined, token: Token) {
  try {
    return await keys?.(...token)
  } catch (error) {
    if (error instanceof errors.JWKSNoMatchingKey) return undefined
    if (error instanceof errors.JWKSMultipleMatchingKeys) throw error
    throw new KeysUnavailable('UNUSABLE_KEY', { cause: error })
  }
}

async function fetchKeys(url: string): Promise<LocalKeys> {
  const text = await fetchText(url)
  try {
    return createLocalJWKSet(JSON.parse(text))
  } catch {
    throw new KeysUnavailable('NOT_A_JWKS')
  }
}

async function fetchText(url: string): Promise<string> {
  const { status, body } = await fetch(url, {
    headers: { accept: 'application/jwk-set+json, application/json' },
    redirect: 'manual', // who may send us elsewhere could sign any token
    signal: AbortSignal.timeout(TIMEOUT_MS),
  })
  if (status !== 200) {
    await body?.cancel()
    throw new KeysUnavailable(`HTTP_${status}`)
  }
  const parts: Uint8Array[] = []
  let bytes = 0
  for await (const part of body ?? []) {
    bytes += part.byteLength
    if (bytes > MAX_BYTES) throw new KeysUnavailable('TOO_LARGE')
    parts.push(part)
  }
  return Buffer.concat(parts).toString()
}

function asUnavailable(error: unknown): KeysUnavailable {
  if (error instanceof KeysUnavailable) return error
  const isLate = error instanceof Error && error.name === 'TimeoutError'
  return new KeysUnavailable(isLate ? 'TIMEOUT' : (codeOf(error) ?? 'CONNECTION_LOST'), { cause: error })
}

/** The code that is deepest among the causes: it says best what is the matter. */
function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined
  return codeOf(error.cause) ?? code
}
