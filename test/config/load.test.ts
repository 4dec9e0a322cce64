import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Secret } from '../../src/config/secret.ts'
import { SETTING_LIST, type ConfigKey } from '../../src/config/settings.ts'
import type { FileRead } from '../../src/config/files.ts'
import { loadConfig, type Environment, type Loaded } from '../../src/config/load.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import {
  configOf,
  disk,
  errorsOf,
  MINIMAL,
  PASSWORD,
  PASSWORDLESS,
  lineOf,
  problemOf,
} from './stand.ts'
import { en } from '../../src/words/index.ts'

const errorLines = (loaded: Loaded): readonly string[] => errorsOf(loaded).map(lineOf)
/** What is required, these variables, and these files. */
const loadWith = (env: Environment, files: Parameters<typeof disk>[0] = {}): Loaded =>
  loadConfig({ ...MINIMAL, ...env }, disk(files))

describe('the configuration', () => {
  it('needs three settings and takes defaults for the rest', () => {
    const loaded = loadConfig(MINIMAL)
    expect(loaded.warnings).toEqual([])
    expect(configOf(loaded)).toMatchObject({
      isalesUrl: 'https://service.besclouds.com',
      isalesUser: 'obs',
      isalesUserFile: undefined,
      isalesRefreshPath: '/rest/isales/v1/openapi/obs/auth/refresh',
      isalesTokenHeaders: ['Authorization'],
      isalesRejectedStatuses: [401, 403],
      isalesRejectedResults: [],
      clientDeadline: 2800,
      maxBodySize: 104_857_600,
      listen: { host: '127.0.0.1', port: 8080 },
      // Both families.
      adminListen: { host: '', port: 9090 },
      obsLogin: 'answer',
      accessLog: 0,
      httpsProxy: undefined,
    })
    expect(configOf(loaded).isalesPassword.reveal()).toBe(PASSWORD)
  })

  it('reports every error at once, each with what to do', () => {
    const loaded = loadConfig({
      LISTEN: ':8080',
      CLIENT_DEADLINE: 'soon',
      OBS_LOGIN: 'answer',
      LISTEN_TLS_CERT_FILE: '/nowhere',
    })
    expect(errorsOf(loaded).map(({ setting }) => setting)).toEqual([
      'ISALES_URL',
      'ISALES_USER',
      'ISALES_PASSWORD',
      'CLIENT_DEADLINE',
      'LISTEN',
      'LISTEN_TLS_CERT_FILE',
      'LISTEN_TLS_CERT_FILE',
    ])
    expect(errorLines(loaded)[3]).toBe(
      'CLIENT_DEADLINE is not a duration such as 250ms, 2.8s, 5m or 1h (a bare number is seconds) (it is "soon"). Write it like CLIENT_DEADLINE=9.5s',
    )
    for (const { said } of errorsOf(loaded)) expect(said(en.settings)[1]).toMatch(/^[A-Z].*[^.]$/)
  })

  const LOOPBACK = { host: '127.0.0.1', port: 8080 }
  const [upper, lower] = ['http://upper:1', 'http://lower:2']
  it.each<readonly [Environment, Partial<Record<ConfigKey, unknown>>]>([
    // An empty variable is an unset one, except where empty is a value.
    [
      { ISALES_CA_FILE: '', LISTEN: '' },
      { isalesCaFile: undefined, listen: LOOPBACK },
    ],
    [
      { OBS_LOGIN: '', HTTPS_PROXY: '' },
      { obsLogin: 'answer', httpsProxy: undefined },
    ],
    [{ ISALES_TOKEN_SCHEME: '' }, { isalesTokenScheme: '' }],
    // Spaces around a value are dropped, and the CR of an env file from Windows.
    [
      { LISTEN: ' 127.0.0.1:8080\n', LOG_LEVEL: 'warn ' },
      { listen: LOOPBACK, logLevel: 'warn' },
    ],
    [{ ISALES_URL: 'https://isales.example\r' }, { isalesUrl: 'https://isales.example' }],
    // Those around a user or password are kept, without one line end.
    [{ ISALES_USER: ' obs ' }, { isalesUser: ' obs ' }],
    [{ ISALES_PASSWORD: ' p \n' }, { isalesPassword: ' p ' }],
    // Proxy variables are read in lower case, too, which wins unless it is empty.
    [
      { HTTPS_PROXY: upper, https_proxy: lower, no_proxy: 'A, b' },
      { httpsProxy: lower, noProxy: 'a,b' },
    ],
    [{ HTTPS_PROXY: upper, https_proxy: '' }, { httpsProxy: upper }],
    [
      { ISALES_PASSWORD: '', ISALES_PASSWORD_FILE: '/pw\r' },
      { isalesPasswordFile: '/pw', isalesPassword: 'in a file' },
    ],
  ])('reads %j as %j', (env, expected) => {
    const config = configOf(loadWith(env, { '/pw': 'in a file' }))
    const read = Object.keys(expected).map((key) => {
      const value = config[key as ConfigKey]
      return [key, value instanceof Secret ? value.reveal() : value]
    })
    expect(Object.fromEntries(read)).toEqual(expected)
  })

  it.each([
    [undefined, ['/rest/isales/v1/openapi/obs/']],
    ['/gw/rest/isales/v1/openapi/obs/auth/login', ['/gw/rest/isales/v1/openapi/obs/']],
    ['/auth/login', ['/']],
    ['/a_b/auth/login', ['/a_b/']],
    ['/gw/signin', ['/rest/isales/v1/openapi/obs/']],
  ])('forwards the paths beside the login path %s: %j', (path, allowed) => {
    expect(configOf(loadWith({ ISALES_LOGIN_PATH: path })).allowedPaths).toEqual(allowed)
  })

  it.each([
    [
      { ALLOWED_PATHS: '/rest/a%20b/' },
      'ALLOWED_PATHS has an entry that contains "%" (U+0025): a path has letters, digits and . _ ~ - between its slashes, and a call with anything else is refused (it is "/rest/a%20b/"). Write it like ALLOWED_PATHS=/rest/isales/v1/openapi/obs/,/rest/other/',
    ],
    [
      { ISALES_LOGIN_PATH: '/rest;v=1/auth/login' },
      'ISALES_LOGIN_PATH contains ";" (U+003B): a path has letters, digits and . _ ~ - between its slashes, and a call with anything else is refused (it is "/rest;v=1/auth/login"). Write it like ISALES_LOGIN_PATH=/gateway/rest/isales/v1/openapi/obs/auth/login',
    ],
    [
      { ADMIN_LISTEN: '9090' },
      'ADMIN_LISTEN is a port without an address (it is "9090"). Write it like ADMIN_LISTEN=:9090',
    ],
    [
      { ISALES_PASSWORD: '' },
      'ISALES_PASSWORD is not set. Set it, or ISALES_PASSWORD_FILE to a file that holds it, for example ISALES_PASSWORD=change-me',
    ],
    [
      { ISALES_URL: 'isales.example' },
      'ISALES_URL is not an http or https URL. Write it like ISALES_URL=https://service.besclouds.com',
    ],
  ])('gives a hint that fits the mistake: %j', (env, line) => {
    expect(errorLines(loadWith(env))).toEqual([line])
  })

  it('takes no property that every object has for one', () => {
    const loaded = loadWith({ ['constructor' as string]: '1' })
    expect([loaded.ok, loaded.warnings]).toEqual([true, []])
  })

  it('is refused while Node accepts any certificate', () => {
    const loaded = loadWith({ NODE_TLS_REJECT_UNAUTHORIZED: '0' })
    expect(errorLines(loaded)).toEqual([expect.stringContaining('accepts any certificate')])
    expect(loadWith({ NODE_TLS_REJECT_UNAUTHORIZED: '1' }).ok).toBe(true)
  })
})

