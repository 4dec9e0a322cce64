import { defineConfig } from 'vitest/config'
import shared from '../../vitest.config.ts'

/**
 * What is deployed, checked with the programs that it is deployed to. One file after the other: they are heavy. Without
 * isolation, so that the compiler, the types of Kubernetes and the manifests of the chart are read once.
 */
export default defineConfig({
  ...shared,
  test: {
    include: ['test/deploy/**/*.test.ts'],
    fileParallelism: false,
    isolate: false,
    globalSetup: ['test/support/global-setup.ts'],
    restoreMocks: true,
    testTimeout: 60_000,
    hookTimeout: 300_000,
  },
})
