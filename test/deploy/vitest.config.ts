import { defineConfig } from 'vitest/config'
import shared from '../../vitest.config.ts'

/** Deployed files, checked with the programs that they are deployed to. Only release.test.ts writes into `dist/`. */
export default defineConfig({
  ...shared,
  test: {
    include: ['test/deploy/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    // The compiler, the types of Kubernetes and the manifests of the chart are read once a worker.
    isolate: false,
    maxWorkers: 2,
    sequence: { ...shared.test?.sequence },
    restoreMocks: true,
    testTimeout: 60_000,
    hookTimeout: 300_000,
  },
})
