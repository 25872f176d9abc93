import { configDefaults, defineConfig } from 'vitest/config'

/** What stops its servers, or starts some of its own: not on servers that run elsewhere. */
const OWN_SERVERS = [
  'test/embedded/**',
  'test/db/tls.test.ts',
  'test/flow/{outages,long-outage,start-while-away,metrics}.test.ts',
  'test/kafka/{security,topics-authorization}.test.ts',
]
const elsewhere = process.env.TEST_DATABASE_URL ? OWN_SERVERS : []

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: [...configDefaults.exclude, 'test/{interop,containers,deploy}/**', ...elsewhere],
    setupFiles: ['test/support/no-leaks.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
})
