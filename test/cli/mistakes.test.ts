import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { once } from 'node:events'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Simulator, SimulatorOptions } from '../../simulator/index.ts'
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

/** Spoils the simulated iSales, or gives settings that are wrong for it. */
type Make = (sim: Simulator) => Environment | Promise<Environment> | void
const closedPort = async () => `http://127.0.0.1:${await freePort()}`
const trust: Make = () => trusting
const responding =
  (status: number, body?: object): Make =>
  (sim) =>
    sim.answerLogin({ status, ...(body && { body }), times: 1e9 })

type Mistake = readonly [string, Code, Make, SimulatorOptions['tls']?]
const MISTAKES: readonly Mistake[] = [
  ['a wrong port', 'connection-refused', async () => ({ ISALES_URL: await closedPort() })],
  ['an unknown name', 'name-unknown', () => ({ ISALES_URL: 'https://isales.invalid' })],
  ['an unknown authority', 'untrusted', trust, stranger],
  ['a certificate that has expired', 'expired', trust, expired],
  ['a certificate that is not valid yet', 'not-yet-valid', trust, notYetValid],
  ['a certificate for another name', 'other-name', trust, wrongHost],
  ['https for http', 'no-tls', (sim) => ({ ISALES_URL: sim.origin.replace('http:', 'https:') })],
  [
    'http for https',
    'plain-refused',
    (sim) => ({ ISALES_URL: sim.origin.replace('https:', 'http:') }),
    server,
  ],
  [
    'an egress proxy that is dead',
    'connection-refused',
    async () => ({ ...trusting, HTTPS_PROXY: await closedPort() }),
    server,
  ],
  [
    'an egress proxy that wants a password',
    'egress-login',
    async () => ({ ...trusting, HTTPS_PROXY: await greedyProxy() }),
    server,
  ],
  ['a 404', 'login-path-unknown', responding(404)],
  ['a 401', 'account', responding(401)],
  ['a 403', 'password', responding(403)],
  ['a 500', 'business', responding(500)],
  ['a 503 page', 'maintenance', (sim) => sim.html({ operation: 'login', status: 503, times: 1e9 })],
  ['a password that has expired, with 200', 'result', responding(200, { result: 107_003 })],
]

describe('page and check say the same of', () => {
  it.each(MISTAKES)('%s (%s)', async (...row) => {
    const [, code, make, tls] = row as unknown as Mistake
    const sim = await openIsales(tls === undefined ? {} : { tls })
    const given: Environment = { ...environment(sim.origin), ...(await make(sim)) }
    const served = await serve(given, 0.5)
    const line = await served.logged('login-failed', 'login-rejected', 'guarded')
    const began = await until(() => beganIn(served, code))
    expect(line['cause']).toBe(code)
    const saysSo = async ([language, LANG]: (typeof LANGUAGES)[number]) => {
      const { title, todo } = sectionOf(language, code)
      const { headline } = await pageOf(served, language)
      expect(headline).toMatchObject({ cause: code, remedy: todo })
      expect(headline.reason).toContain(title)
      const { stderr } = await checked(given, LANG)
      expect(stderr).toContain(title)
      expect(stderr).toContain(todo)
      const env = { ADMIN_LISTEN: new URL(served.admin).host, LANG }
      const { stdout } = await runHere(['status', '--wait', '0s'], { env })
      expect(stdout).toContain(title)
      expect(stdout.replaceAll(/\s+/g, '')).toContain(todo.replaceAll(/\s+/g, ''))
      expect(stderr).not.toMatch(language === 'zh' ? /Error:|Login was/ : /[^ -~\n]/)
    }
    await Promise.all(LANGUAGES.map(saysSo))
    const { title, todo } = sectionOf('en', code)
    for (const { detail } of [line, began]) {
      expect(detail).toContain(title)
      expect(detail).toContain(todo)
    }
  })
})

