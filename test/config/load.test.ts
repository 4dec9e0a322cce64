import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { FileRead } from '../../src/config/files.ts'
import { loadConfig, type Environment, type Loaded } from '../../src/config/load.ts'
import { Secret } from '../../src/config/secret.ts'
import { SETTING_LIST, type Config } from '../../src/config/settings.ts'
import { lineOf, WORDS } from '../../src/words/index.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import {
  codesOf,
  configOf,
  disk,
  linesOf,
  loadWith,
  MINIMAL,
  PASSWORD,
  PASSWORDLESS,
} from './stand.ts'

describe('the configuration', () => {
  it('needs three settings', () => {
    const loaded = loadConfig(MINIMAL)
    expect(loaded.problems).toEqual([])
    expect(configOf(loaded).isalesPassword.reveal()).toBe(PASSWORD)
  })

  it('reports every error at once', () => {
    const loaded = loadConfig({
      LISTEN: ':8080',
      CLIENT_DEADLINE: 'soon',
      LISTEN_TLS_CERT_FILE: '/nowhere',
      NODE_TLS_REJECT_UNAUTHORIZED: '0',
      ISALES_ULR: 'x',
    })
    expect(codesOf(loaded)).toEqual([
      'ISALES_URL not-set',
      'ISALES_USER not-set',
      'ISALES_PASSWORD not-set',
      'CLIENT_DEADLINE not-accepted',
      'LISTEN_TLS_CERT_FILE incomplete',
      'LISTEN open-listener',
      'LISTEN_TLS_CERT_FILE missing',
      'NODE_TLS_REJECT_UNAUTHORIZED insecure-node',
      'ISALES_ULR unknown-setting?',
    ])
  })

  const LOOPBACK = { host: '127.0.0.1', port: 8080 }
  const [upper, lower] = ['http://upper:1', 'http://lower:2']
  it.each<readonly [Environment, Partial<Record<keyof Config, unknown>>]>([
    // An empty variable is an unset one.
    [
      { ISALES_CA_FILE: '', LISTEN: '' },
      { isalesCaFile: undefined, listen: LOOPBACK },
    ],
    // Spaces around a value are dropped, and the CR of an env file from Windows.
    [
      { LISTEN: ' 127.0.0.1:8080\n', LOG_LEVEL: 'warn ' },
      { listen: LOOPBACK, logLevel: 'warn' },
    ],
    [{ ISALES_URL: 'https://isales.example\r' }, { isalesUrl: 'https://isales.example' }],
    // Those around a user or password are kept, without one line end.
    [{ ISALES_USER: ' obs ' }, { isalesUser: ' obs ' }],
    [{ ISALES_PASSWORD: ' p \n' }, { isalesPassword: ' p ' }],
    [{ ISALES_PASSWORD: 'p\r' }, { isalesPassword: 'p' }],
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
    [{ TOKEN_IDLE_AFTER: 'off' }, { tokenIdleAfter: undefined }],
    [{ ISALES_REFRESH_HEADER_TOKEN: 'off' }, { isalesRefreshHeaderToken: undefined }],
  ])('reads %j as %j', (env, expected) => {
    const config = configOf(loadWith(env, { '/pw': 'in a file' }))
    const read = Object.keys(expected).map((key) => {
      const value = config[key as keyof Config]
      return [key, value instanceof Secret ? value.reveal() : value]
    })
    expect(Object.fromEntries(read)).toEqual(expected)
  })

  const OBS = '/rest/isales/v1/openapi/obs/'
  it.each<readonly [string | undefined, string | undefined, string, string | undefined, string]>([
    [undefined, undefined, OBS, `${OBS}auth/refresh`, `${OBS}auth/refresh`],
    [
      `/gw${OBS}auth/login`,
      undefined,
      `/gw${OBS}`,
      `/gw${OBS}auth/refresh`,
      `/gw${OBS}auth/refresh`,
    ],
    [`/gw${OBS}auth/login`, 'off', `/gw${OBS}`, undefined, `/gw${OBS}auth/refresh`],
    ['/auth/login', undefined, '/', '/auth/refresh', '/auth/refresh'],
    ['/auth/login/auth/login', '/renew', '/auth/login/', '/renew', '/renew'],
    ['/gw/signin', '/gw/renew', OBS, '/gw/renew', '/gw/renew'],
  ])('from login path %s and refresh path %s follows what is beside them', (...row) => {
    const [login, given, allowed, refresh, local] = row
    const env = { ISALES_LOGIN_PATH: login, ISALES_REFRESH_PATH: given }
    const config = configOf(loadWith(env))
    expect(config).toMatchObject({
      allowedPaths: [allowed],
      isalesRefreshPath: refresh,
      obsRefreshPath: local,
      isalesInterfacePath: `${allowed}business/interface`,
    })
    const shown = loadWith(env).settings.find(({ name }) => name === 'ISALES_REFRESH_PATH')
    expect(shown).toMatchObject({ value: given ?? refresh })
  })

  it('shows an example of a setting whose default is empty', () => {
    expect(linesOf(loadWith({ ALLOWED_HOSTS: 'a:1' })).join()).toMatch(/ALLOWED_HOSTS=\w/)
  })

  it.each([
    [{}, { isalesMaxConnections: 256, listenMaxConnections: 1024, drainTimeout: 25_000 }],
    [{ MAX_IN_FLIGHT: '16' }, { isalesMaxConnections: 16, listenMaxConnections: 1024 }],
    [{ MAX_IN_FLIGHT: '5000' }, { isalesMaxConnections: 256, listenMaxConnections: 5024 }],
    [{ CLIENT_DEADLINE: '30s' }, { drainTimeout: 35_000, isalesConnectTimeout: 10_000 }],
    [{ OBS_USER: 'a', OBS_PASSWORD: 'b' }, { isObsLoginRequired: true }],
  ])('from %j follows %j', (env, follows) => {
    expect(configOf(loadWith(env))).toMatchObject(follows)
  })

  it.each<readonly [Environment, string, string]>([
    [
      { LISTEN: '8080' },
      'The value is not accepted. Write it in the accepted form. Found: "8080"; Accepted: HOST:PORT; For example: LISTEN=127.0.0.1:8080.',
      '该值不可接受。按可接受的写法更正。现值："8080"；可接受：HOST:PORT；例如：LISTEN=127.0.0.1:8080。',
    ],
    [
      { CLIENT_DEADLINE: '1h' },
      'The value is not accepted. Write it in the accepted form. Found: "1h"; Accepted: 100ms…30s; For example: CLIENT_DEADLINE=2.8s.',
      '该值不可接受。按可接受的写法更正。现值："1h"；可接受：100ms…30s；例如：CLIENT_DEADLINE=2.8s。',
    ],
    [
      { ISALES_PASSWORD: '' },
      'The setting is required and not set. Set it, or the file that is named beside it. The other setting: ISALES_PASSWORD_FILE; For example: ISALES_PASSWORD=….',
      '该设置必填，但没有设置。设置它，或设置旁边所示的文件。另一个设置：ISALES_PASSWORD_FILE；例如：ISALES_PASSWORD=…。',
    ],
    [
      { ISALES_URL: 'http://isales.example' },
      'Plain http to another machine. Use https, or set ISALES_ALLOW_HTTP=true on a network where nobody listens.',
      '以明文 http 访问其他机器。使用 https；如果网络中无人窃听，也可以设置 ISALES_ALLOW_HTTP=true。',
    ],
  ])('says of %j in one sentence for all of a kind: %s', (env, english, chinese) => {
    const { problems } = loadWith(env)
    const said = (['en', 'zh'] as const).map((language) =>
      problems.map((problem) => lineOf(WORDS[language], problem)),
    )
    expect(said).toEqual([[english], [chinese]])
  })

  it('takes no property that every object has for one', () => {
    expect(loadWith({ ['constructor' as string]: '1' }).problems).toEqual([])
  })
})

