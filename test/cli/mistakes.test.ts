import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { expect, it, onTestFinished } from 'vitest'
import type { Simulator, SimulatorOptions } from '../../simulator/index.ts'
import type { FindingName } from '../../src/admin/diagnosis.ts'
import type { Status } from '../../src/admin/index.ts'
import type { Code } from '../../src/codes.ts'
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
import { findSection } from '../../src/messages/index.ts'
import { freePort } from '../support/free-port.ts'
import { listen } from '../support/tcp-server.ts'
import { temporaryDirectory, temporaryFiles } from '../support/temporary.ts'
import { until } from '../support/until.ts'
import { runHere } from './stand.ts'

// Mistakes, for which page, log and `check --live` must name the same code, cause and remedy, in both languages.

const LANGUAGES = [
  ['en', 'C'],
  ['zh', 'zh_CN.UTF-8'],
] as const

const { ca, server, expired, notYetValid, wrongHost, stranger } = makeCertificates()

const inFile = (text: string): string => temporaryFiles()('file', text)
const trusting = { ISALES_CA_FILE: inFile(ca.cert) }

/** The port of a server that says this to everything. */
async function saying(text: string): Promise<number> {
  // Two commands to a store may be in one packet.
  const repliesTo = (data: Buffer): number => Math.max(1, data.toString().split('EVAL').length - 1)
  const responder = await listen((socket) =>
    socket.on('data', (data: Buffer) => socket.write(text.repeat(repliesTo(data)))),
  )
  return (responder.address() as AddressInfo).port
}
const greedyProxy = async () =>
  `http://user:password@127.0.0.1:${await saying('HTTP/1.1 407 Login\r\n\r\n')}`

/** Spoils the simulated iSales, or gives settings that are wrong for it. */
type Make = (sim: Simulator) => Environment | Promise<Environment> | void
const closedPort = async () => `http://127.0.0.1:${await freePort()}`
const trust: Make = () => trusting
const responding =
  (status: number, body?: object): Make =>
  (sim) =>
    sim.answerLogin({ status, ...(body && { body }), times: 1e9 })

type Mistake = readonly [string, Code, Make, SimulatorOptions['tls']?]
const MISTAKES: Readonly<Record<string, readonly Mistake[]>> = {
  'an address that is wrong': [
    ['a wrong port', 'connection-refused', async () => ({ ISALES_URL: await closedPort() })],
    ['an unknown name', 'name-unknown', () => ({ ISALES_URL: 'https://isales.invalid' })],
  ],
  'a certificate': [
    ['an unknown authority', 'untrusted', trust, stranger],
    ['a certificate that has expired', 'expired', trust, expired],
    ['a certificate that is not valid yet', 'not-yet-valid', trust, notYetValid],
    ['a certificate for another name', 'other-name', trust, wrongHost],
  ],
  'a scheme or an egress proxy': [
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
  ],
  'a login that iSales refuses': [
    ['a 404', 'login-path-unknown', responding(404)],
    ['a 401', 'account', responding(401)],
    ['a 403', 'password', responding(403)],
    ['a 429', 'throttled', responding(429)],
    ['a 500', 'business', responding(500)],
    [
      'a 503 page',
      'maintenance',
      (sim) => sim.html({ operation: 'login', status: 503, times: 1e9 }),
    ],
    ['a password that has expired, with 200', 'result', responding(200, { result: 107_003 })],
  ],
}

/** Begins all rows before it checks the first, because most of the time is waiting. A failure names its row. */
async function judged<Row extends readonly [string, ...unknown[]]>(
  rows: readonly Row[],
  begin: (row: Row) => Promise<() => Promise<void>>,
) {
  const begun: (readonly [string, () => Promise<void>])[] = []
  for (const row of rows) begun.push([row[0], await begin(row)])
  for (const [name, judge] of begun)
    await judge().catch((cause: unknown) => {
      throw new Error(name, { cause })
    })
}

async function open(make: Make, options: SimulatorOptions = {}, random?: number) {
  const sim = await openIsales(options)
  const given: Environment = { ...environment(sim.origin), ...(await make(sim)) }
  return { sim, given, served: await serve(given, random) }
}

it.each(Object.entries(MISTAKES))('page, log and check say the same of %s', async (_, rows) => {
  await judged(rows, async ([, code, make, tls]) => {
    const { given, served } = await open(make, tls === undefined ? {} : { tls }, 0.5)
    return async () => {
      const began = await until(() => beganIn(served, code))
      for (const [language, LANG] of LANGUAGES) {
        const { title, remedy } = findSection(language, code)
        const [headline] = await findingsOf(served, language)
        expect(headline).toMatchObject({ cause: code, remedy })
        expect(headline.reason).toContain(title)
        const { stderr } = await checked(given, LANG)
        expect(stderr).toContain(title)
        expect(stderr).toContain(remedy)
        // Of the egress proxy without its login.
        expect(stderr).toContain(new URL(given['HTTPS_PROXY'] ?? given['ISALES_URL'] ?? '').host)
        const env = { ADMIN_LISTEN: new URL(served.admin).host, LANG }
        const { stdout } = await runHere(['status', '--wait', '0s'], { env })
        expect(stdout).toContain(title)
        expect(stdout.replaceAll(/\s+/g, '')).toContain(remedy.replaceAll(/\s+/g, ''))
        expect(stderr).not.toMatch(language === 'zh' ? /Error:|Login was/ : /[^ -~\n]/)
      }
      const { title, remedy } = findSection('en', code)
      expect(began['msg']).toContain(title)
      expect(began['msg']).toContain(remedy)
    }
  })
})

