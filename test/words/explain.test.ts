import { expect, it } from 'vitest'
import { cause } from '../../src/causes.ts'
import { explain, WORDS } from '../../src/words/index.ts'
import { PLACES } from '../support/failure.ts'

it.each([
  [
    '',
    '',
    'Correct ISALES_USER and ISALES_PASSWORD, then restart the proxy: they come from its environment',
  ],
  [
    '/u',
    '/p',
    'Correct the user in /u or the password in /p: a changed file is tried within seconds',
  ],
  [
    '',
    '/p',
    'Correct ISALES_USER (then restart the proxy) or the password in /p: a changed file is tried within seconds',
  ],
  [
    '/u',
    '',
    'Correct the user in /u or ISALES_PASSWORD (then restart the proxy): a changed file is tried within seconds',
  ],
])(
  'the cure of a refused login names the sources of the user (%j) and of the password (%j)',
  (userFile, passwordFile, todo) => {
    const places = { ...PLACES, userFile, passwordFile }
    expect(explain(WORDS.en, places, { cause: cause('password') }).todo).toBe(todo)
  },
)

it('names ISALES_TLS_SERVER_NAME where the certificate of iSales is checked for it', () => {
  const places = { ...PLACES, serverName: 'mistyped.example' }
  const { what, todo } = explain(WORDS.en, places, { cause: cause('other-name') })
  expect(what).toContain('another name than mistyped.example')
  expect(todo).toMatch(/^Set ISALES_TLS_SERVER_NAME to a name in the certificate/)
  expect(explain(WORDS.en, places, { cause: cause('other-name', 'egress') }).what).toContain(
    'another name than the egress proxy',
  )
})
