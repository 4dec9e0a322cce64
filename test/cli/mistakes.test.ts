import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { expect, it, onTestFinished } from 'vitest'
import type { Simulator, SimulatorOptions } from '../../simulator/index.ts'
import type { Code } from '../../src/codes.ts'
import type { Environment } from '../../src/config/load.ts'
import { findSection } from '../../src/messages/index.ts'
import { makeCertificates } from '../support/certificates.ts'
import { freePort } from '../support/free-port.ts'
import { listen } from '../support/tcp-server.ts'
import { temporaryDirectory, temporaryFiles } from '../support/temporary.ts'
import { until } from '../support/until.ts'
import { openWorld } from '../support/world.ts'
import { runHere } from './stand.ts'

const { ca, server, expired, notYetValid, wrongHost, stranger } = makeCertificates()

const inFile = (text: string): string => temporaryFiles()('file', text)
const trusting = { ISALES_CA_FILE: inFile(ca.cert) }
const closedPort = async () => `http://127.0.0.1:${await freePort()}`

/** Starts a server with one response to all requests. Returns its port. */
async function responding(text: string): Promise<number> {
  // Two commands to a store may be in one packet.
  const repliesTo = (data: Buffer): number => Math.max(1, data.toString().split('EVAL').length - 1)
  const responder = await listen((socket) =>
    socket.on('data', (data: Buffer) => socket.write(text.repeat(repliesTo(data)))),
  )
  return (responder.address() as AddressInfo).port
}
const greedyProxy = async () =>
  `http://user:password@127.0.0.1:${await responding('HTTP/1.1 407 Login\r\n\r\n')}`

/** A valid configuration except for the store at this port. */
const sharedBy = (port: number): Environment => {
  const SESSION_STORE_KEY_FILE = inFile('k'.repeat(32))
  return { SESSION_STORE_URL: `redis://127.0.0.1:${port}`, SESSION_STORE_KEY_FILE }
}

/** Returns a directory on a full disk, or one that cannot exist if no disk can be mounted. */
function fullDirectory(): string {
  const directory = temporaryDirectory()
  const options = 'size=8k,mode=700'
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'none', directory]).status !== 0)
    return '/proc/nowhere'
  onTestFinished(() => void spawnSync('umount', ['--lazy', directory]))
  spawnSync('dd', ['if=/dev/zero', `of=${directory}/filler`, 'bs=4096', 'count=4'])
  return directory
}

interface Mistake {
  readonly code: Code
  /** Exit code of `check --live`. */
  readonly exit: number
  /** Changes the simulated iSales, or returns settings that do not suit it. */
  readonly make?: (sim: Simulator) => Environment | Promise<Environment> | void
  readonly tls?: SimulatorOptions['tls']
  /** Makes the mistake after a successful login. */
  readonly spoil?: (sim: Simulator, given: Environment) => void
}

const certificate = (code: Code, tls: SimulatorOptions['tls']): Mistake => {
  return { code, exit: 4, tls, make: () => trusting }
}
const BUSINESS = { operation: 'business', times: 'always' } as const

