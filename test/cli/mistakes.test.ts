import { writeFileSync } from 'node:fs'
import { expect, it, onTestFinished } from 'vitest'
import type { Simulator, SimulatorOptions } from '../../simulator/index.ts'
import { stageOf } from '../../src/causes.ts'
import type { Code } from '../../src/codes.ts'
import type { Environment } from '../../src/config/load.ts'
import { findSection, MESSAGES } from '../../src/messages/index.ts'
import { makeCertificates } from '../support/certificates.ts'
import { freePort } from '../support/free-port.ts'
import { serveHttp } from '../support/http-server.ts'
import { temporaryFiles } from '../support/temporary.ts'
import { until } from '../support/until.ts'
import { openWorld } from '../support/world.ts'
import { egress } from '../upstream/support.ts'
import { runHere } from './stand.ts'

const PASSWORD = 'simulated-password'
const { ca, server, expired, notYetValid, wrongHost, stranger } = makeCertificates()

const inFile = (text: string): string => temporaryFiles()('file', text)
const trusting = { ISALES_CA_FILE: inFile(ca.cert) }
const closedPort = async () => `http://127.0.0.1:${await freePort()}`

interface Mistake {
  readonly code: Code
  readonly exit: number
  /** Changes the simulated iSales, or returns settings that do not suit it. */
  readonly make: (sim: Simulator) => Environment | Promise<Environment> | void
  readonly tls?: SimulatorOptions['tls']
  /** Facts that page and `check --live` show in both languages. */
  readonly shows?: readonly string[]
  /** Section of the first remedy: a changed file's name is the first fact. */
  readonly first?: Code
  /** Makes the mistake after a successful login. */
  readonly spoil?: (sim: Simulator, given: Environment) => void
}

type Making = Mistake['make']
const mistake = (code: Code, exit: number, make: Making, more: Partial<Mistake> = {}): Mistake => {
  return { code, exit, make, ...more }
}
const certificate = (code: Code, tls: SimulatorOptions['tls']): Mistake =>
  mistake(code, 4, () => trusting, { tls })

const HTTP2 = { ...server, ALPNProtocols: ['h2'] }
/** An iSales that responds to every login like this. */
const answers =
  (headers: Readonly<Record<string, string>>, body = '', status = 200) =>
  async () => {
    const { url, close } = await serveHttp((_, response) => {
      response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body)
    })
    onTestFinished(close)
    return { ISALES_URL: url }
  }
const answer = (code: Code, shows: readonly string[], make: Making): Mistake =>
  mistake(code, 4, make, { shows })
const LONG = JSON.stringify({ result: 0, resultData: { token: 'x'.repeat(20_000) } })
const OTHER = JSON.stringify({ code: 0, data: { accessToken: 'a', secret: 1 } })
const ECHO = JSON.stringify({ [PASSWORD]: 1 })
const through = async (reply: string, url = 'https://isales.invalid', to?: number) => ({
  ISALES_URL: url,
  HTTPS_PROXY: `http://127.0.0.1:${(await egress(reply, to)).port}`,
})
const passwordInFile: Making = ({ switches: { password } }) => ({
  ISALES_PASSWORD: undefined,
  ISALES_PASSWORD_FILE: inFile(password),
})
const write = (text: string) => (_: unknown, given: Environment) =>
  writeFileSync(given['ISALES_PASSWORD_FILE'] ?? '', text)

