import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { SETTING_LIST } from '../../src/config/settings.ts'
import type { Simulator } from '../../simulator/index.ts'
import { makeCertificates } from '../support/certificates.ts'
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

it.each([false, true])(
  'check --live (with a store that is away: %s) counts its login in STATE_DIR, and spares the account',
  async (isStored) => {
    const { sim, env } = await openIsales({ switches: { lockAfter: 3 } })
    const store = {
      SESSION_STORE_URL: `valkey://127.0.0.1:${await freePort()}`,
      SESSION_STORE_KEY_FILE: join(temporaryDirectory(), 'key'),
    }
    writeFileSync(store.SESSION_STORE_KEY_FILE, 'k'.repeat(32))
    const spared = {
      ...(isStored && store),
      STATE_DIR: join(temporaryDirectory(), 'state'),
      LOGIN_REJECTED_ATTEMPTS: '1',
    }
    const run = (password: string) =>
      runHere(['check', '--live'], { env: { ...env, ...spared, ISALES_PASSWORD: password } })
    expect((await run('wrong')).code).toBe(3)
    for (let n = 0; n < 3; n += 1) {
      const { code, stdout, stderr } = await run('wrong')
      expect(code).toBe(4)
      expect(stdout + stderr).toContain('the account is spared; the next attempt is in 15 min')
    }
    expect((await run(sim.switches.password)).code).toBe(0)
  },
)

describe('check', () => {
  const row = (ran: Ran, setting: string): readonly string[] | undefined =>
    ran.stdout
      .split('\n')
      .find((line) => line.startsWith(`${setting} `))
      ?.split(/ {2,}/)

  it('warns of a STATE_DIR that it cannot use, and not of one that is still to be made', async () => {
    const directory = temporaryDirectory()
    const file = join(directory, 'file')
    writeFileSync(file, '')
    const stderrOf = async (STATE_DIR: string) =>
      (await runHere(['check'], { env: { ...SOUND, STATE_DIR } })).stderr
    for (const wrong of [file, join(file, 'state'), '/proc/sys/new/state'])
      expect(await stderrOf(wrong)).toMatch(
        /^Warning: STATE_DIR \S+ cannot be written to \((?:ENOTDIR|EROFS)\)\. |may not .*\(EACCES\)\. Let the/,
      )
    expect(await stderrOf(join(directory, 'new'))).toBe('')
  })

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
    expect(stderr).toContain('Warning: ISALES_\\x0d is not a setting')
    for (const obeyed of ['\r', '\u001b', '\u202e']) expect(stderr).not.toContain(obeyed)
  })

  it('names each error with its remedy, beside what could be read', async () => {
    const wrong = { LOG_LEVEL: 'loud', https_proxy: `ftp://user:${CANARY}@proxy` }
    const ran = await runHere(['check'], { env: { ...SOUND, ...wrong, ISALES_PASWORD: CANARY } })
    expect(ran.code).toBe(2)
    expect(ran.stderr.split('\n')).toEqual([
      'Error: https_proxy is not the URL of an HTTP proxy (in its password, % ? # are written %25 %3F %23), such as https_proxy=http://egress.example:3128',
      'Error: LOG_LEVEL is "loud", which is not one of debug, info, warn, error, fatal, such as LOG_LEVEL=info',
      'Warning: ISALES_PASWORD is not a setting. Did you mean ISALES_PASSWORD?',
      '',
    ])
    for (const name of ['HTTPS_PROXY', 'LOG_LEVEL'])
      expect(row(ran, name)?.[1]).toBe('(error, see below)')
    expect(row(ran, 'LISTEN')?.[1]).toBe('127.0.0.1:8080')
    expect(ran.stdout).not.toContain('sound')
    expect(ran.stdout + ran.stderr).not.toContain(CANARY)
  })
})

