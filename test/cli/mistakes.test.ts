import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { once } from 'node:events'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Simulator, Switches } from '../../simulator/index.ts'
import type { FindingName } from '../../src/admin/judge.ts'
import type { Status } from '../../src/admin/index.ts'
import type { Code } from '../../src/causes.ts'
import type { Environment } from '../../src/config/load.ts'
import {
  environment,
  openIsales,
  serve,
  tasks,
  ticket,
  type Served,
} from '../behaviour/secrets-stand.ts'
import type { LogLine } from './program.ts'
import { makeCertificates } from '../support/certificates.ts'
import { sectionOf } from '../../src/words/index.ts'
import { freePort } from '../support/free-port.ts'
import { listen } from '../support/tcp-server.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { until } from '../support/until.ts'
import { runHere } from './stand.ts'

// One mistake a row: page, log and `check --live` name the same code, cause and cure, in both languages.

const LANGUAGES = [
  ['en', 'C'],
  ['zh', 'zh_CN.UTF-8'],
] as const

const { ca, server, expired, notYetValid, wrongHost, stranger } = makeCertificates()

const inFile = (text: string): string => {
  const file = join(temporaryDirectory(), 'file')
  writeFileSync(file, text)
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
  readonly code: Code
  /** Words of cause and cure, in English. */
  readonly words: RegExp
}
const responding = (status: number) => (sim: Simulator) => sim.answerLogin({ status, times: 1e9 })

const MISTAKES: Readonly<Record<string, Mistake>> = {
  'a wrong port': {
    env: async () => ({ ISALES_URL: `http://127.0.0.1:${await freePort()}` }),
    code: 'connection-refused',
    words: /^Nothing listens at the address.* Check the port in ISALES_URL/,
  },
  'a name that DNS does not know': {
    env: () => ({ ISALES_URL: 'https://isales.invalid' }),
    code: 'name-unknown',
    words: /DNS does not know.* Correct the host in ISALES_URL/,
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
    words: /has expired.* Have the operator of the server renew it/,
  },
  'a certificate that is not valid yet': {
    tls: notYetValid,
    env: () => trusting,
    code: 'not-yet-valid',
    words: /^By the clock of this machine .* Set the clock/,
  },
  'a certificate for another name': {
    tls: wrongHost,
    env: () => trusting,
    code: 'other-name',
    words: /for another name.* set ISALES_TLS_SERVER_NAME/,
  },
  'https where http is spoken': {
    env: ({ origin }) => ({ ISALES_URL: origin.replace('http:', 'https:') }),
    code: 'no-tls',
    words: /speaks no TLS.* or write http:\/\//,
  },
  'http where https is spoken': {
    tls: server,
    env: ({ origin }) => ({ ISALES_URL: origin.replace('https:', 'http:') }),
    code: 'plain-refused',
    words: /Plain HTTP is not accepted.* Write https:\/\//,
  },
  'a 404': {
    spoil: responding(404),
    code: 'login-path-unknown',
    words: /no such path.* Correct ISALES_LOGIN_PATH/,
  },
  'a 503 page': {
    spoil: (sim) => sim.html({ operation: 'login', status: 503, times: 1e9 }),
    code: 'maintenance',
    words: /^iSales is in maintenance or overloaded.* Ask its operator; nothing is to be done here/,
  },
  'a 401': {
    spoil: responding(401),
    code: 'account',
    words: /The service is not purchased.* unlock or re-enable the account/,
  },
  'a 403': {
    spoil: responding(403),
    code: 'password',
    words: /refuses the user or the password.* Correct ISALES_USER or ISALES_PASSWORD/,
  },
  'a 500': {
    spoil: responding(500),
    code: 'business',
    words: /refuses a value of the login.* If they are right, ask .* expired or the account is/,
  },
  'a password that has expired, with 200': {
    spoil: (sim) => sim.answerLogin({ body: { result: 107_003 }, times: 1e9 }),
    code: 'result',
    words: /refuses the login.* If they are right, ask .* expired/,
  },
  'an egress proxy that is dead': {
    tls: server,
    env: async () => ({ ...trusting, HTTPS_PROXY: `http://127.0.0.1:${await freePort()}` }),
    code: 'connection-refused',
    words: /^Nothing listens at the address.* egress proxy: HTTPS_PROXY/,
  },
  'an egress proxy that wants a password': {
    tls: server,
    env: async () => ({ ...trusting, HTTPS_PROXY: await greedyProxy() }),
    code: 'egress-login',
    words: /^The egress proxy wants a user and password.* into HTTPS_PROXY/,
  },
}

