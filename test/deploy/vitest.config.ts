import { defineConfig } from 'vitest/config'
import shared from '../../vitest.config.ts'

/** What is deployed, checked with the programs that it is deployed to. One file after the other: they are heavy. */
export default defineConfig({
  ...shared,
  test: {
    include: ['test/deploy/**/*.test.ts'],
    fileParallelism: false,
    globalSetup: ['test/support/global-setup.ts'],
    restoreMocks: true,
    testTimeout: 60_000,
    hookTimeout: 300_000,
  },
})