/** Mistakes by the side that they concern. */
const MISTAKES: Readonly<Record<string, readonly Mistake[]>> = {
  'the connection': [
    { code: 'connection-refused', exit: 4, make: async () => ({ ISALES_URL: await closedPort() }) },
    { code: 'name-unknown', exit: 4, make: () => ({ ISALES_URL: 'https://isales.invalid' }) },
    {
      code: 'no-tls',
      exit: 4,
      make: ({ origin }) => ({ ISALES_URL: origin.replace('http:', 'https:') }),
    },
    {
      code: 'plain-refused',
      exit: 4,
      tls: server,
      make: ({ origin }) => ({ ISALES_URL: origin.replace('https:', 'http:') }),
    },
    {
      code: 'egress-login',
      exit: 4,
      tls: server,
      make: async () => ({ ...trusting, HTTPS_PROXY: await greedyProxy() }),
    },
  ],
  'the certificate': [
    certificate('untrusted', stranger),
    certificate('expired', expired),
    certificate('not-yet-valid', notYetValid),
    certificate('other-name', wrongHost),
  ],
  'the login': [
    { code: 'password', exit: 3, make: (sim) => sim.answerLogin({ status: 403, times: 1e9 }) },
    {
      code: 'login-path-unknown',
      exit: 4,
      make: (sim) => sim.answerLogin({ status: 404, times: 1e9 }),
    },
  ],
  'the calls': [
    {
      code: 'maintenance',
      exit: 4,
      spoil: (sim) => sim.failBusiness({ status: 503, times: 'always' }),
    },
    { code: 'page-relayed', exit: 4, spoil: (sim) => sim.redirect(BUSINESS) },
    {
      code: 'long-lifetime',
      exit: 0,
      make: (sim) => sim.set({ tokenLifetime: 300_000_000 }),
      spoil() {},
    },
  ],
  'files and store': [
    { code: 'disk-full', exit: 0, make: () => ({ STATE_DIR: fullDirectory() }), spoil() {} },
    {
      code: 'empty-file',
      exit: 2,
      make: ({ switches: { password } }) => ({
        ISALES_PASSWORD: undefined,
        ISALES_PASSWORD_FILE: inFile(password),
      }),
      spoil: (_, { ISALES_PASSWORD_FILE = '' }) => writeFileSync(ISALES_PASSWORD_FILE, ''),
    },
    {
      code: 'store-unreachable',
      exit: 4,
      make: async () => sharedBy(await freePort()),
      spoil() {},
    },
    {
      code: 'store-refused',
      exit: 4,
      make: async () => sharedBy(await responding('-WRONGPASS\r\n')),
      spoil() {},
    },
  ],
}

/** Starts a proxy with a mistake. Returns a function that compares page, log, `status` and `check --live`. */
async function start({ code, exit, make, tls, spoil }: Mistake) {
  const world = await openWorld({
    simulator: tls === undefined ? {} : { tls },
    ...(make && { prepare: make }),
    ready: false,
    random: () => 0.5,
  })
  const { sim, admin, env: given } = world
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
      const { title, remedy } = findSection(language, code)
      const { findings } = await world.status(language)
      const finding = findings.find(({ cause }) => cause === code)
      expect(finding).toMatchObject({ remedy, reason: expect.stringContaining(title) })
      const check = await runHere(['check', '--live', '--quiet'], { env: { ...given, LANG } })
      expect(check.code).toBe(exit)
      expect(check.stderr).toContain(title)
      expect(check.stderr).toContain(remedy)
      expect(check.stderr).toContain(`[${code}]\n`)
      const env = { ADMIN_LISTEN: new URL(admin).host, LANG }
      const { stdout } = await runHere(['status', '--wait', '0s'], { env })
      expect(stdout).toContain(title)
      expect(stdout).toContain(remedy)
    }
    const { title, remedy } = findSection('en', code)
    expect(began.msg).toContain(title)
    expect(began.msg).toContain(remedy)
  }
}

it.each(Object.entries(MISTAKES))(
  'page, log, status and check give the same cause and remedy for mistakes in %s',
  async (_, mistakes) => {
    // Begins all of them before it checks the first, because most of the time is waiting.
    const started = []
    for (const mistake of mistakes) started.push({ ...mistake, compare: await start(mistake) })
    for (const { code, compare } of started)
      expect(await compare().catch((error: unknown) => `${code}: ${String(error)}`)).toBeUndefined()
  },
)

it.each([['status'], ['status', '--wait', '0s'], ['renew']])(
  '%s %s names the address at which no proxy responds, and the next step',
  async (...args) => {
    const ADMIN_LISTEN = `127.0.0.1:${await freePort()}`
    const { stderr, code } = await runHere(args, { env: { ADMIN_LISTEN } })
    expect(code).toBe(5)
    expect(stderr).toMatch(/\(systemctl status.*Address: 127\..* Detail: ECONNREFUSED\. \[not-resp/)
  },
)
