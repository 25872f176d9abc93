import { configDefaults, defineConfig } from 'vitest/config'

/** What stops its servers, or starts some of its own: not on servers that run elsewhere. */
const OWN_SERVERS = [
  'test/embedded/**',
  'test/db/tls.test.ts',
  'test/flow/{outages,long-outage,start-while-away,metrics}.test.ts',
  'test/kafka/{security,topics-authorization}.test.ts',
]
const elsewhere = process.env.TEST_DATABASE_URL ? OWN_SERVERS : []

/** What takes long, since it stops and starts servers or processes many times: a lane of its own. */
const LONG = [
  'test/embedded/pair.test.ts',
  'test/flow/{long-outage,rolling-restart,start-while-away}.test.ts',
  'test/kafka/security.test.ts',
]
const isLong = process.env.TEST_LONG === '1'

export default defineConfig({
  test: {
    include: isLong ? LONG : ['test/**/*.test.ts'],
    exclude: [
      ...configDefaults.exclude,
      'test/{interop,containers,deploy}/**',
      ...(isLong ? [] : LONG),
      ...elsewhere,
    ],
    setupFiles: ['test/support/no-leaks.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
})
