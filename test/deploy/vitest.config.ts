import { defineConfig } from 'vitest/config'
import shared from '../../vitest.config.ts'

/** These build the program in the checkout, boot a machine or measure memory: one after the other. */
const ALONE = ['commands', 'image', 'release', 'systemd'].map(
  (name) => `test/deploy/${name}.test.ts`,
)

/** Without isolation the compiler, the types of Kubernetes and the manifests of the chart are read once a worker. */
const common = {
  isolate: false,
  globalSetup: ['test/support/global-setup.ts'],
  restoreMocks: true,
  testTimeout: 60_000,
  hookTimeout: 300_000,
}

/** What is deployed, checked with the programs that it is deployed to. */
export default defineConfig({
  test: {
    projects: [
      {
        ...shared,
        test: {
          ...common,
          name: 'alone',
          include: ALONE,
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
      {
        ...shared,
        test: {
          ...common,
          name: 'beside',
          include: ['test/deploy/*.test.ts'],
          exclude: ALONE,
          maxWorkers: 2,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
})