describe('a typing accident', () => {
  it.each([
    ['ISALES_URL', '‘https://isales.example’', 'quotes'],
    ['ISALES_URL', 'https://isales\u200b.example', 'odd-character'],
    ['ISALES_REJECTED', '401，403', 'odd-character'],
    ['ISALES_CA_FILE', '"/etc/ca.pem"', 'quotes'],
    ['STATE_DIR', 'STATE_DIR=/var/lib/x', 'own-name'],
    ['ALLOWED_PATHS', '/a\n/b', 'lines'],
  ])('in the format of %s is an error: %j', (name, text, code) => {
    expect(codesOf(loadWith({ [name]: text }))).toContain(`${name} ${code}`)
  })

  it.each([
    ['"p"', 'quotes'],
    ['“p”', 'quotes'],
    [' p', 'spaces'],
    ['p\u00a0', 'spaces'],
    ['p\nq', 'lines'],
    ['p\u200b', 'odd-character'],
    ['ｐ', 'odd-character'],
    ['ISALES_PASSWORD=p', 'own-name'],
    ['/run/secrets/password', 'is-path'],
  ])('in a password is a doubt, and nothing of it is shown: %j', (text, code) => {
    const loaded = loadWith({ ISALES_PASSWORD: text })
    expect([loaded.ok, codesOf(loaded)]).toEqual([true, [`ISALES_PASSWORD ${code}?`]])
    expect(configOf(loaded).isalesPassword.reveal()).toBe(text)
    expect(loaded.problems[0]?.facts.map(([name]) => name)).not.toContain('found')
  })

  it.each(['a"b', "it's", 'correct horse', 'a/b', 'ä'])('is not in the password %j', (text) => {
    expect(codesOf(loadWith({ ISALES_PASSWORD: text }))).toEqual([])
  })

  it('is not looked for in the password of an egress proxy', () => {
    expect(codesOf(loadWith({ HTTPS_PROXY: 'http://u:"p"@egress:1' }))).toEqual([])
  })
})

