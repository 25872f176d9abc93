import { createHmac } from 'node:crypto'
import { exportSPKI, importJWK, type JWTPayload } from 'jose'
import pino from 'pino'
import { beforeEach, describe, expect, test } from 'vitest'
import { type Keys, openKeys } from '../../src/http/keys.ts'
import { type ReadToken, TokenRefused, tokensOf } from '../../src/http/tokens.ts'
import { type Issuer, makeKey, startIssuer } from '../support/issuer.ts'

let issuer: Issuer
let readToken: ReadToken

beforeEach(async () => {
  const started = await startIssuer()
  issuer = started
  let keys: Keys | undefined
  readToken = (token) => {
    keys ??= openKeys(started.settings.jwksUrl, pino({ level: 'silent' })) // once the test has all keys published
    return tokensOf(started.settings, keys.find)(token)
  }
  return () => {
    keys?.close()
    return started.close()
  }
})

const now = () => Math.floor(Date.now() / 1000)
const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

describe('a token', () => {
  test('tells who asks, and what they may do', async () => {
    const token = await issuer.token({ sub: 'Zoë 🚀', scope: 'openid workflows:write workflows:read' })
    expect(await readToken(token)).toEqual({
      principal: 'Zoë 🚀',
      scopes: new Set(['workflows:read', 'workflows:write']),
    })
  })

  test.each<[string, JWTPayload, string[]]>([
    ['a list', { scp: ['workflows:read', 'workflows:operate'] }, ['workflows:read', 'workflows:operate']],
    ['a text', { scp: 'workflows:write openid' }, ['workflows:write']],
    [
      'both claims',
      { scope: 'workflows:read', scp: ['workflows:write'] },
      ['workflows:read', 'workflows:write'],
    ],
    ['nothing', {}, []],
    ['what is no text', { scope: { 'workflows:read': true }, scp: [1, null, ['workflows:read']] }, []],
    ['a word that only looks like one', { scope: 'workflows:READ workflows:write,workflows:read' }, []],
  ])('may have its scopes as %s', async (_as, claims, scopes) => {
    expect((await readToken(await issuer.token(claims))).scopes).toEqual(new Set(scopes))
  })

  test.each(['RS256', 'PS384', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'])(
    'may be signed with %s',
    async (algorithm) => {
      issuer.keys.push(await makeKey(algorithm))
      expect(await readToken(await issuer.token())).toMatchObject({ principal: 'somebody' })
    },
  )

  test('may be for others as well, and from a clock that is a little off', async () => {
    const claims = { aud: ['others', issuer.settings.audience], exp: now() - 10, nbf: now() + 10 }
    expect(await readToken(await issuer.token(claims))).toMatchObject({ principal: 'somebody' })
  })

  test('has a name of 255 characters at most, counted as people do', async () => {
    const longest = '🚀'.repeat(255)
    expect(await readToken(await issuer.token({ sub: longest }))).toMatchObject({ principal: longest })
    await expect(readToken(await issuer.token({ sub: `${longest}x` }))).rejects.toThrow(TokenRefused)
  })
})

describe('refused is a token', () => {
  test.each<[string, Record<string, unknown>, string]>([
    ['of another issuer', { iss: 'https://issuer.test' }, 'iss'],
    ['without an issuer', { iss: undefined }, 'iss'],
    ['for another audience', { aud: 'others' }, 'aud'],
    ['for nobody', { aud: undefined }, 'aud'],
    ['without a name', { sub: undefined }, 'sub'],
    ['with an empty name', { sub: '' }, 'sub'],
    ['with a number for a name', { sub: 17 }, 'sub'],
    ['with a line feed in its name', { sub: 'a\nb' }, 'sub'],
    ['with NUL in its name', { sub: 'a\0' }, 'sub'],
    ['with half a character in its name', { sub: 'a\ud800' }, 'sub'],
    ['that never ends', { exp: undefined }, 'exp'],
    ['that ends nobody knows when', { exp: 'tomorrow' }, 'exp'],
    ['that is for later', { nbf: now() + 120 }, 'nbf'],
  ])('%s', async (_which, claims, claim) => {
    await expect(readToken(await issuer.token(claims))).rejects.toThrow(
      expect.objectContaining({ name: 'TokenRefused', message: expect.stringContaining(` ${claim} `) }),
    )
  })

  test('that has expired', async () => {
    const token = await issuer.token({ exp: now() - 60 })
    await expect(readToken(token)).rejects.toThrow(new TokenRefused('The token has expired'))
  })

  const claims = () => ({
    ...{ iss: issuer.settings.issuer, aud: issuer.settings.audience },
    ...{ sub: 'somebody', exp: now() + 60 },
  })

  test.each(['none', 'None', 'NONE', ''])('that is not signed (%j)', async (alg) => {
    const { kid } = issuer.keys[0]!.publicJwk
    for (const signature of ['', 'AA'])
      await expect(readToken(`${part({ alg, kid })}.${part(claims())}.${signature}`)).rejects.toThrow(
        TokenRefused,
      )
  })

  test('that is signed with what everybody knows', async () => {
    const key = await makeKey('RS256')
    issuer.keys.push(key)
    const publicKey = await importJWK({ ...key.publicJwk, ext: true }, 'RS256')
    if (publicKey instanceof Uint8Array) return expect.unreachable()
    const secrets = [await exportSPKI(publicKey), JSON.stringify(key.publicJwk), key.publicJwk.n!]
    for (const secret of secrets)
      for (const alg of ['HS256', 'RS256']) {
        const signed = `${part({ alg, kid: key.publicJwk.kid })}.${part(claims())}`
        const signature = createHmac('sha256', secret).update(signed).digest('base64url')
        await expect(readToken(`${signed}.${signature}`)).rejects.toThrow(TokenRefused)
      }
  })

  test('that is signed in a way that is not on the list', async () => {
    issuer.keys.push(await makeKey('ML-DSA-44'))
    await expect(readToken(await issuer.token())).rejects.toThrow(
      new TokenRefused('The token is signed in a way that is not taken here'),
    )
  })

  test('that another key has signed in the name of ours', async () => {
    const { publicJwk } = issuer.keys[0]!
    const header = { kid: publicJwk.kid!, jwk: (await makeKey()).publicJwk, jku: 'https://elsewhere.test' }
    for (const forged of [{ kid: publicJwk.kid! }, header])
      await expect(
        readToken(await issuer.token({}, { key: await makeKey(), header: forged })),
      ).rejects.toThrow(TokenRefused)
  })

  test('that does not say which of several keys it is', async () => {
    issuer.keys.push(await makeKey())
    const key = { ...issuer.keys[0]!, publicJwk: {} }
    await expect(readToken(await issuer.token({}, { key }))).rejects.toThrow(TokenRefused)
  })

  test('that was changed', async () => {
    const [header, , signature] = (await issuer.token()).split('.')
    await expect(readToken(`${header}.${part({ ...claims(), sub: 'root' })}.${signature}`)).rejects.toThrow(
      TokenRefused,
    )
  })

  test.each([
    '',
    '.',
    '..',
    '...',
    'a.b.c',
    'é.é.é',
    `${part({ alg: 'ES256' })}..`,
    '{}',
    'a'.repeat(20_000),
  ])('that is none: %.20j', async (text) => {
    await expect(readToken(text)).rejects.toThrow(TokenRefused)
  })

  test('and its words have nothing of it', async () => {
    const token = await issuer.token({ sub: 'a-secret-name', iss: 'a-secret-issuer' })
    const refusal = await readToken(token).catch((error: Error) => error.message)
    expect(refusal).not.toMatch(/secret/)
  })
})
