import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Code } from '../../src/causes.ts'
import { SETTING_LIST } from '../../src/config/settings.ts'
import { sectionOf } from '../../src/words/index.ts'
import type { Simulator } from '../../simulator/index.ts'
import { freePort } from '../support/free-port.ts'
import { until, within } from '../support/until.ts'
import { openIsales, runHere, type Ran } from './stand.ts'
import { temporaryDirectory } from '../support/temporary.ts'

const CANARY = 'canary-password'
const SOUND = {
  ISALES_URL: 'https://service.besclouds.com',
  ISALES_USER: 'obs',
  ISALES_PASSWORD: CANARY,
}

describe('check', () => {
  const row = (ran: Ran, setting: string): readonly string[] | undefined =>
    ran.stdout
      .split('\n')
      .find((line) => line.startsWith(`${setting} `))
      ?.split(/ {2,}/)

  it('shows every setting with its value and where it came from', async () => {
    const file = join(temporaryDirectory(), 'password')
    writeFileSync(file, `${CANARY}\n`)
    const ran = await runHere(['check'], {
      env: {
        ...SOUND,
        ISALES_PASSWORD: undefined,
        ISALES_PASSWORD_FILE: file,
        ISALES_REFRESH_PATH: 'off',
        CLIENT_DEADLINE: '2700ms',
        https_proxy: `http://user:${CANARY}@proxy`,
      },
    })
    expect([ran.code, ran.stderr]).toEqual([0, ''])
    for (const { name } of SETTING_LIST) expect(row(ran, name)).toBeDefined()
    // It cannot be set.
    expect(row(ran, 'SESSION_STORE_KEY')).toBeUndefined()
    const rows = [
      'ISALES_USER  obs  environment',
      `ISALES_PASSWORD  [redacted]  file ${file}`,
      'ISALES_REFRESH_PATH  off  environment',
      'ISALES_CA_FILE  -',
      'HTTPS_PROXY  http://[redacted]@proxy  environment',
      'CLIENT_DEADLINE  2700ms  environment',
      'LISTEN  127.0.0.1:8080',
      'ALLOWED_PATHS  /rest/isales/v1/openapi/obs/',
    ].map((line) => line.split('  '))
    expect(rows.map(([name = '']) => row(ran, name))).toEqual(rows)
    expect(ran.stdout).toContain('The configuration is sound.')
    expect(ran.stdout).not.toContain(CANARY)
  })

  it('prints nothing that a terminal would obey', async () => {
    const file = join(tmpdir(), 'pass\rword\u001b[2J\u202e')
    const env = { ...SOUND, ISALES_PASSWORD: undefined, ISALES_PASSWORD_FILE: file }
    const { stderr } = await runHere(['check', '--quiet'], { env: { ...env, 'ISALES_\r': '1' } })
    expect(stderr).toContain('pass\\x0dword\\x1b[2J\\x202e')
    expect(stderr).toContain('Warning: ISALES_\\x0d: There is no such setting.')
    for (const obeyed of ['\r', '\u001b', '\u202e']) expect(stderr).not.toContain(obeyed)
  })

  it('names each error with its remedy, beside what could be read', async () => {
    const wrong = { LOG_LEVEL: 'loud', https_proxy: `ftp://user:${CANARY}@proxy` }
    const ran = await runHere(['check'], { env: { ...SOUND, ...wrong, ISALES_PASWORD: CANARY } })
    expect(ran.code).toBe(2)
    expect(ran.stderr.split('\n')).toEqual([
      'Error: https_proxy: The value is not accepted. Write it in the accepted form. Accepted: http[s]://[USER:PASSWORD@]HOST:PORT; For example: https_proxy=http://egress.example:3128. [not-accepted]',
      'Error: LOG_LEVEL: The value is not accepted. Write it in the accepted form. Found: "loud"; Accepted: debug, info, warn, error, fatal; For example: LOG_LEVEL=info. [not-accepted]',
      'Warning: ISALES_PASWORD: There is no such setting. Correct its name; docs/configuration.md lists all of them. Probably meant: ISALES_PASSWORD. [unknown-setting]',
      '',
    ])
    for (const name of ['HTTPS_PROXY', 'LOG_LEVEL'])
      expect(row(ran, name)?.[1]).toBe('(error, see below)')
    expect(row(ran, 'LISTEN')?.[1]).toBe('127.0.0.1:8080')
    expect(ran.stdout).not.toContain('sound')
    expect(ran.stdout + ran.stderr).not.toContain(CANARY)
  })

  it('names a port that another program has, not those of the proxy that runs with the same settings', async () => {
    const other = createServer((_request, response) => response.end('another'))
    other.listen(0, '127.0.0.1')
    await once(other, 'listening')
    const { port } = other.address() as AddressInfo
    const free = `127.0.0.1:${await freePort()}`
    const taken = `127.0.0.1:${port}`
    const checked = (LISTEN: string, ADMIN_LISTEN: string) =>
      runHere(['check', '--quiet'], { env: { ...SOUND, LISTEN, ADMIN_LISTEN } })
    for (const [name, listen, admin] of [
      ['LISTEN', taken, free],
      ['ADMIN_LISTEN', free, taken],
    ] as const) {
      const { code, stderr } = await checked(listen, admin)
      expect(code).toBe(2)
      const end = `Address: ${taken}; Detail: EADDRINUSE. [address-in-use]\n`
      expect(stderr.match(/^.+: /gm)).toHaveLength(1)
      expect([stderr.startsWith(`Error: ${name}: `), stderr.endsWith(end)]).toEqual([true, true])
    }
    other
      .removeAllListeners('request')
      .on('request', (_request, response) => response.end('{"status":"live"}'))
    expect(await checked(free, taken)).toMatchObject({ code: 0 })
    other.close()
  })
})