it.each(SETTING_LIST.map(({ name }) => name))(
  'what is shown of %s, and a problem with it, repeats no password of a URL',
  (name) => {
    const { settings, problems } = loadWith({ [name]: `http://user:${PASSWORD}@h/ ` })
    expect(JSON.stringify([settings, problems])).not.toContain(PASSWORD)
  },
)

describe('a secret in a file', () => {
  const load = (content: string | Uint8Array | FileRead): Loaded =>
    loadConfig({ ...PASSWORDLESS, ISALES_PASSWORD_FILE: '/pw' }, disk({ '/pw': content }))

  it.each([
    ['pw', 'pw'],
    ['pw\n', 'pw'],
    ['pw\r\n', 'pw'],
    [' pw ', ' pw '],
    ['\uFEFFpw', 'pw'],
    ['pässwörd', 'pässwörd'],
    ['x'.repeat(65_536), 'x'.repeat(65_536)],
  ])('%j is read', (content, password) => {
    expect(configOf(load(content)).isalesPassword.reveal()).toBe(password)
  })

  it.each<[string, string | Uint8Array | FileRead, string]>([
    ['empty', '', 'empty-file'],
    ['a line end only', '\n', 'empty-file'],
    ['over 64 KiB', 'x'.repeat(65_537), 'too-large'],
    ['not UTF-8', Buffer.from([0x70, 0xff, 0xfe]), 'not-utf8'],
    ['UTF-16', Buffer.from('\uFEFFpw', 'utf16le'), 'not-utf8'],
    ['with NUL', 'a\0b', 'not-accepted'],
    ['missing', { ok: false, problem: 'missing' }, 'missing'],
  ])('%s is an error', (_, content, code) => {
    expect(codesOf(load(content))).toEqual([`ISALES_PASSWORD_FILE ${code}`])
  })

  it('is named, unless a password may have been given in its place', () => {
    const path = join(temporaryDirectory(), 'password')
    writeFileSync(path, '')
    const lines = [path, '/pa55word', `/nowhere/${PASSWORD}`].map((file) =>
      linesOf(loadConfig({ ...PASSWORDLESS, ISALES_PASSWORD_FILE: file })).join(),
    )
    const missing = 'A file cannot be read. Give the path of a file'
    expect(lines).toEqual([
      `ISALES_PASSWORD_FILE: A file is empty. Put the value into it. File: ${path}.`,
      expect.stringContaining(`ISALES_PASSWORD_FILE: ${missing}`),
      expect.stringContaining(`ISALES_PASSWORD_FILE: ${missing}`),
    ])
  })

  it('may hold a user, which keeps its own limits', () => {
    const loadUser = (user: string): Loaded =>
      loadWith({ ISALES_USER: undefined, ISALES_USER_FILE: '/u' }, { '/u': user })
    expect(configOf(loadUser('obs\n')).isalesUser).toBe('obs')
    expect(codesOf(loadUser('x'.repeat(50)))).toEqual(['ISALES_USER_FILE not-accepted'])
  })

  it('and in its variable too is an error', () => {
    const loaded = loadWith({ ISALES_PASSWORD_FILE: '/pw' }, { '/pw': 'x' })
    expect(linesOf(loaded)).toEqual([
      'ISALES_PASSWORD: The setting is given twice. Unset one of them. The other setting: ISALES_PASSWORD_FILE.',
    ])
  })

  it('is the only way to give key and password of the store', () => {
    const store = { SESSION_STORE_URL: 'redis://127.0.0.1', SESSION_STORE_KEY_FILE: '/key' }
    const files = { '/key': '0123456789abcdef'.repeat(2), '/short': 'k'.repeat(31), '/empty': '' }
    expect(configOf(loadWith(store, files)).sessionStoreKey?.reveal()).toBe(files['/key'])
    for (const [env, ...codes] of [
      [{ SESSION_STORE_KEY_FILE: '/short' }, 'SESSION_STORE_KEY_FILE not-accepted'],
      [{ SESSION_STORE_KEY: 'k' }, 'SESSION_STORE_KEY unknown-setting?'],
      [{ SESSION_STORE_PASSWORD_FILE: '/empty' }, 'SESSION_STORE_PASSWORD_FILE empty-file'],
      [{ SESSION_STORE_PASSWORD: 'p' }, 'SESSION_STORE_PASSWORD unknown-setting?'],
    ] as const)
      expect(codesOf(loadWith({ ...store, ...env }, files))).toEqual(codes)
  })
})

