import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import type { Environment } from '../../src/config/load.ts'
import { SETTING_LIST } from '../../src/config/settings.ts'
import { foreign } from '../messages/foreign.ts'
import { freePort } from '../support/free-port.ts'
import { serveHttp } from '../support/http-server.ts'
import { SECRET_SETTINGS } from '../support/secrets.ts'
import { temporaryFiles } from '../support/temporary.ts'
import { until, within } from '../support/until.ts'
import { openIsales, runHere, type Ran } from './stand.ts'

// Failed logins are in test/cli/mistakes.test.ts.

const CANARY = 'canary-password'
const SOUND = {
  ISALES_URL: 'https://service.besclouds.com',
  ISALES_USER: 'obs',
  ISALES_PASSWORD: CANARY,
}

const row = (ran: Ran, setting: string): readonly string[] | undefined =>
  ran.stdout
    .split('\n')
    .find((line) => line.startsWith(`${setting} `))
    ?.split(/ {2,}/)

it('check shows every setting with its value and source', async () => {
  const file = temporaryFiles()('password', `${CANARY}\n`)
  const env = {
    ...SOUND,
    ISALES_PASSWORD: undefined,
    ISALES_PASSWORD_FILE: file,
    ISALES_REFRESH_PATH: 'off',
    CLIENT_DEADLINE: '2700ms',
    https_proxy: `http://user:${CANARY}@proxy`,
    ISALES_USR: 'x',
    OBS_TICKETS: 'x',
  }
  const ran = await runHere(['check'], { env })
  expect(ran.code).toBe(0)
  for (const { name } of SETTING_LIST) expect(row(ran, name)).toBeDefined()
  // Only a file can contain the key.
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
  const sound = 'The configuration is sound. Unknown settings: ISALES_USR, OBS_TICKETS.\n'
  expect(ran.stdout).toContain(sound)
  expect(ran.stdout).not.toContain(CANARY)
})

it('check prints no control characters', async () => {
  const file = join(tmpdir(), 'pass\rword\u001b[2J\u202e')
  const env = { ...SOUND, ISALES_PASSWORD: undefined, ISALES_PASSWORD_FILE: file }
  const { stderr } = await runHere(['check', '--quiet'], { env: { ...env, 'ISALES_\r': '1' } })
  expect(stderr).toContain('pass\\x0dword\\x1b[2J\\x202e')
  expect(stderr).toContain('Warning: ISALES_\\x0d: There is no such setting.')
  for (const obeyed of ['\r', '\u001b', '\u202e']) expect(stderr).not.toContain(obeyed)
})

it('check names a port of another program, but no port of a running proxy', async () => {
  let answer = 'another'
  const other = await serveHttp((_request, response) => response.end(answer))
  onTestFinished(other.close)
  const taken = `127.0.0.1:${other.port}`
  const free = `127.0.0.1:${await freePort()}`
  const checked = (more: object) => runHere(['check', '--quiet'], { env: { ...SOUND, ...more } })
  const { code, stderr } = await checked({ LISTEN: taken, ADMIN_LISTEN: free })
  expect(code).toBe(2)
  expect(stderr).toMatch(/^Error: LISTEN: .* Detail: EADDRINUSE\. \[address-in-use\]\n$/)
  expect(stderr).toContain(`Address: ${taken};`)
  answer = '{"pid":1,"findings":[]}'
  expect(await checked({ LISTEN: free, ADMIN_LISTEN: taken })).toMatchObject({ code: 0 })
})

it('check --live logs in, prints the lifetime, and logs in again to check whether the first token ends', async () => {
  const { sim, env } = await openIsales()
  const ran = await runHere(['check', '--live'], { env })
  expect([ran.code, ran.stdout]).toEqual([0, ''])
  expect(ran.stderr).not.toContain('Warning')
  const lines = ran.stderr.replaceAll(/ {2,}/g, ' ').split('\n')
  expect(lines.slice(lines.indexOf('') + 1).slice(-7)).toEqual([
    `login iSales (ISALES_URL): ${sim.origin}; User (ISALES_USER): obs; The token lives for: 5 min; The refresh token lives for: 1 h`,
    'business call Form: Authorization: Bearer {token}; Outcome: works',
    'an invalid token Status: 401; Detail: result=401',
    'refresh Outcome: works; The previous token still works: yes',
    'a second session Outcome: works',
    'It works.',
    '',
  ])
  expect(sim.state().loginAttempts).toBe(2)
})