describe('check --live', () => {
  it('logs in once and says how long the token lives', async () => {
    const { sim, env } = await openIsales()
    const ran = await runHere(['check', '--live'], { env })
    expect([ran.code, ran.stderr]).toEqual([0, ''])
    const lines = ran.stdout.replaceAll(/ {2,}/g, ' ').split('\n')
    expect(lines.slice(lines.indexOf('') + 1).slice(-6)).toEqual([
      `login iSales (ISALES_URL): ${sim.origin}; User (ISALES_USER): obs; The token lives for: 5 min; The refresh token lives for: 1 h`,
      'business call Form: Authorization: Bearer {token}; Outcome: works',
      'an invalid token Status: 401; Detail: result=401',
      'refresh Outcome: works',
      'It works.',
      '',
    ])
    expect(sim.state().loginAttempts).toBe(1)
    const quiet = await runHere(['check', '--live', '--quiet'], { env })
    expect([quiet.code, quiet.stderr]).toEqual([0, ''])
    expect(quiet.stdout).not.toContain('SETTING')
  })

  it.each([false, true])(
    'counts its login in STATE_DIR, and spares the account (with a store that is away: %s)',
    async (isStored) => {
      const { sim, env } = await openIsales({ switches: { lockAfter: 3 } })
      const key = join(temporaryDirectory(), 'key')
      writeFileSync(key, 'k'.repeat(32))
      const url = `valkey://127.0.0.1:${await freePort()}`
      const spared = {
        ...(isStored && { SESSION_STORE_URL: url, SESSION_STORE_KEY_FILE: key }),
        STATE_DIR: join(temporaryDirectory(), 'state'),
        LOGIN_REJECTED_ATTEMPTS: '1',
      }
      const run = (password: string) =>
        runHere(['check', '--live'], { env: { ...env, ...spared, ISALES_PASSWORD: password } })
      expect((await run('wrong')).code).toBe(3)
      for (let n = 0; n < 3; n += 1) {
        const { code, stdout, stderr } = await run('wrong')
        expect(code).toBe(4)
        expect(stdout + stderr).toMatch(/Next attempt in: 1[45] min.*\[logins-paused\]/)
      }
      expect((await run(sim.switches.password)).code).toBe(isStored ? 4 : 0)
    },
  )

  it('warns once of a STATE_DIR that it cannot use, and speaks of replicas only in a cluster', async () => {
    const { env } = await openIsales()
    const file = join(temporaryDirectory(), 'file')
    writeFileSync(file, '')
    const stderrOf = async (more: Readonly<Record<string, string>>) =>
      (await runHere(['check', '--live'], { env: { ...env, ...more } })).stderr
    for (const STATE_DIR of [file, '/proc/sys/new/state'])
      expect(await stderrOf({ STATE_DIR })).toMatch(
        /^Warning: STATE_DIR: STATE_DIR cannot be .*\[disk-[a-z]+\]\n$/,
      )
    const inCluster = await stderrOf({ KUBERNETES_SERVICE_HOST: '10.0.0.1' })
    expect(inCluster).toMatch(/^Warning: .*\[not-shared\]\n$/)
  })

  // What a login can meet is in mistakes.test.ts; these are met by a command alone, or end with another code.
  const LOGIN = { operation: 'login' } as const
  const answering = (status: number, body?: object) => (one: Simulator) =>
    one.answerLogin({ status, ...(body && { body }) })
  it.each<[string, (iSales: Simulator) => void, number, Code]>([
    ['a wrong password', (one) => one.wrongPassword(), 3, 'password'],
    ['a 400', answering(400), 3, 'values'],
    ['a 429', answering(429), 4, 'throttled'],
    ['an HTML page', (one) => one.html(LOGIN), 4, 'not-isales'],
    ['a lost connection', (one) => one.reset(LOGIN), 4, 'plain-refused'],
    ['no response', (one) => one.hang(LOGIN), 4, 'login-timeout'],
    ['a token that is none', (one) => one.badToken({ kind: 'crlf' }), 4, 'not-isales'],
  ])('tells of %s, and does not try again', async (_, spoil, exit, code) => {
    const { sim, env } = await openIsales()
    spoil(sim)
    const ran = await runHere(['check', '--live'], { env })
    expect(ran.code).toBe(exit)
    const { title, todo } = sectionOf('en', code)
    const [said, verdict] = ran.stderr.split('\n')
    expect(said?.startsWith(`Error: login: ${title}. ${todo} `)).toBe(true)
    expect(said).toContain(`iSales (ISALES_URL): ${new URL(sim.origin).host}`)
    expect(said?.endsWith(` [${code}]`)).toBe(true)
    expect(verdict).toMatch(/^(?:iSales refused the login|No login was possible)\. Do what/)
    expect(sim.state().loginAttempts).toBe(1)
  })

  it('ends with what has to be set, and works with it', async () => {
    const { sim, env } = await openIsales({ switches: { edition: 'chinese', absoluteUrls: true } })
    const args = ['check', '--live', '--quiet']
    const ran = await runHere(args, { env: { ...env, ISALES_REFRESH_PATH: '/elsewhere' } })
    const set = ran.stdout.split('\n').filter((line) => line.startsWith('Set '))
    expect([ran.code, ran.stderr, set]).toEqual([
      2,
      'The login works, but settings have to differ. Set what is listed, then check again.\n',
      [
        'Set ISALES_TOKEN_HEADER=Authentication: Bearer {refreshToken}',
        'Set ISALES_REFRESH_PATH=/rest/isales/v1/openapi/obs/auth/refresh',
      ],
    ])
    expect(sim.state().loginAttempts).toBe(1)
    const found = Object.fromEntries(
      set.map((line) => line.slice('Set '.length).split(/=(.*)/s).slice(0, 2) as [string, string]),
    )
    const again = await runHere(args, { env: { ...env, ...found } })
    expect(again).toMatchObject({ code: 0, stderr: '' })
  })

  it('names an egress proxy that refuses by its host alone', async () => {
    const { sim, env } = await openIsales()
    const HTTPS_PROXY = sim.origin.replace('http://', `http://user:${CANARY}@`)
    const proxied = { ...env, ISALES_URL: 'https://isales.example', HTTPS_PROXY }
    const { code, stdout, stderr } = await runHere(['check', '--live'], { env: proxied })
    expect(code).toBe(4)
    expect(stderr).toContain('Egress proxy (HTTPS_PROXY): 127.0.0.1:')
    expect(stdout + stderr).not.toContain(CANARY)
  })

  it('ends at the first signal', async () => {
    const { sim, env } = await openIsales()
    sim.hang({ operation: 'login' })
    const interrupt = new AbortController()
    const running = runHere(['check', '--live'], { env, signal: interrupt.signal })
    await until(() => sim.state().hanging === 1)
    interrupt.abort('SIGINT')
    expect((await within(running, 'check after SIGINT')).code).toBe(130)
  })
})
