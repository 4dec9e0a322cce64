import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { once } from 'node:events'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Simulator } from '../../simulator/index.ts'
import type { Status } from '../../src/admin/index.ts'
import type { CauseCode } from '../../src/causes.ts'
import type { Environment } from '../../src/config/load.ts'
import { environment, openIsales, serve } from '../behaviour/secrets-stand.ts'
import { makeCertificates } from '../support/certificates.ts'
import { freePort } from '../support/free-port.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { runHere } from './stand.ts'

// One mistake a row: page and `check --live` name the same cause and the same cure, in both languages.

const { ca, server, expired, notYetValid, wrongHost, stranger } = makeCertificates()

const inFile = (pem: string): string => {
  const file = join(temporaryDirectory(), 'ca.pem')
  writeFileSync(file, pem)
  return file
}
const trusting = { ISALES_CA_FILE: inFile(ca.cert) }

/** An egress proxy that responds 407 to everything. */
async function greedyProxy(): Promise<string> {
  const proxy = createServer()
  proxy.on('connect', (_request, socket) => socket.end('HTTP/1.1 407 Login\r\n\r\n'))
  await once(proxy.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(() => void proxy.close())
  const address = proxy.address()
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
}

interface Mistake {
  readonly tls?: typeof server
  readonly spoil?: (sim: Simulator) => void
  readonly env?: (sim: Simulator) => Environment | Promise<Environment>
  readonly code: CauseCode
  /** Words of cause and cure, in English. */
  readonly words: RegExp
}
const responding = (status: number) => (sim: Simulator) => sim.answerLogin({ status, times: 99 })

const MISTAKES: Readonly<Record<string, Mistake>> = {
  'a wrong port': {
    env: async () => ({ ISALES_URL: `http://127.0.0.1:${await freePort()}` }),
    code: 'connection-refused',
    words: /^Nothing listens at 127.* Check the port in ISALES_URL/,
  },
  'a name that DNS does not know': {
    env: () => ({ ISALES_URL: 'https://isales.invalid' }),
    code: 'name-unknown',
    words: /DNS.*isales\.invalid/,
  },
  'an unknown authority': {
    tls: stranger,
    env: () => trusting,
    code: 'untrusted',
    words: /not of an authority.* Set ISALES_CA_FILE/,
  },
  'a certificate that has expired': {
    tls: expired,
    env: () => trusting,
    code: 'expired',
    words: /has expired, on 20\d\d-\d\d-\d\d \d\d:\d\d UTC.* Have the operator of iSales renew it/,
  },
  'a certificate that is not valid yet': {
    tls: notYetValid,
    env: () => trusting,
    code: 'not-yet-valid',
    words: /^By the clock of this machine .* but from 20.* Set the clock/,
  },
  'a certificate for another name': {
    tls: wrongHost,
    env: () => trusting,
    code: 'other-name',
    words: /for another name than 127.* set ISALES_TLS_SERVER_NAME/,
  },
  'https where http is spoken': {
    env: ({ origin }) => ({ ISALES_URL: origin.replace('http:', 'https:') }),
    code: 'no-tls',
    words: /speaks no TLS .* or write http:\/\//,
  },
  'http where https is spoken': {
    tls: server,
    env: ({ origin }) => ({ ISALES_URL: origin.replace('https:', 'http:') }),
    code: 'plain-refused',
    words: /does not accept plain HTTP.* Write https:\/\//,
  },
  'a 404': {
    spoil: responding(404),
    code: 'path-unknown',
    words: /responds 404.* Correct ISALES_LOGIN_PATH/,
  },
  'a 503 page': {
    spoil: (sim) => sim.html({ operation: 'login', status: 503, times: 99 }),
    code: 'maintenance',
    words:
      /^iSales responds 503: maintenance or overload.*\. Ask its operator; nothing is to be done here/,
  },
  'a 401': {
    spoil: responding(401),
    code: 'account',
    words: /401: the service is not purchased.* unlock or re-enable the account/,
  },
  'a 403': {
    spoil: responding(403),
    code: 'password',
    words: /refuses the user or password.* Correct ISALES_USER and ISALES_PASSWORD/,
  },
  'a 500': { spoil: responding(500), code: 'business', words: /500: by its documents a value/ },
  'an egress proxy that is dead': {
    tls: server,
    env: async () => ({ ...trusting, HTTPS_PROXY: `http://127.0.0.1:${await freePort()}` }),
    code: 'connection-refused',
    words: /^Nothing listens at the egress proxy.* Check the port in HTTPS_PROXY/,
  },
  'an egress proxy that wants a password': {
    tls: server,
    env: async () => ({ ...trusting, HTTPS_PROXY: await greedyProxy() }),
    code: 'egress-login',
    words: /^The egress proxy 127.* wants a user and password.* into HTTPS_PROXY/,
  },
}

describe('page and check say the same of', () => {
  it.each(Object.entries(MISTAKES))('%s', async (_, { tls, spoil, env, code, words }) => {
    const sim = await openIsales(tls === undefined ? {} : { tls })
    const given = { ...environment(sim.origin), ...(await env?.(sim)) }
    spoil?.(sim)
    const served = await serve(given)
    const line = await served.logged('login-failed', 'login-rejected', 'guarded')
    expect(line['cause']).toBe(code)
    /** What the page says, after it was compared with what `check` says in this language. */
    const saidIn = async (language: string, LANG: string) => {
      const page = await fetch(`${served.admin}/status.json?lang=${language}`)
      const { findings, renewal } = (await page.json()) as Status
      const { cause, explained } = renewal.lastFailure ?? { explained: { what: '?', todo: '?' } }
      const { what, todo } = explained
      const [{ title, reason, remedy }] = findings
      expect([cause?.code, reason, remedy]).toEqual([
        code,
        expect.stringContaining(what),
        expect.stringContaining(todo),
      ])
      const { stderr } = await runHere(['check', '--live', '--quiet'], { env: { ...given, LANG } })
      expect(stderr).toContain(what)
      expect(stderr).toContain(todo)
      return { what, todo, stderr, page: `${title}${reason}${remedy}` }
    }
    const { what, todo } = await saidIn('en', 'C')
    expect(`${what}. ${todo}`).toMatch(words)
    expect(line['detail']).toBe(`${what}. ${todo}.`)
    const chinese = await saidIn('zh', 'zh_CN.UTF-8')
    expect(chinese.what).toMatch(/\p{Script=Han}/u)
    expect(chinese.page).not.toMatch(/\b(?:the|is|and|of|to|at|status)\b|[,;] /)
    expect(chinese.stderr).not.toMatch(/Error:|Login was/)
  })
})
