import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Files that take longest. A fresh checkout would begin others before them, by their size. */
const LONG = new RegExp(
  '/(?:account.property|attacks|attempt-file|check|connection-limiter|demo|live-check|mistakes' +
    '|program|scenarios|session-renew.*|slow-clients|stdout' +
    '|image|odd-values|release|scenes|systemd)[.]test[.]ts$',
)

/** The others use the processor while these wait. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const long = ({ moduleId }: TestSpecification) => Number(LONG.test(moduleId))
    return (await super.sort(files)).sort((a, b) => long(b) - long(a))
  }
}

export default defineConfig({
  define: { BUILD_VERSION: JSON.stringify('0.0.0-test') },
  oxc: { jsx: { runtime: 'automatic', importSource: 'hono/jsx' } },
  test: {
    include: ['test/**/*.test.{ts,tsx}'],
    exclude: ['test/browser/**', 'test/deploy/**', 'test/store/**', '**/node_modules/**'],
    globalSetup: ['test/support/global-setup.ts'],
    // A test file leaves nothing behind: what it opens is closed by `onTestFinished`.
    isolate: false,
    sequence: { sequencer: LongestFirst },
    restoreMocks: true,
    unstubEnvs: true,
    // Tests over real sockets wait more than they work, and each worker takes a second to begin.
    maxWorkers: Math.max(5, availableParallelism()),
    // A test that takes seconds on an idle machine must not fail on a busy one.
    testTimeout: 20_000,
    hookTimeout: 60_000,
    coverage: {
      provider: 'v8',
      include: ['src/**/*.{ts,tsx}'],
      thresholds: {
        'src/token/**': { lines: 99, statements: 99, functions: 99, branches: 97 },
      },
    },
  },
})
