import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  type CryptoKey,
  exportJWK,
  generateKeyPair,
  type JWK,
  type JWTHeaderParameters,
  type JWTPayload,
  SignJWT,
} from 'jose'
import { type AccessSettings, parseConfig } from '../../src/config.ts'

/** A key, as the issuer has it and as it is published. */
export interface SigningKey {
  privateKey: CryptoKey
  publicJwk: JWK
  algorithm: string
}

export async function makeKey(algorithm = 'ES256'): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(algorithm)
  const publicJwk = { ...(await exportJWK(publicKey)), kid: randomUUID(), use: 'sig' }
  return { privateKey, publicJwk, algorithm }
}

/** Whoever gives out tokens, with a server for its keys. */
export interface Issuer {
  settings: AccessSettings
  /** The same, for the environment of a process. */
  env: Record<string, string>
  /** What is published; the last signs. */
  keys: SigningKey[]
  /** How often the keys were asked for. */
  asked(): number
  /** Answers so from now on, in place of the keys; undefined: with the keys again. */
  answer(otherwise: ((response: ServerResponse) => void) | undefined): void
  /** A token that is good for a minute, unless claims (undefined: without it), header or key say otherwise. */
  token(
    claims?: JWTPayload,
    options?: { key?: SigningKey; header?: Partial<JWTHeaderParameters> },
  ): Promise<string>
  /** The header that brings such a token. */
  bearer(sub: string, ...scopes: string[]): Promise<{ authorization: string }>
  close(): Promise<void>
}

export async function startIssuer(): Promise<Issuer> {
  const keys = [await makeKey()]
  let asked = 0
  let otherwise: ((response: ServerResponse) => void) | undefined
  const server = createServer((_request, response) => {
    asked += 1
    if (otherwise) return otherwise(response)
    response.setHeader('content-type', 'application/jwk-set+json')
    response.end(JSON.stringify({ keys: keys.map(({ publicJwk }) => publicJwk) }))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const env = {
    JWT_ISSUER: 'https://issuer.test/',
    JWT_AUDIENCE: 'workflow-registrar',
    JWT_JWKS_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`,
  }
  const settings = parseConfig(env).access!

  async function token(
    claims: JWTPayload = {},
    { key = keys.at(-1)!, header = {} }: { key?: SigningKey; header?: Partial<JWTHeaderParameters> } = {},
  ) {
    const now = Math.floor(Date.now() / 1000)
    const usual = { iss: settings.issuer, aud: settings.audience, sub: 'somebody', iat: now, exp: now + 60 }
    const { privateKey, algorithm, publicJwk } = key
    const { kid } = publicJwk
    return new SignJWT(JSON.parse(JSON.stringify({ ...usual, ...claims })))
      .setProtectedHeader({ alg: algorithm, ...(kid !== undefined && { kid }), ...header })
      .sign(privateKey)
  }

  return {
    settings,
    env,
    keys,
    asked: () => asked,
    answer(other) {
      otherwise = other
    },
    token,
    bearer: async (sub, ...scopes) => ({
      authorization: `Bearer ${await token({ sub, scope: scopes.join(' ') })}`,
    }),
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