it.each(SETTING_LIST.map(({ name }) => name))(
  'what is shown of %s, and an error about it, repeats no password of a URL',
  (name) => {
    const loaded = loadWith({ [name]: `http://user:${PASSWORD}@h/ ` })
    const errors = loaded.ok ? [] : loaded.errors
    expect(JSON.stringify([loaded.settings, errors])).not.toContain(PASSWORD)
  },
)

describe('a secret in a file', () => {
  const load = (content: string | Uint8Array | FileRead): Loaded =>
    loadConfig({ ...PASSWORDLESS, ISALES_PASSWORD_FILE: '/pw' }, disk({ '/pw': content }))

  it.each([
    ['pw', 'pw'],
    ['pw\n', 'pw'],
    ['pw\r\n', 'pw'],
    ['pw\n\n', 'pw\n'],
    [' pw ', ' pw '],
    ['\uFEFFpw', 'pw'],
    ['pässwörd', 'pässwörd'],
    ['x'.repeat(65_536), 'x'.repeat(65_536)],
  ])('%j is read', (content, password) => {
    expect(configOf(load(content)).isalesPassword.reveal()).toBe(password)
  })

  it.each<[string, string | Uint8Array | FileRead, string]>([
    ['empty', '', 'names an empty file'],
    ['a line end only', '\n', 'names an empty file'],
    ['over 64 KiB', 'x'.repeat(65_537), 'names a file that is too large (over 64KiB)'],
    ['not UTF-8', Buffer.from([0x70, 0xff, 0xfe]), 'names a file that is not UTF-8 text'],
    ['UTF-16', Buffer.from('\uFEFFpw', 'utf16le'), 'names a file that is not UTF-8 text'],
    ['with NUL', 'a\0b', 'holds a value that contains a NUL byte'],
    ['missing', { ok: false, problem: 'missing' }, 'names a file that does not exist'],
  ])('%s is an error', (_, content, problem) => {
    const [error, ...more] = errorsOf(load(content))
    expect(more).toEqual([])
    expect(error && problemOf(error)).toBe(`ISALES_PASSWORD_FILE ${problem}`)
  })

  it.each([
    ['', 'names an empty file: ', '. Put the value into it'],
    ['a\0b', 'holds a value that contains a NUL byte. Correct the file: ', ''],
  ])('that holds %j is named', (content, before, after) => {
    const path = join(temporaryDirectory(), 'password')
    writeFileSync(path, content)
    expect(errorLines(loadConfig({ ...PASSWORDLESS, ISALES_PASSWORD_FILE: path }))).toEqual([
      `ISALES_PASSWORD_FILE ${before}${path}${after}`,
    ])
  })

  it('may hold a user, which keeps its own limits', () => {
    const loadUser = (user: string): Loaded =>
      loadWith({ ISALES_USER: undefined, ISALES_USER_FILE: '/u' }, { '/u': user })
    expect(configOf(loadUser('obs\n')).isalesUser).toBe('obs')
    const [tooLong, control] = ['x'.repeat(50), 'a\nb'].map((text) => errorLines(loadUser(text))[0])
    expect(tooLong).toMatch(/^ISALES_USER_FILE holds a value that has 50 bytes; at most 49 fit\./)
    expect(control).toMatch(/^ISALES_USER_FILE holds a value that contains a control character\./)
  })

  it('and in its variable too is an error', () => {
    const loaded = loadWith({ ISALES_PASSWORD_FILE: '/pw' }, { '/pw': 'x' })
    expect(errorLines(loaded)).toEqual([
      'ISALES_PASSWORD and ISALES_PASSWORD_FILE are both set. Unset one of them',
    ])
  })

  it('is the only way to give a ticket key', () => {
    const key = 'k'.repeat(32)
    const files = { '/key': key, '/short': 'k'.repeat(31) }
    const config = configOf(loadWith({ OBS_TICKET_KEY_FILE: '/key' }, files))
    expect(config.obsTicketKey?.reveal()).toBe(key)
    expect(config.obsTicketKeyFile).toBe('/key')
    expect(errorLines(loadWith({ OBS_TICKET_KEY: key }, files))).toEqual([
      'OBS_TICKET_KEY is read from a file only. Unset it and set OBS_TICKET_KEY_FILE',
    ])
    expect(errorLines(loadWith({ OBS_TICKET_KEY_FILE: '/short' }, files))).toEqual([
      'OBS_TICKET_KEY_FILE holds a value that is shorter than 32 bytes. Correct the file',
    ])
  })
})