describe('check --live', () => {
  it('logs in once and says how long the token lives', async () => {
    const { sim, env } = await openIsales()
    const ran = await runHere(['check', '--live'], { env })
    expect([ran.code, ran.stderr]).toEqual([0, ''])
    const lines = ran.stdout
      .replaceAll(/ {2,}/g, ' ')
      .replace(/ took \d+ ms;/, '')
      .split('\n')
    expect(lines.slice(lines.indexOf('') + 1).slice(-7)).toEqual([
      `login at ${sim.origin} as obs works, the token lives 5m, with a refresh token that lives 1h`,
      'business call Authorization: Bearer {token}: works',
      'an invalid token status 401, result 401',
      'refresh Authentication with the token, and body: works; the refresh token stays, the old token lives on',
      'conversation works with these settings',
      'It works.',
      '',
    ])
    expect(sim.state().loginAttempts).toBe(1)
  })

  it('warns once of a STATE_DIR that it cannot use', async () => {
    const { env } = await openIsales()
    const file = join(temporaryDirectory(), 'file')
    writeFileSync(file, '')
    for (const STATE_DIR of [file, '/proc/sys/new/state']) {
      const { stderr } = await runHere(['check', '--live'], { env: { ...env, STATE_DIR } })
      expect(stderr).toMatch(/^Warning: STATE_DIR .* The login is not counted there\..*\n$/)
    }
  })

  it('speaks of replicas only in a cluster', async () => {
    const { env } = await openIsales()
    const args = ['check', '--live', '--quiet']
    const inCluster = { ...env, KUBERNETES_SERVICE_HOST: '10.0.0.1' }
    expect((await runHere(args, { env })).stdout).not.toContain('SESSION_STORE_URL')
    expect((await runHere(args, { env: inCluster })).stdout).toContain(
      'replicas would end each other’s tokens',
    )
  })

  const LOGIN = { operation: 'login' } as const
  const answering = (status: number, body?: object) => (one: Simulator) =>
    one.answerLogin({ status, ...(body && { body }) })
  it.each<[string, (iSales: Simulator) => void, number, string]>([
    [
      'a wrong password',
      (one) => one.wrongPassword(),
      3,
      'iSales refuses the user or password (status 403, result=403). Correct ISALES_USER and ISALES_PASSWORD',
    ],
    ['a 404', answering(404), 4, 'responds 404: it has no such path'],
    ['a lost connection', (one) => one.reset(LOGIN), 4, 'closed the connection'],
    ['no response', (one) => one.hang(LOGIN), 4, 'did not respond within 5 s'],
    [
      'a token that is none',
      (one) => one.badToken({ kind: 'crlf' }),
      4,
      'not its login (status 200, no-token)',
    ],
  ])('tells of %s, and does not try again', async (_, spoil, code, text) => {
    const { sim, env } = await openIsales()
    spoil(sim)
    const ran = await runHere(['check', '--live'], { env })
    expect(ran.code).toBe(code)
    expect(ran.stderr).toContain(`Error: login at ${sim.origin} as obs: `)
    expect(ran.stderr).toContain(text)
    expect(ran.stderr).toMatch(
      / as obs: .+\. .+\n(iSales refused the login|Login was not possible)[.,].*\n$/,
    )
    expect(sim.state().loginAttempts).toBe(1)
  })

  it('prints the verdict alone when it is to be quiet', async () => {
    const { env } = await openIsales()
    const ran = await runHere(['check', '--live', '--quiet'], { env })
    expect([ran.code, ran.stderr]).toEqual([0, ''])
    expect(ran.stdout).not.toContain('SETTING')
    expect(ran.stdout).toMatch(/\nIt works\.\n$/)
    const offline = await runHere(['check', '--quiet'], { env })
    expect(offline.stdout).toBe('The configuration is sound.\n')
  })

  it('ends with what has to be set, and works with it', async () => {
    const { sim, env } = await openIsales({ switches: { edition: 'chinese', absoluteUrls: true } })
    const args = ['check', '--live', '--quiet']
    const ran = await runHere(args, { env: { ...env, ISALES_REFRESH_PATH: '/elsewhere' } })
    const set = ran.stdout.split('\n').filter((line) => line.startsWith('Set '))
    expect([ran.code, ran.stderr, set]).toEqual([
      2,
      'The login works. Set what is listed above, then check again.\n',
      [
        'Set ISALES_TOKEN_HEADER=Authentication: Bearer {refreshToken}',
        'Set ISALES_REFRESH_PATH=/rest/isales/v1/openapi/obs/auth/refresh',
      ],
    ])
    expect(sim.state().loginAttempts).toBe(1)
    const found = Object.fromEntries(
      set.map((line) => line.slice('Set '.length).split(/=(.*)/s).slice(0, 2) as [string, string]),
    )
    expect(await runHere(args, { env: { ...env, ...found } })).toMatchObject({
      code: 0,
      stderr: '',
    })
  })

  it('tries each form of a call, and says when none works', async () => {
    const { sim, env } = await openIsales({ switches: { acceptHeaders: ['X-Token'] } })
    const ran = await runHere(['check', '--live', '--quiet'], { env })
    expect(ran.code).toBe(4)
    expect(ran.stderr).toMatch(
      /Check ISALES_TOKEN_HEADER and ISALES_LOGIN_PATH\nThe login works, but business calls do not, in none/,
    )
    expect(sim.state().loginAttempts).toBe(1)
  })

  it('tells of an iSales that speaks TLS where none is expected, or none where it is', async () => {
    for (const [options, from, to, text] of [
      [{ tls: makeCertificates().server }, 'https:', 'http:', 'does not accept plain HTTP'],
      [{}, 'http:', 'https:', 'speaks no TLS (ERR_SSL'],
    ] as const) {
      const { sim, env } = await openIsales(options)
      const ISALES_URL = sim.origin.replace(from, to)
      const ran = await runHere(['check', '--live'], { env: { ...env, ISALES_URL } })
      expect(ran).toMatchObject({ code: 4, stderr: expect.stringContaining(text) })
    }
  })

  it('names an egress proxy that refuses by its host alone', async () => {
    const { sim, env } = await openIsales()
    const HTTPS_PROXY = sim.origin.replace('http://', `http://user:${CANARY}@`)
    const proxied = { ...env, ISALES_URL: 'https://isales.example', HTTPS_PROXY }
    const { code, stdout, stderr } = await runHere(['check', '--live'], { env: proxied })
    expect([code, stderr]).toEqual([4, expect.stringContaining('The egress proxy 127.0.0.1:')])
    expect(stdout + stderr).not.toContain(CANARY)
  })

  it('ends at the first signal', async () => {
    const args = ['check', '--live']
    const { sim, env } = await openIsales()
    sim.hang({ operation: 'login' })
    const interrupt = new AbortController()
    const running = runHere(args, { env, signal: interrupt.signal })
    await until(() => sim.state().hanging === 1)
    interrupt.abort('SIGINT')
    expect((await within(running, `${args.join(' ')} after SIGINT`)).code).toBe(130)
  })
})

it('check names a port that another program has, not those of the proxy that runs with the same settings', async () => {
  const other = createServer((_request, response) => response.end('another'))
  other.listen(0, '127.0.0.1')
  await once(other, 'listening')
  const { port } = other.address() as AddressInfo
  const free = `127.0.0.1:${await freePort()}`
  const taken = `127.0.0.1:${port}`
  const check = (LISTEN: string, ADMIN_LISTEN: string) =>
    runHere(['check', '--quiet'], { env: { ...SOUND, LISTEN, ADMIN_LISTEN } })
  for (const [name, listen, admin] of [
    ['LISTEN', taken, free],
    ['ADMIN_LISTEN', free, taken],
  ] as const) {
    const { code, stderr } = await check(listen, admin)
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: expect.stringMatching(
        `^Error: ${name}: cannot listen on ${taken}: in use by another process`,
      ),
    })
  }
  other
    .removeAllListeners('request')
    .on('request', (_request, response) => response.end('{"status":"live"}'))
  expect(await check(free, taken)).toMatchObject({ code: 0 })
  other.close()
})
