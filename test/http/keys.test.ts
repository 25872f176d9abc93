import type { ServerResponse } from 'node:http'
import pino from 'pino'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { type Keys, KeysUnavailable, openKeys } from '../../src/http/keys.ts'
import { TokenRefused, tokensOf } from '../../src/http/tokens.ts'
import { type Issuer, makeKey, type SigningKey, startIssuer } from '../support/issuer.ts'
import { until } from '../support/until.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE

let issuer: Issuer
let lines: Record<string, unknown>[]

beforeEach(async () => {
  const started = await startIssuer()
  issuer = started
  lines = []
  return () => started.close()
})

const log = pino({ level: 'trace' }, { write: (line) => void lines.push(JSON.parse(line)) })

/** The keys of the issuer, on a clock that only `vi` moves; and what becomes of a token that one of them signed. */
function open(url = issuer.settings.jwksUrl) {
  vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] })
  const keys = openKeys(url, log)
  onTestFinished(() => {
    keys.close()
    vi.useRealTimers()
  })
  const readToken = tokensOf(issuer.settings, keys.find)
  const read = async (key: SigningKey) => readToken(await issuer.token({}, { key }))
  return { keys, read }
}

type Opened = ReturnType<typeof open>

async function expectTaken({ read }: Opened, key = issuer.keys[0]!) {
  expect(await read(key)).toMatchObject({ principal: 'somebody' })
}

async function expectRefused({ read }: Opened, key: SigningKey) {
  await expect(read(key)).rejects.toThrow(TokenRefused)
}

async function expectNothingSaid({ read }: Opened, key: SigningKey, code?: string) {
  const error = await read(key).catch((thrown) => thrown)
  expect(error).toBeInstanceOf(KeysUnavailable)
  if (code !== undefined) expect(error.code).toBe(code)
}

/** Lets so much time pass, and waits for the end of the try that is due by then. */
async function letPass(ms: number, keys: Keys) {
  const before = issuer.asked()
  vi.advanceTimersByTime(ms)
  await until('a try', () => issuer.asked() > before)
  await keys.find({ alg: 'ES256', kid: 'none' }, { payload: '', signature: '' }).catch(() => {}) // shares it
}

test('are fetched once, at the start, by whoever asks', async () => {
  const opened = open()
  await until('the try', () => issuer.asked() === 1)
  await Promise.all([expectTaken(opened), expectTaken(opened)])
  await expectTaken(opened)
  expect(issuer.asked()).toBe(1)
  expect(opened.keys.trouble()).toBeUndefined()
  expect(lines).toEqual([])
})

test('that are new are found by the first token that names one, though not sooner than 30 s after the last try', async () => {
  const opened = open()
  await expectTaken(opened)
  const newer = await makeKey()
  issuer.keys.push(newer)
  await expectRefused(opened, newer)
  vi.advanceTimersByTime(29 * SECOND)
  await expectRefused(opened, newer)
  expect(issuer.asked()).toBe(1)
  vi.advanceTimersByTime(SECOND)
  await Promise.all([expectTaken(opened, newer), expectTaken(opened, newer)])
  await expectTaken(opened)
  expect(issuer.asked()).toBe(2)
})

test('that are withdrawn count no longer than 10 minutes, also where no token comes', async () => {
  const opened = open()
  await expectTaken(opened)
  const older = issuer.keys[0]!
  issuer.keys.splice(0, 1, await makeKey())
  await expectTaken(opened, older)
  const fetching = vi.spyOn(globalThis, 'fetch')
  onTestFinished(() => fetching.mockRestore())
  vi.advanceTimersByTime(10 * MINUTE - SECOND)
  expect(fetching).not.toHaveBeenCalled()
  await letPass(SECOND, opened.keys)
  expect(fetching).toHaveBeenCalledOnce()
  await expectRefused(opened, older)
  await expectTaken(opened)
})

test('that are withdrawn stop counting with a fetch that an unknown key led to', async () => {
  const opened = open()
  await expectTaken(opened)
  const older = issuer.keys[0]!
  issuer.keys.splice(0, 1, await makeKey())
  vi.advanceTimersByTime(30 * SECOND)
  await expectTaken(opened)
  await expectRefused(opened, older)
})

