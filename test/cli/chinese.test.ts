import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { COMMANDS } from '../../src/cli/run.ts'
import type { Environment } from '../../src/config/load.ts'
import { SETTING_LIST } from '../../src/config/settings.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { WORDS } from '../../src/words/index.ts'
import { foreign } from '../words/foreign.ts'
import { runHere } from './stand.ts'

// Where the locale is Chinese, a command speaks Chinese.

const LANG = 'zh_CN.UTF-8'

const { settings } = WORDS.zh

/** What a text has in backquotes, which a terminal does not see. */
const literals = (text = ''): readonly string[] =>
  Array.from(text.matchAll(/`([^`]+)`/g), ([, literal = '']) => literal)

/** What is shown as somebody gave it, or as it is to be given. */
const GIVEN = [
  ...SETTING_LIST.flatMap(({ example, default: text = '', choices = [], doc, derived }) => [
    example,
    text,
    ...choices,
    ...literals(doc(settings)),
    ...literals(derived?.(settings)),
  ]),
  ...Object.values(settings.rules).flatMap((said) => literals(String(said))),
  // Lines of the overview that can be copied, and its list of exit codes.
  ...Object.keys(COMMANDS).map((name) => `isales-auth-proxy ${name}`),
  '> isales.env',
  '130, 131, 140, 143',
  '100GiB',
]

/** What of a text is in the words of the program. */
function ownWords(text: string, given: readonly string[]): string {
  const longestFirst = given.filter(Boolean).toSorted((a, b) => b.length - a.length)
  const escaped = longestFirst.map((each) => each.replaceAll(/[^\w\s]/g, String.raw`\$&`))
  // A quoted value, and an assignment to copy.
  const rest = text.replaceAll(/"[^"\n]*"|[A-Z_]+=[^\s⺀-￯]+/g, '')
  return rest.replaceAll(new RegExp(`(?<![\\w-])(?:${escaped.join('|')})(?![\\w-])`, 'g'), '')
}

const columns = (line: string): number => line.length + (line.match(/[⺀-￯]/g)?.length ?? 0)

describe('in Chinese, and within 80 columns, help explains', () => {
  it.each([
    ['--help'],
    ...Object.keys(COMMANDS).map((name) => [name]),
    ...SETTING_LIST.map(({ variables }) => [variables[0] ?? '']),
  ])('%s', async (...names) => {
    const { code, stdout } = await runHere(['help', ...names], { env: { LANG } })
    expect(code).toBe(0)
    expect(stdout).toMatch(/\p{Script=Han}/u)
    expect(foreign(ownWords(stdout, GIVEN))).toEqual([])
    expect(stdout.split('\n').filter((line) => columns(line) > 80)).toEqual([])
  })
})

describe('in Chinese a wrong command line is refused', () => {
  it.each([
    ['chekc'],
    ['help', 'CLIENT_DEADLNE'],
    ['check', '--lvie'],
    ['check', '--live', 'now'],
    ['check', '--live=yes'],
    ['check', '--live', '--health'],
    ['wait', '--timeout'],
    ['wait', '--timeout', '5s', '--timeout=6s'],
    ['wait', '--timeout', 'soon'],
    ['renew', '--timeout', '2h'],
    ['status', '--output', 'xml'],
    ['--instance', 'no/name', 'check'],
    ['--instance', 'nowhere', 'check'],
  ])('%s', async (...argv) => {
    const { code, stderr } = await runHere(argv, { env: { LANG } })
    expect(code).toBe(2)
    expect(stderr).toMatch(/\p{Script=Han}/u)
    const given = [
      ...argv.slice(0, 2),
      'CLIENT_DEADLNE',
      '/etc/isales-auth-proxy@nowhere/env',
      'missing',
    ]
    expect(foreign(ownWords(stderr, given))).toEqual([])
  })
})

const inFile = (text: string): string => {
  const file = join(temporaryDirectory(), 'file')
  writeFileSync(file, text)
  return file
}
const SOUND: Environment = {
  ISALES_URL: 'https://service.besclouds.com',
  ISALES_USER: 'obs',
  ISALES_PASSWORD: 'x',
}
const OPEN = { LISTEN: ':8443', OBS_LOGIN: 'require' }

/** What is wrong, and how much of it the output may repeat. */
const MISTAKES: readonly (readonly [wrong: Environment, repeated: readonly string[]])[] = [
  [{ ISALES_URL: undefined, ISALES_PASSWORD: undefined }, []],
  [{ ISALES_URL: 'http://isales.example' }, []],
  [{ ISALES_URL: '"https://isales.example"' }, ['U+0022']],
  [{ ISALES_URL: 'https：//isales.example' }, ['U+FF1A', '请改为 :']],
  [{ ISALES_URL: 'https://isales.example/rest', HTTPS_PROXY: 'socks5://proxy' }, []],
  [{ ISALES_LOGIN_PATH: '/a%20b', ALLOWED_PATHS: '/a;b' }, ['U+0025', 'U+003B']],
  [{ LISTEN: '8080', ADMIN_LISTEN: 'localhost' }, ['localhost']],
  [{ ADMIN_LISTEN: '127.0.0.1:8080' }, []],
  [{ OBS_LOGIN: 'ask', ISALES_ALLOW_HTTP: 'yes', ACCESS_LOG: '2' }, ['ask', 'yes']],
  [{ CLIENT_DEADLINE: 'soon', MAX_BODY_SIZE: '9TiB', MAX_IN_FLIGHT: '0' }, ['soon', '9TiB']],
  [{ ISALES_TOKEN_HEADERS: 'A,,B', ISALES_REJECTED_STATUSES: '500' }, ['A,,B']],
  [{ ISALES_PASSWORD: undefined, ISALES_PASSWORD_FILE: '/nowhere/password' }, []],
  [{ ISALES_PASSWORD_FILE: '/proc' }, []],
  [{ ISALES_PASSWORD: undefined, ISALES_PASSWORD_FILE: inFile('') }, []],
  [{ ISALES_CA_FILE: inFile('x'), LISTEN_TLS_CERT_FILE: inFile('x') }, []],
  [{ OBS_TICKET_KEY: 'x', SESSION_STORE_URL: 'redis://store.example' }, []],
  [{ ...OPEN }, []],
  [{ ...OPEN, OBS_USER: 'cti', OBS_PASSWORD: 'x' }, []],
  [{ LISTEN: ':8443', OBS_LOGIN: 'answer' }, []],
  [{ LISTEN: ':8443', OBS_LOGIN: 'answer', UNSAFE_LISTEN: 'true' }, []],
  [{ CLIENT_DEADLINE: '0', LISTEN_MAX_CONNECTIONS: '10', LOGIN_REJECTED_ATTEMPTS: '9' }, []],
  [{ ISALES_USER: ' obs ', ISALES_PASSWORD: '"x"' }, []],
  [{ ISALES_USERNAME: 'obs', ISALES_ODD: 'x', NODE_TLS_REJECT_UNAUTHORIZED: '0' }, []],
]

describe('in Chinese check names what is wrong with', () => {
  it.each(MISTAKES)('%j', async (wrong, repeated) => {
    const env = { ...SOUND, ...wrong, LANG }
    const { stderr } = await runHere(['check', '--quiet'], { env })
    const paths = Object.values(wrong).filter((text) => text?.startsWith('/'))
    const given = [...Object.keys(wrong), ...paths, ...repeated, ...GIVEN].map(String)
    expect(stderr).toMatch(/^(?:错误|警告)：[A-Z_]+ .*\p{Script=Han}/u)
    expect(foreign(ownWords(stderr, given))).toEqual([])
  })

  it('a setting, in a table with the value, the source and the default of each', async () => {
    const { stdout } = await runHere(['check'], { env: { ...SOUND, LANG } })
    expect(stdout).toContain('配置没有问题。')
    expect(foreign(ownWords(stdout, [...GIVEN, '[redacted]', 'ISALES_', 'obs', ':8080']))).toEqual(
      [],
    )
  })
})