async function findingsOf({ admin }: Served, language: string): Promise<Status['findings']> {
  const page = await fetch(`${admin}/status.json?lang=${language}`)
  return ((await page.json()) as Status).findings
}

const checked = (env: Environment, LANG: string) =>
  runHere(['check', '--live', '--quiet'], { env: { ...env, LANG } })

/** The line that says that the page names this cause. */
function beganIn({ output }: Pick<Served, 'output'>, code: Code): LogLine | undefined {
  // No back-off is waited for, so that there are thousands of other lines.
  const line = new RegExp(`^.*"event":"finding-began".*"cause":"${code}".*$`, 'm').exec(output())
  return line === null ? undefined : (JSON.parse(line[0]) as LogLine)
}

const firstOf = (text: string): string => text.split(/\. |[.。]$|。|[;；]/)[0] ?? ''

/** A store with this port, for which everything else is right. */
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

const emptied: Make = ({ switches: { password } }) => ({
  ISALES_PASSWORD: undefined,
  ISALES_PASSWORD_FILE: inFile(password),
})
const BUSINESS = { operation: 'business', times: 'always' } as const
const sound: Make = () => undefined
type Working = readonly [
  string,
  FindingName,
  exit: number,
  make: Make,
  /** Mistakes that appear after a successful login. */
  spoil?: (sim: Simulator, given: Environment) => void,
]

const WORKING: Readonly<Record<string, readonly Working[]>> = {
  'calls that fail': [
    ['a 503', 'failed', 4, sound, (sim) => sim.failBusiness({ status: 503, times: 'always' })],
    ['a 502', 'failed', 4, sound, (sim) => sim.failBusiness({ status: 502, times: 'always' })],
    ['a web page with 200', 'rejected', 4, sound, (sim) => sim.html(BUSINESS)],
    ['a redirect to a page', 'rejected', 4, sound, (sim) => sim.redirect(BUSINESS)],
  ],
  'doubts while calls succeed': [
    ['ms for s', 'lifetime', 0, (sim) => sim.set({ tokenLifetime: 300_000_000 })],
    ['a full disk', 'state', 0, () => ({ STATE_DIR: fullDirectory() ?? '/proc/nowhere' })],
    [
      'a password file that is emptied',
      'files',
      2,
      emptied,
      (_, { ISALES_PASSWORD_FILE = '' }) => writeFileSync(ISALES_PASSWORD_FILE, ''),
    ],
    ['a shared store that is down', 'store', 4, async () => sharedBy(await freePort())],
    [
      'a shared store with another password',
      'store',
      4,
      async () => sharedBy(await saying('-WRONGPASS invalid\r\n')),
    ],
  ],
}

it.each(Object.entries(WORKING))('page and check have the same cure of %s', async (_, rows) => {
  await judged(rows, async ([, finding, exit, make, spoil]) => {
    const { sim, given, served } = await open(make)
    await served.logged('logged-in')
    const token = await ticket(served)
    spoil?.(sim, given)
    for (let times = 0; times < 2; times += 1) await tasks(served, token)
    return async () => {
      for (const [language, LANG] of LANGUAGES) {
        const said = await until(async () =>
          (await findingsOf(served, language)).find((each) => each.finding === finding),
        )
        const { code, stderr } = await checked(given, LANG)
        const [[fact, setting] = []] = said.facts
        const named = said.cause === null ? said.title : said.remedy
        expect(stderr).toContain(fact === 'setting' ? setting : firstOf(named))
        expect(code).toBe(exit)
      }
    }
  })
})

it.each([['status'], ['status', '--wait', '0s'], ['renew']])(
  'of a proxy that is dead %s says where it was asked, and what to look at next',
  async (...args) => {
    const ADMIN_LISTEN = `127.0.0.1:${await freePort()}`
    for (const [LANG, words] of [
      [
        'C',
        /does not respond\. Check that it runs \(systemctl status.*Address: 127\..* Detail: ECONNREFUSED\. \[not-responding\]\n/,
      ],
      ['zh_CN.UTF-8', /没有响应。.*（systemctl.*ECONNREFUSED。 \[not-responding\]\n/],
    ] as const) {
      const { stdout, stderr, code } = await runHere(args, { env: { ADMIN_LISTEN, LANG } })
      expect(code).toBe(5)
      expect(stdout + stderr).toMatch(words)
    }
  },
)