async function pageOf({ admin }: Served, language: string) {
  const page = await fetch(`${admin}/status.json?lang=${language}`)
  const { findings } = (await page.json()) as Status
  return { findings, headline: findings[0] }
}

const checked = (env: Environment, LANG: string) =>
  runHere(['check', '--live', '--quiet'], { env: { ...env, LANG } })

/** The line that says that the page names this cause. */
function beganIn({ output }: Pick<Served, 'output'>, code: Code): LogLine | undefined {
  // No back-off is waited for, so that there are thousands of other lines.
  const line = new RegExp(`^.*"event":"finding-began".*"cause":"${code}".*$`, 'm').exec(output())
  return line === null ? undefined : (JSON.parse(line[0]) as LogLine)
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

const BUSINESS = { operation: 'business', times: 'always' } as const
const CALL_MISTAKES: readonly (readonly [string, FindingName, (sim: Simulator) => void])[] = [
  ['a 503 to calls', 'calls', (sim) => sim.failBusiness({ status: 503, times: 'always' })],
  [
    'a gateway that responds 502',
    'calls',
    (sim) => sim.failBusiness({ status: 502, times: 'always' }),
  ],
  ['a web page with 200', 'refusals', (sim) => sim.html(BUSINESS)],
  ['a redirect to a page', 'refusals', (sim) => sim.redirect(BUSINESS)],
]

describe('page and check have the same cure, while logins work, of', () => {
  it.each(CALL_MISTAKES)('%s', async (_, finding, spoil) => {
    const sim = await openIsales({})
    const given = environment(sim.origin)
    const served = await serve(given)
    await served.logged('logged-in')
    const token = await ticket(served)
    spoil(sim)
    await tasks(served, token)
    for (const [language, LANG] of LANGUAGES) {
      const { headline } = await pageOf(served, language)
      expect(headline).toMatchObject({ finding })
      const { code, stderr } = await checked(given, LANG)
      expect(code).toBe(4)
      expect(stderr).toContain(firstOf(headline.remedy).split(/[;；]/)[0])
    }
  })
})

/** A store that refuses the password. */
async function lockedStore(): Promise<Environment> {
  const store = await listen((socket) =>
    socket.on('data', () => socket.write('-WRONGPASS invalid\r\n')),
  )
  const address = store.address()
  return sharedBy(typeof address === 'object' ? (address?.port ?? 0) : 0)
}

const DOUBTS: readonly (readonly [string, FindingName, Make])[] = [
  ['a lifetime in milliseconds', 'lifetime', () => undefined],
  ['a full disk', 'state', () => ({ STATE_DIR: fullDirectory() ?? '/proc/nowhere' })],
  [
    'a password file that is emptied',
    'files',
    ({ switches: { password } }) => ({
      ISALES_PASSWORD: undefined,
      ISALES_PASSWORD_FILE: inFile(password),
    }),
  ],
  ['a shared store that is down', 'store', async () => sharedBy(await freePort())],
  ['a shared store with another password', 'store', lockedStore],
]

describe('page and check say the same, while calls go on, of', () => {
  it.each(DOUBTS)('%s', async (_, finding, make) => {
    const switches = finding === 'lifetime' ? { tokenLifetime: 300_000_000 } : {}
    const sim = await openIsales({ switches })
    const given: Environment = { ...environment(sim.origin), ...(await make(sim)) }
    const served = await serve(given)
    await served.logged('logged-in')
    if (finding === 'files') writeFileSync(given['ISALES_PASSWORD_FILE'] ?? '', '')
    for (const [language, LANG] of LANGUAGES) {
      const said = await until(async () =>
        (await pageOf(served, language)).findings.find((each) => each.finding === finding),
      )
      const { stderr } = await checked(given, LANG)
      const [[fact, setting] = []] = said.facts
      const named = said.cause === null ? said.title : said.remedy
      expect(stderr).toContain(fact === 'setting' ? setting : firstOf(named))
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