describe('a secret in a variable', () => {
  it('that was no UTF-8 is refused: a login with it could only lock the account', () => {
    expect(codesOf(loadWith({ ISALES_PASSWORD: 'p\uFFFD' }))).toEqual(['ISALES_PASSWORD not-utf8'])
  })

  const SECRET_PLACES: readonly ((secret: string) => Environment)[] = [
    (secret) => ({ ISALES_PASSWORD: `${secret}\0`, OBS_PASSWORD: `${secret}\uFFFD` }),
    (secret) => ({ ISALES_URL: `https://user:${secret}@service.besclouds.com` }),
    (secret) => ({ ISALES_PASSWORD: secret, ISALES_PASSWORD_FILE: secret }),
    (secret) => ({ ISALES_PASSWORD: undefined, ISALES_PASSWORD_FILE: secret }),
    (secret) => ({ ISALES_PASSWORD: undefined, ISALES_PASSWORD_FILE: `/nowhere/${secret}` }),
    (secret) => ({ OBS_PASSWORD_FILE: secret, SESSION_STORE_KEY: secret }),
    (secret) => ({ SESSION_STORE_KEY_FILE: secret, LISTEN_TLS_KEY_FILE: secret }),
    (secret) => ({ HTTPS_PROXY: `ftp://user:${secret}@proxy`, ISALES_PASSWORD: secret }),
    (secret) => ({ HTTPS_PROXY: `http://user:${secret}@proxy/path` }),
    (secret) => ({ HTTPS_PROXY: `http://user:${secret}%@proxy` }),
    (secret) => ({ SESSION_STORE_URL: `redis://u:${secret}@h` }),
    (secret) => ({ ISALES_USER: `${secret}\n${secret}`, ISALES_CA_FILE: secret }),
  ]

  it('is never repeated by an error or a warning, wherever it was put', () => {
    const secret = fc.stringMatching(/^[!-~]{12,40}$/)
    fc.assert(
      fc.property(secret, fc.constantFrom(...SECRET_PLACES), (secret, place) => {
        const loaded = loadWith(place(secret))
        expect(loaded.problems.length).toBeGreaterThan(0)
        expect(linesOf(loaded).join('\n')).not.toContain(secret)
      }),
    )
  })
})