it.each([
  [{ STATE_DIR: '/proc/sys/new/state' }, /^Warning: STATE_DIR: .*\[disk-[a-z]+\]$/m],
  // In a cluster, replicas are likely.
  [{ KUBERNETES_SERVICE_HOST: '10.0.0.1' }, /^Warning: .*\[not-shared\]$/m],
])('check --live warns once about %j', async (more, warning) => {
  const { env } = await openIsales()
  const { stderr } = await runHere(['check', '--live'], { env: { ...env, ...more } })
  expect(stderr).toMatch(warning)
  expect(stderr.match(/^Warning/gm)).toHaveLength(1)
})

it('check --live ends at the first signal', async () => {
  const { sim, env } = await openIsales()
  sim.hang({ operation: 'login' })
  const interrupt = new AbortController()
  const running = runHere(['check', '--live'], { env, signal: interrupt.signal })
  await until(() => sim.state().hanging === 1)
  interrupt.abort('SIGINT')
  expect((await within(running, 'check after SIGINT')).code).toBe(130)
})

// test/config has a row for every wrong setting.

/** Settings, and text of stderr: setting, title or facts, code. */
const WRONG: readonly (readonly [string, Environment, RegExp])[] = [
  [
    'missing settings',
    { ISALES_URL: undefined, ISALES_PASSWORD: undefined },
    /ISALES_URL: A required setting is missing.* example: ISALES_URL=https:[^]*ISALES_PASSWORD: .*_FILE.*not-set/,
  ],
  [
    'an ISALES_URL without a scheme',
    { ISALES_URL: 'isales.example' },
    /ISALES_URL: .* Found: "isales.example"; Accepted: https:\/\/HOST\[:PORT\]; .*\[not-accepted\]/,
  ],
  [
    'a missing file',
    { ISALES_PASSWORD: undefined, ISALES_PASSWORD_FILE: '/etc/isales-none/password' },
    /ISALES_PASSWORD_FILE: .* Detail: it does not exist\. \[file-unreadable\]/,
  ],
  [
    'ISALES_USERNAME',
    { ISALES_USER: undefined, ISALES_USERNAME: 'obs' },
    /Warning: ISALES_USERNAME: .* Probably meant: ISALES_USER\. \[unknown-setting\]/,
  ],
]

/** Values, formats, examples, files, names of settings and codes. */
const GIVEN =
  /允许的格式：.*?(?=[；。])|例如：.*?(?=[；。] ?\[|$)|"(?:\\.|[^"\n])*"|[A-Z][A-Z_]+(?:=[\w.:/-]+)?|文件：[^；。]+|\[[a-z-]+\]|openssl [a-z\d -]+|docs\/configuration\.zh-CN\.md/gm

it.each(WRONG)('start and check print the same about %s', async (_, wrong, words) => {
  const printedIn = async (LANG: string): Promise<string> => {
    const env = { ...SECRET_SETTINGS, ...wrong, LANG }
    const { stderr, code } = await runHere(['serve'], { env, isTTY: true })
    const check = await runHere(['check'], { env })
    expect([code, check.code]).toEqual([2, 2])
    expect(check.stdout).toMatch(/^LOG_LEVEL +debug /m)
    expect(stderr).toContain(check.stderr)
    return check.stderr
  }
  expect(await printedIn('C')).toMatch(words)
  const chinese = await printedIn('zh_CN.UTF-8')
  expect(chinese).toMatch(/^(?:错误|警告)：\S+ ?\p{Script=Han}/u)
  expect(foreign(chinese.replaceAll(GIVEN, ''))).toEqual([])
})