describe('while the issuer is away', () => {
  const away = (response: ServerResponse) => response.writeHead(503).end()

  test('the last ones go on counting for a day, and then of no token is anything said until it is back', async () => {
    const opened = open()
    await expectTaken(opened)
    issuer.answer(away)
    for (const ms of [11 * MINUTE, 12 * HOUR, 11 * HOUR + 48 * MINUTE]) {
      await letPass(ms, opened.keys)
      await expectTaken(opened)
      expect(opened.keys.trouble()).toBeUndefined()
    }
    await letPass(2 * MINUTE, opened.keys)
    await expectNothingSaid(opened, issuer.keys[0]!, 'HTTP_503')
    expect(opened.keys.trouble()).toBe('the keys of JWT_JWKS_URL cannot be had (HTTP_503)')

    issuer.answer(undefined)
    await letPass(30 * SECOND, opened.keys)
    await expectTaken(opened)
    expect(opened.keys.trouble()).toBeUndefined()
  })

  test('of a token of a key that is unknown nothing is said, and once the issuer has answered it is refused', async () => {
    const opened = open()
    await expectTaken(opened)
    const unknown = await makeKey()
    await expectRefused(opened, unknown)
    issuer.answer(away)
    vi.advanceTimersByTime(30 * SECOND)
    for (let asked = 0; asked < 3; asked += 1) await expectNothingSaid(opened, unknown, 'HTTP_503')
    expect(issuer.asked()).toBe(2)
    issuer.answer(undefined)
    await letPass(30 * SECOND, opened.keys)
    await expectRefused(opened, unknown)
    await expectTaken(opened)
  })

  test('at the start, they are fetched as soon as it is there', async () => {
    issuer.answer(away)
    const opened = open()
    expect(opened.keys.trouble()).toBe('the keys of JWT_JWKS_URL cannot be had (not yet)')
    await expectNothingSaid(opened, issuer.keys[0]!, 'HTTP_503')
    expect(opened.keys.trouble()).toBe('the keys of JWT_JWKS_URL cannot be had (HTTP_503)')
    issuer.answer(undefined)
    await letPass(30 * SECOND, opened.keys)
    await expectTaken(opened)
  })

  test('that is one line in the log, with the cause, and one when it is over', async () => {
    const opened = open(`${issuer.settings.jwksUrl}?key=secret`)
    await expectTaken(opened)
    issuer.answer(away)
    await letPass(10 * MINUTE, opened.keys)
    await letPass(30 * SECOND, opened.keys)
    issuer.answer(undefined)
    await letPass(30 * SECOND, opened.keys)
    await expectTaken(opened)
    expect(lines).toMatchObject([
      { level: 40, err: { code: 'HTTP_503' }, msg: 'the keys that sign tokens cannot be had' },
      { level: 30, msg: 'the keys that sign tokens can be had again' },
    ])
    expect(JSON.stringify(lines)).not.toContain('secret')
  })
})

test.each<[string, ((response: ServerResponse) => void) | undefined]>([
  ['answers', undefined],
  ['says 429', (response) => response.writeHead(429, { 'retry-after': '0' }).end()],
])('a flood of unknown keys comes to one fetch in 30 s where the issuer %s', async (_, answer) => {
  const opened = open()
  await expectTaken(opened)
  issuer.answer(answer)
  const unknown = await makeKey()
  const flood = async () => {
    for (let wave = 0; wave < 5; wave += 1)
      await Promise.all(Array.from({ length: 40 }, () => opened.read(unknown).catch(() => {})))
  }
  for (let fetches = 1; fetches < 4; fetches += 1) {
    vi.advanceTimersByTime(29 * SECOND)
    await flood()
    expect(issuer.asked()).toBe(fetches)
    vi.advanceTimersByTime(SECOND)
    await flood()
    expect(issuer.asked()).toBe(fetches + 1)
  }
  await expectTaken(opened)
})

describe('of no token is anything said', () => {
  const BROKEN: [string, string | undefined, (response: ServerResponse) => void][] = [
    ['a failure', 'HTTP_500', (response) => response.writeHead(500).end()],
    ['no content', 'HTTP_204', (response) => response.writeHead(204).end()],
    [
      'a redirection to keys',
      'HTTP_302',
      (response) => response.writeHead(302, { location: other.settings.jwksUrl }).end(),
    ],
    ['no JSON', 'NOT_A_JWKS', (response) => response.end('<html>')],
    ['nothing', 'NOT_A_JWKS', (response) => response.end()],
    ['no keys', 'NOT_A_JWKS', (response) => response.end('{}')],
    ['keys that are none', 'NOT_A_JWKS', (response) => response.end('{"keys":[1]}')],
    ['deep ones', 'NOT_A_JWKS', (response) => response.end('['.repeat(500_000) + ']'.repeat(500_000))],
    ['keys without end', 'TOO_LARGE', endless],
    ['one byte too many', 'TOO_LARGE', (response) => response.end(' '.repeat(1024 * 1024 + 1))],
    ['an end', undefined, (response) => response.destroy()],
    [
      'an end in the middle',
      undefined,
      (response) => response.writeHead(200).write('{', () => response.destroy()),
    ],
  ]
  let other: Issuer
  beforeEach(async () => {
    const started = await startIssuer()
    other = started
    return () => started.close()
  })

  test.each(BROKEN)('with %s in the place of the keys', async (_, code, answer) => {
    issuer.answer(answer)
    const opened = open()
    await expectNothingSaid(opened, issuer.keys[0]!, code)
    expect(issuer.asked()).toBe(1)
    expect(other.asked()).toBe(0)
    expect(opened.keys.trouble()).toMatch(/^the keys of JWT_JWKS_URL cannot be had \(\w+\)$/)
  })

  test('where the issuer takes the question and does not answer', async () => {
    issuer.answer(() => {})
    await expectNothingSaid(open(), issuer.keys[0]!, 'TIMEOUT')
    expect(issuer.asked()).toBe(1)
  })

  test('where nobody listens', async () => {
    const key = issuer.keys[0]!
    const nobody = await startIssuer()
    await nobody.close()
    await expectNothingSaid(open(nobody.settings.jwksUrl), key, 'ECONNREFUSED')
  })

  test('that is signed with a key that cannot be used', async () => {
    const key = await makeKey('RS256')
    issuer.keys.push({ ...key, publicJwk: { ...key.publicJwk, n: 'AQAB' } })
    const opened = open()
    await expectNothingSaid(opened, key, 'UNUSABLE_KEY')
    await expectTaken(opened)
  })
})

/** Writes for as long as anybody reads. */
function endless(response: ServerResponse): void {
  const write = () => {
    while (!response.destroyed && response.write(' '.repeat(65_536)));
  }
  response.on('drain', write)
  write()
}