describe('page and check say the same of', () => {
  it.each(Object.entries(MISTAKES))('%s', async (_, { tls, spoil, env, code, words }) => {
    const sim = await openIsales(tls === undefined ? {} : { tls })
    const given = { ...environment(sim.origin), ...(await env?.(sim)) }
    spoil?.(sim)
    const served = await serve(given, 0.5)
    const line = await served.logged('login-failed', 'login-rejected', 'guarded')
    const began = await until(() => beganIn(served, code))
    expect(line['cause']).toBe(code)
    for (const [language, LANG] of LANGUAGES) {
      const { title, means, todo } = sectionOf(language, code)
      const page = await fetch(`${served.admin}/status.json?lang=${language}`)
      const [finding] = ((await page.json()) as Status).findings
      expect(finding).toMatchObject({ cause: code, remedy: todo })
      expect(finding.reason).toContain(title)
      const { stderr } = await runHere(['check', '--live', '--quiet'], { env: { ...given, LANG } })
      expect(stderr).toContain(title)
      expect(stderr).toContain(todo)
      const { host } = new URL(served.admin)
      const wait = ['status', '--wait', '0s']
      const waited = await runHere(wait, { env: { ADMIN_LISTEN: host, LANG } })
      expect(waited.stdout).toContain(title)
      expect(waited.stdout.replaceAll(/\s+/g, '')).toContain(todo.replaceAll(/\s+/g, ''))
      expect(stderr).not.toMatch(language === 'zh' ? /Error:|Login was/ : /[^ -~\n]/)
      expect(`${title}. ${means} ${todo}`).toMatch(language === 'en' ? words : /\p{Script=Han}/u)
    }
    for (const { detail } of [line, began]) {
      const { title, todo } = sectionOf('en', code)
      expect(detail).toContain(title)
      expect(detail).toContain(todo)
    }
  })
})

/** The line that says that the page names this cause. */
function beganIn({ output }: Pick<Served, 'output'>, code: Code): LogLine | undefined {
  // No back-off is waited for, so that there are thousands of other lines.
  const line = new RegExp(`^.*"event":"finding-began".*"cause":"${code}".*$`, 'm').exec(output())
  return line === null ? undefined : (JSON.parse(line[0]) as LogLine)
}

interface Doubt extends Pick<Mistake, 'env' | 'words'> {
  readonly switches?: Partial<Switches>
  readonly finding: FindingName
  /** What happens to a proxy that serves. */
  readonly act?: (env: Environment) => void
}

const firstOf = (text: string): string => text.split(/\. |[.。]$|。/)[0] ?? ''

/** A store with this address, for which everything else is right. */
const sharedBy = (port: number): Environment => {
  const SESSION_STORE_KEY_FILE = inFile('k'.repeat(32))
  return { SESSION_STORE_URL: `redis://127.0.0.1:${port}`, SESSION_STORE_KEY_FILE }
}

/** A directory on a disk without room; undefined where none can be mounted. */
function fullDirectory(): string | undefined {
  const directory = temporaryDirectory()
  const options = 'size=8k,mode=700'
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'none', directory]).status !== 0)
    return undefined
  onTestFinished(() => void spawnSync('umount', ['--lazy', directory]))
  spawnSync('dd', ['if=/dev/zero', `of=${directory}/filler`, 'bs=4096', 'count=4'])
  return directory
}

