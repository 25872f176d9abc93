import { defineConfig } from 'vitest/config'

process.env.TEST_SERVERS = 'containers' // those that run the tests have it from here

export default defineConfig({
  test: {
    include: [
      'test/containers/**/*.test.ts',
      'test/flow/{doors,duplicates,async-door,raw-producers,redelivery,outages,start-while-away}.test.ts',
    ],
    setupFiles: ['test/support/no-leaks.ts'],
    globalSetup: ['test/containers/global-setup.ts', 'test/support/global-setup.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 180_000,
  },
})
