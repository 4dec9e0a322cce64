import { defineConfig } from 'vitest/config'
import shared from './vitest.config.ts'

/** The status page in a real Chromium: `npm run test:browser`. */
export default defineConfig({
  ...shared,
  test: { include: ['test/browser/**/*.test.ts'], testTimeout: 20_000, hookTimeout: 30_000 },
})
