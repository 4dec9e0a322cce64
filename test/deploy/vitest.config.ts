import { defineConfig } from 'vitest/config'

/** What is deployed, checked with the programs that it is deployed to. One file after the other: they are heavy. */
export default defineConfig({
  define: { BUILD_VERSION: JSON.stringify('0.0.0-test') },
  oxc: { jsx: { runtime: 'automatic', importSource: 'hono/jsx' } },
  test: {
    include: ['test/deploy/**/*.test.ts'],
    fileParallelism: false,
    globalSetup: ['test/support/global-setup.ts'],
    restoreMocks: true,
    testTimeout: 60_000,
    hookTimeout: 300_000,
  },
})