describe('a secret in a variable', () => {
  it.each(['ISALES_PASSWORD', 'ISALES_USER'])('%s names Windows line endings', (name) => {
    expect(errorLines(loadWith({ [name]: 'x\r' }))).toEqual([
      `${name} has a Windows line ending. Save the env file with Unix line endings`,
    ])
  })

  it('that was no UTF-8 is refused: a login with it could only lock the account', () => {
    expect(errorLines(loadWith({ ISALES_PASSWORD: 'p\uFFFD' }))).toEqual([
      'ISALES_PASSWORD is not valid UTF-8. Write it in UTF-8',
    ])
  })

  const SECRET_PLACES: readonly ((secret: string) => Environment)[] = [
    (secret) => ({ ISALES_PASSWORD: `${secret}\0`, OBS_PASSWORD: `${secret}\uFFFD` }),
    (secret) => ({ ISALES_URL: `https://user:${secret}@service.besclouds.com` }),
    (secret) => ({ ISALES_URL: secret }),
    (secret) => ({ ISALES_PASSWORD: secret, ISALES_PASSWORD_FILE: secret }),
    (secret) => ({ ISALES_PASSWORD: undefined, ISALES_PASSWORD_FILE: secret }),
    (secret) => ({ ISALES_PASSWORD: undefined, ISALES_PASSWORD_FILE: `/nowhere/${secret}` }),
    (secret) => ({ OBS_PASSWORD_FILE: secret, OBS_TICKET_KEY: secret }),
    (secret) => ({ OBS_TICKET_KEY_FILE: secret, LISTEN_TLS_KEY_FILE: secret }),
    (secret) => ({ HTTPS_PROXY: `ftp://user:${secret}@proxy`, ISALES_PASWORD: secret }),
    (secret) => ({ HTTPS_PROXY: `http://user:${secret}@proxy/path` }),
    (secret) => ({ HTTPS_PROXY: `http://user:${secret}%@proxy` }),
    (secret) => ({ SESSION_STORE_URL: `redis://u:${secret}@@h` }),
    (secret) => ({ ISALES_USER: `${secret}\n${secret}`, ISALES_CA_FILE: secret }),
  ]

  it('is never repeated by an error or a warning, wherever it was put', () => {
    const secret = fc.stringMatching(/^[!-~]{12,40}$/)
    fc.assert(
      fc.property(secret, fc.constantFrom(...SECRET_PLACES), (secret, place) => {
        const loaded = loadWith(place(secret))
        const said = [...(loaded.ok ? [] : loaded.errors), ...loaded.warnings]
        expect(said.length).toBeGreaterThan(0)
        expect(said.map(lineOf).join('\n')).not.toContain(secret)
      }),
    )
  })
})
