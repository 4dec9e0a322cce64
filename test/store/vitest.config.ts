import { defineConfig } from 'vitest/config'

/** The shared store, on real servers. The files wait more than they work, so that three run at a time. */
export default defineConfig({
  define: { BUILD_VERSION: JSON.stringify('0.0.0-test') },
  oxc: { jsx: { runtime: 'automatic', importSource: 'hono/jsx' } },
  test: {
    globalSetup: 'test/support/global-setup.ts',
    include: ['test/store/**/*.test.ts'],
    maxWorkers: 3,
    restoreMocks: true,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
})
