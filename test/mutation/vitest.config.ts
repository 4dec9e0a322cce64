// The tests that npm run test:mutation runs against each mutant: those of pure code, which are quick.
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: [
      'test/token/*.test.ts',
      'test/proxy/{validate,headers,retry}*.test.ts',
      'test/login/tickets.test.ts',
    ],
    isolate: false,
  },
})
