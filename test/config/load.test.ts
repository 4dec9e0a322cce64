import { expect, it } from 'vitest'
import { loadConfig, type Config, type Environment, type Loaded } from '../../src/config/load.ts'
import { Secret } from '../../src/config/secret.ts'
import { SETTING_LIST } from '../../src/config/settings.ts'
import { codesOf, configOf, disk, loadWith, PASSWORD, PASSWORDLESS } from './stand.ts'

it('the configuration reports every error in one run', () => {
  const loaded = loadConfig({
    LISTEN: ':8080',
    CLIENT_DEADLINE: 'soon',
    LISTEN_TLS_CERT_FILE: '/nowhere',
    NODE_TLS_REJECT_UNAUTHORIZED: '0',
    ISALES_ULR: 'x',
    constructor: '1',
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
  // An empty variable is unset.
  [{ ISALES_CA_FILE: '' }, { isalesCaFile: undefined }],
  [{ LISTEN: '' }, { listen: LOOPBACK }],
  // Spaces and the CR of an env file from Windows are removed.
  [{ LISTEN: ' 127.0.0.1:8080\r' }, { listen: LOOPBACK }],
  // In a user or a password, only the line end is removed.
  [{ ISALES_USER: ' obs ' }, { isalesUser: ' obs ' }],
  [{ ISALES_PASSWORD: ' p \n' }, { isalesPassword: ' p ' }],
  // The lower-case variable takes precedence unless it is empty.
  [{ HTTPS_PROXY: upper, https_proxy: lower }, { httpsProxy: lower }],
  [{ HTTPS_PROXY: upper, https_proxy: '' }, { httpsProxy: upper }],
  [{ ISALES_PASSWORD: '', ISALES_PASSWORD_FILE: '/pw\r' }, { isalesPassword: 'in a file' }],
  // Values that follow from other settings.
  [{}, { isalesMaxConnections: 256, listenMaxConnections: 1024, drainTimeout: 25_000 }],
  [{ MAX_IN_FLIGHT: '5000' }, { isalesMaxConnections: 256, listenMaxConnections: 5024 }],
  [{ CLIENT_DEADLINE: '30s' }, { drainTimeout: 35_000, isalesConnectTimeout: 10_000 }],
  [{ OBS_USER: 'a', OBS_PASSWORD: 'b' }, { isObsLoginRequired: true }],
])('the configuration reads %j as %j', (env, expected) => {
  const config = configOf(loadWith(env, { '/pw': 'in a file' }))
  const read = Object.keys(expected).map((key) => {
    const value = config[key as keyof Config]
    return [key, value instanceof Secret ? value.reveal() : value]
  })
  expect(Object.fromEntries(read)).toEqual(expected)
})

const OBS = '/rest/isales/v1/openapi/obs/'
const GW = `/gw${OBS}`
it.each<readonly [string | undefined, string | undefined, string, string | undefined, string]>([
  [undefined, undefined, OBS, `${OBS}auth/refresh`, `${OBS}auth/refresh`],
  [`${GW}auth/login`, undefined, GW, `${GW}auth/refresh`, `${GW}auth/refresh`],
  [`${GW}auth/login`, 'off', GW, undefined, `${GW}auth/refresh`],
  ['/auth/login', undefined, '/', '/auth/refresh', '/auth/refresh'],
  ['/gw/signin', '/gw/renew', OBS, '/gw/renew', '/gw/renew'],
])('login path %s and refresh path %s determine the other paths', (...row) => {
  const [login, given, allowed, refresh, local] = row
  const loaded = loadWith({ ISALES_LOGIN_PATH: login, ISALES_REFRESH_PATH: given })
  expect(configOf(loaded)).toMatchObject({
    allowedPaths: [allowed],
    isalesRefreshPath: refresh,
    obsRefreshPath: local,
    isalesInterfacePath: `${allowed}business/interface`,
  })
  const shown = loaded.settings.find(({ name }) => name === 'ISALES_REFRESH_PATH')
  expect(shown).toMatchObject({ value: given ?? refresh })
})

it.each([
  ['"p"', 'quotes'],
  ['p\u00a0', 'spaces'],
  ['secret # of the test system', 'comment'],
  ['p\nq', 'lines'],
  ['ｐ', 'odd-character'],
  ['ISALES_PASSWORD=p', 'own-name'],
  ['/run/secrets/password', 'is-path'],
  ['a"b', undefined],
])('a probable paste error in a password is a warning that does not show it: %j', (text, code) => {
  const loaded = loadWith({ ISALES_PASSWORD: text })
  const codes = code === undefined ? [] : [`ISALES_PASSWORD ${code}?`]
  expect([loaded.ok, codesOf(loaded)]).toEqual([true, codes])
  expect(configOf(loaded).isalesPassword.reveal()).toBe(text)
  expect(JSON.stringify(loaded.problems)).not.toContain(JSON.stringify(text))
})

it.each(SETTING_LIST.map(({ name }) => name))(
  'no problem with %s shows a pasted token, and neither it nor the value shows the password of a URL',
  (name) => {
    const { settings, problems } = loadWith({ [name]: `http://user:${PASSWORD}@h/ ` })
    expect(JSON.stringify([settings, problems])).not.toContain(PASSWORD)
    const jwt = 'eyJhbGciOiJIUzI1NiJ9.c2VjcmV0MTIz'
    for (const token of [jwt, 'dG9rZW4xMjM0NTY3ODkw', 'tok3n'.repeat(40)])
      for (const text of [token, ` "${token}"`, `Bearer ${token}`, `a\n${token}`]) {
        const said = JSON.stringify(loadWith({ [name]: text }).problems)
        expect(said).not.toContain(token.slice(0, 16))
      }
  },
)

it.each<readonly [Environment, object]>([
  [{ ISALES_REFRESH_HEADER_TOKEN: 'a1'.repeat(90) }, { foundLength: 180, detail: 'opaque' }],
  [{ ISALES_REJECTED: '1e3' }, { foundLength: 3 }],
  [{ ISALES_USER: 'obs\nobs' }, { foundLength: 7, detail: 'lines' }],
  [{ HTTPS_PROXY: 'http://u:p#1@egress:3128' }, { foundLength: 24, detail: 'unencoded' }],
  [
    { CLIENT_DEADLINE: '2800' },
    { found: '"2800"', accepts: '100ms…30s', detail: 'no-unit', meant: '2800ms' },
  ],
  [{ LISTEN: 'localhost' }, { found: '"localhost"' }],
  [{ LISTEN: '127.0.0.1:8080/eyJhbGciOiJIUzI1' }, { foundLength: 31 }],
])('an error describes the value of %j', (env, facts) => {
  expect(Object.fromEntries(loadWith(env).problems[0]?.facts ?? [])).toMatchObject(facts)
})

const load = (content: string | Uint8Array): Loaded =>
  loadConfig({ ...PASSWORDLESS, ISALES_PASSWORD_FILE: '/pw' }, disk({ '/pw': content }))

it.each([
  ['pw\r\n', 'pw'],
  [' pw ', ' pw '],
  ['\uFEFFpw', 'pw'],
  ['x'.repeat(65_536), 'x'.repeat(65_536)],
])('a secret in a file %j is read', (content, password) => {
  expect(configOf(load(content)).isalesPassword.reveal()).toBe(password)
})

it.each<[string, string | Uint8Array, string]>([
  ['empty', '', 'empty-file'],
  ['not UTF-8', Buffer.from([0x70, 0xff, 0xfe]), 'not-utf8'],
  ['UTF-16', Buffer.from('\uFEFFpw', 'utf16le'), 'not-utf8'],
  ['with NUL', 'a\0b', 'not-accepted'],
])('a secret in a file %s is an error', (_, content, code) => {
  expect(codesOf(load(content))).toEqual([`ISALES_PASSWORD_FILE ${code}`])
})

it.each<readonly [Environment, string]>([
  [{ ISALES_USER: undefined, ISALES_USER_FILE: '/long' }, 'ISALES_USER_FILE not-accepted'],
  [{ ISALES_PASSWORD_FILE: '/key' }, 'ISALES_PASSWORD set-twice'],
  // Key and password of the store must be in files.
  [{ SESSION_STORE_KEY_FILE: '/short' }, 'SESSION_STORE_KEY_FILE not-accepted'],
  [{ SESSION_STORE_KEY: 'k' }, 'SESSION_STORE_KEY unknown-setting?'],
  // A login with a password that is not UTF-8 could only lock the account.
  [{ ISALES_PASSWORD: 'p\uFFFD' }, 'ISALES_PASSWORD not-utf8'],
])('a secret in a file keeps its limits: %j', (env, code) => {
  const store = { SESSION_STORE_URL: 'redis://127.0.0.1', SESSION_STORE_KEY_FILE: '/key' }
  const [key, long] = ['0123456789abcdef'.repeat(2), 'x'.repeat(50)]
  const files = { '/key': key, '/short': 'k'.repeat(31), '/empty': '', '/long': long }
  expect(codesOf(loadWith({ ...store, ...env }, files))).toEqual([code])
  expect(configOf(loadWith(store, files)).sessionStoreKey?.reveal()).toBe(key)
})
