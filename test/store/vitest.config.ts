import { defineConfig } from 'vitest/config'
import shared from '../../vitest.config.ts'

/** The shared store, on real servers. The files wait more than they work, so that four run at a time. */
export default defineConfig({
  ...shared,
  test: {
    globalSetup: 'test/support/global-setup.ts',
    include: ['test/store/**/*.test.ts'],
    maxWorkers: 4,
    restoreMocks: true,
    testTimeout: 120_000,
    hookTimeout: 60_000,
  },
})