/** Mistakes by the side that they concern. */
// oxfmt-ignore
const MISTAKES: Readonly<Record<string, readonly Mistake[]>> = {
  'the connection': [
    mistake('connection-refused', 4, async () => ({ ISALES_URL: await closedPort() })),
    mistake('name-unknown', 4, () => ({ ISALES_URL: 'https://isales.invalid' })),
    mistake('no-tls', 4, ({ origin }) => ({ ISALES_URL: origin.replace('http:', 'https:') })),
    mistake('tls-expected', 4, ({ origin }) => ({ ISALES_URL: origin.replace('https:', 'http:') }), { tls: server }),
  ],
  'the certificate': [
    certificate('untrusted', stranger), certificate('expired', expired), certificate('not-yet-valid', notYetValid),
    certificate('other-name', wrongHost), certificate('http1-required', HTTP2),
    mistake('untrusted', 4, ({ origin }) => through('HTTP/1.1 200 OK\r\n\r\n', origin, Number(new URL(origin).port)), { tls: stranger, shows: ['HTTPS_PROXY'] }),
  ],
  'what arrives': [
    answer('other-members', ['code, data.accessToken, data.secret'], answers({}, OTHER)),
    answer('other-members', [], answers({ location: `/${PASSWORD}` }, ECHO)),
    answer('token-too-long', ['20,000', '8,192'], answers({}, LONG)),
    answer('unreadable', ['Content-Encoding', 'zstd'], answers({ 'content-encoding': 'zstd' }, '{}')),
    answer('login-page', ['200'], answers({ 'content-type': 'text/html' }, '<html>')),
    answer('not-isales', ['302', 'https://sso.example/login'], answers({ location: 'https://me:p@sso.example/login?ticket=s3cret' }, '', 302)),
    answer('not-isales', ['1,234'], answers({}, 'O'.repeat(1234))),
    answer('throttled', ['Retry-After'], answers({ 'retry-after': '86400' }, '', 429)),
    answer('maintenance', ['Fri, 04 Dec 2026'], answers({ 'retry-after': 'Fri, 04 Dec 2026 07:00:00 GMT' }, '', 503)),
    answer('egress-rejected', ['CONNECT', '503 Busy'], () => through('HTTP/1.1 503 Busy\r\n\r\n')),
  ],
  'the login': [mistake('password', 3, (sim) => sim.answerLogin({ status: 403, times: 1e9 }))],
  'the calls': [mistake('maintenance', 4, () => undefined, { spoil: (sim) => sim.failBusiness({ status: 503, times: 'always' }) })],
  'files and store': [
    mistake('empty-file', 2, passwordInFile, { spoil: write('') }),
    mistake('password', 3, passwordInFile, { spoil: write('new'), first: 'changed-here' }),
    mistake('store-unreachable', 4, async () => ({
      SESSION_STORE_URL: `redis://127.0.0.1:${await freePort()}`, SESSION_STORE_KEY_FILE: inFile('k'.repeat(32)),
    }), { spoil() {} }),
  ],
}

/** Starts a proxy with a mistake. Returns a function that compares page, log and `check --live`. */
async function start({ code, exit, make, tls, spoil, first, shows = [] }: Mistake) {
  const simulator = tls === undefined ? {} : { tls }
  const random = (): number => 0.5
  const world = await openWorld({ simulator, prepare: make, ready: false, random })
  const { sim, env: given } = world
  if (spoil !== undefined) {
    await world.logged('logged-in')
    spoil(sim, given)
    for (let times = 0; times < 2; times += 1) await world.tasks()
  }
  return async () => {
    const began = await until(() =>
      world.lines.find(({ event, cause }) => event === 'finding-began' && cause === code),
    )
    for (const language of ['en', 'zh'] as const) {
      const LANG = { en: 'C', zh: 'zh_CN.UTF-8' }[language]
      const { title, remedy, restore } = findSection(language, code)
      const shown = (spoil && restore) || remedy
      const { findings } = await world.status(language)
      const finding = findings.find(({ cause }) => cause === code)
      const before = first === undefined ? '' : findSection(language, first).remedy
      const all = MESSAGES[language].sentences(before, shown)
      const dependsOnSettings =
        code === 'login-page' || ['login', 'tls'].includes(stageOf(code) ?? '')
      const [opening] = finding?.facts[0] ?? []
      expect(opening === 'changed').toBe(first !== undefined)
      expect(opening === 'startedAt').toBe(dependsOnSettings && spoil === undefined)
      expect(finding).toMatchObject({ remedy: all, reason: expect.stringContaining(title) })
      const check = await runHere(['check', '--live', '--quiet'], { env: { ...given, LANG } })
      expect(check.code).toBe(exit)
      expect(check.stderr).toContain(title)
      expect(check.stderr).toContain(remedy)
      expect(check.stderr).toContain(`[${code}]\n`)
      const page = await world.page(`/status.txt?lang=${language}`)
      for (const text of shows)
        for (const shown of [page, check.stderr]) expect(shown).toContain(text)
      expect(page + check.stderr).not.toMatch(/s3cret|me:p@/)
      expect(page + check.stderr + JSON.stringify(findings)).not.toContain(PASSWORD)
    }
    const { title, remedy, restore } = findSection('en', code)
    expect(began.msg).toContain(title)
    expect(began.msg).toContain((spoil && restore) || remedy)
  }
}

it.each(Object.entries(MISTAKES))(
  'page, log and check give the same cause and remedy for mistakes in %s',
  async (_, mistakes) => {
    // Begins all of them before it checks the first, because most of the time is waiting.
    const started = []
    for (const mistake of mistakes) started.push({ ...mistake, compare: await start(mistake) })
    for (const { code, compare } of started)
      expect(await compare().catch((error: unknown) => `${code}: ${String(error)}`)).toBeUndefined()
  },
)

it.each(['status', 'renew'])('%s names the address at which no proxy responds', async (command) => {
  const ADMIN_LISTEN = `127.0.0.1:${await freePort()}`
  const { stderr, code } = await runHere([command], { env: { ADMIN_LISTEN } })
  expect(code).toBe(5)
  expect(stderr).toMatch(/\(systemctl status.*Address: 127\..* Detail: ECONNREFUSED\. \[not-resp/)
})
