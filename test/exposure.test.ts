import { expect, test } from 'vitest'
import { exposureOf } from '../src/exposure.ts'
import { isLoopback } from '../src/loopback.ts'

const access = { issuer: 'https://issuer.test', audience: 'a', jwksUrl: 'https://issuer.test/keys' }
const http = (host: string) => ({ host, port: 0, metricsPort: 0 })

test.each(['127.0.0.1', '127.9.8.7', '::1', '[::1]', '0:0:0:0:0:0:0:1', '::ffff:127.0.0.1', 'localhost'])(
  '%s is this machine alone',
  (host) => {
    expect(isLoopback(host)).toBe(true)
    expect(exposureOf({ access: undefined, http: http(host) })).toBeUndefined()
  },
)

test.each([
  '0.0.0.0',
  '::',
  '10.0.0.7',
  '128.0.0.1',
  'fe80::1',
  'localhost.example',
  '127.0.0.1.example',
  '',
])('%j is open to others, which is said unless they have to bring tokens', (host) => {
  expect(isLoopback(host)).toBe(false)
  expect(exposureOf({ access: undefined, http: http(host) })).toContain('no tokens are asked for')
  expect(exposureOf({ access, http: http(host) })).toBeUndefined()
})
