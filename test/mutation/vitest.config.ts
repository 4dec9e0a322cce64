// Tests that npm run test:mutation runs against every mutant: the tests of pure code, which are fast. Random tests are
// excluded, because a mutant that only some runs find would count as found.
import { configDefaults, defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: [
      'test/token/{account,isales-client,lifecycle,login-guard,rejection-tracker,token}.test.ts',
      'test/proxy/{headers,retry,validate}.test.ts',
      'test/client-auth/tickets.test.ts',
      'test/sharing/sealer.test.ts',
    ],
    exclude: [...configDefaults.exclude, '**/*.property.test.ts'],
    isolate: false,
  },
})