const DOUBTS: Readonly<Record<string, Doubt>> = {
  'a lifetime in milliseconds': {
    switches: { tokenLifetime: 300_000_000 },
    finding: 'lifetime',
    words: /more than 24 h, probably milliseconds.* Ask the vendor to state seconds/,
  },
  'a STATE_DIR on a full disk': {
    env: () => ({ STATE_DIR: fullDirectory() ?? '/proc/nowhere' }),
    finding: 'state',
    words: /^(?:The disk of STATE_DIR is full.* Free space|STATE_DIR cannot be written to)/,
  },
  'a password file that is emptied': {
    env: ({ switches }) => ({
      ISALES_PASSWORD: undefined,
      ISALES_PASSWORD_FILE: inFile(switches.password),
    }),
    act: ({ ISALES_PASSWORD_FILE: file = '' }) => writeFileSync(file, ''),
    finding: 'files',
    words: /^A file is empty\. .* Put the value into it/,
  },
  'a shared store that is down': {
    env: async () => sharedBy(await freePort()),
    finding: 'store',
    words: /^The shared store cannot be reached.* Check SESSION_STORE_URL \(rediss:\/\/ with TLS/,
  },
  'a shared store with another password': {
    env: async () => {
      const store = await listen((socket) =>
        socket.on('data', () => socket.write('-WRONGPASS invalid\r\n')),
      )
      const address = store.address()
      return sharedBy(typeof address === 'object' ? (address?.port ?? 0) : 0)
    },
    finding: 'store',
    words: /The shared store refuses what the proxy asks.* correct SESSION_STORE_PASSWORD/,
  },
}

interface CallMistake {
  readonly spoil: (sim: Simulator) => void
  readonly finding: FindingName
  readonly words: RegExp
}
const spoilCalls = (status: number) => (sim: Simulator) =>
  sim.failBusiness({ status, times: 'always' })

const CALL_MISTAKES: Readonly<Record<string, CallMistake>> = {
  'a 503 to calls': {
    spoil: spoilCalls(503),
    finding: 'calls',
    words: /iSales is in maintenance or overloaded.* Ask its operator/,
  },
  'a gateway before iSales that responds 502': {
    spoil: spoilCalls(502),
    finding: 'calls',
    words: /A gateway before iSales gets no response.* Ask the operator of iSales/,
  },
  'a web page with 200': {
    spoil: (sim) => sim.html({ operation: 'business', times: 'always' }),
    finding: 'refusals',
    words: /iSales sends none: .* Ask who runs the gateway, firewall or egress proxy/,
  },
  'a redirect to a page': {
    spoil: (sim) => sim.redirect({ operation: 'business', times: 'always' }),
    finding: 'refusals',
    words: /iSales sends none: .* Ask who runs the gateway, firewall or egress proxy/,
  },
}

describe('page and check have the same cure, while logins work, of', () => {
  it.each(Object.entries(CALL_MISTAKES))('%s', async (_, { spoil, finding, words }) => {
    const sim = await openIsales({})
    const given = environment(sim.origin)
    const served = await serve(given)
    await served.logged('logged-in')
    const token = await ticket(served)
    spoil(sim)
    await tasks(served, token)
    for (const [language, LANG] of LANGUAGES) {
      const page = await fetch(`${served.admin}/status.json?lang=${language}`)
      const [first] = ((await page.json()) as Status).findings
      expect(first).toMatchObject({ finding })
      const check = await runHere(['check', '--live', '--quiet'], { env: { ...given, LANG } })
      expect(check.code).toBe(4)
      expect(check.stderr).toContain(firstOf(first.remedy).split(/[;；]/)[0])
      expect(`${first.reason} ${first.remedy}`).toMatch(
        language === 'en' ? words : /\p{Script=Han}/u,
      )
    }
  })
})

describe('page and check say the same, while calls go on, of', () => {
  it.each(Object.entries(DOUBTS))('%s', async (_, { switches = {}, env, act, finding, words }) => {
    const sim = await openIsales({ switches })
    const given = { ...environment(sim.origin), ...(await env?.(sim)) }
    const served = await serve(given)
    await served.logged('logged-in')
    act?.(given)
    for (const [language, LANG] of LANGUAGES) {
      const said = await until(async () => {
        const page = await fetch(`${served.admin}/status.json?lang=${language}`)
        const { findings } = (await page.json()) as Status
        return findings.find((each) => each.finding === finding)
      })
      const check = await runHere(['check', '--live', '--quiet'], { env: { ...given, LANG } })
      const [[fact, setting] = []] = said.facts
      const named = said.cause === null ? said.title : said.remedy
      expect(check.stderr).toContain(fact === 'setting' ? setting : firstOf(named))
      const text = `${said.reason} ${said.remedy}`
      expect(text).toMatch(language === 'en' ? words : /\p{Script=Han}/u)
    }
  })
})

describe('of a proxy that is dead', () => {
  it.each([['status'], ['status', '--wait', '0s'], ['renew']])(
    '%s says where it was asked, and what to look at next',
    async (...args) => {
      const ADMIN_LISTEN = `127.0.0.1:${await freePort()}`
      const saidIn = async (LANG: string) => {
        const { stdout, stderr, code } = await runHere(args, { env: { ADMIN_LISTEN, LANG } })
        expect(code).toBe(5)
        return stdout + stderr
      }
      expect(await saidIn('C')).toMatch(
        /does not respond\. Check that it runs \(systemctl status.*Address: 127\..* Detail: ECONNREFUSED\. \[not-responding\]\n/,
      )
      expect(await saidIn('zh_CN.UTF-8')).toMatch(
        /没有响应。.*（systemctl.*ECONNREFUSED。 \[not-responding\]\n/,
      )
    },
  )
})
