import { describe, expect, it } from 'vitest'
import { loadConfig, type Environment } from '../../src/config/load.ts'
import { RULES } from '../../src/config/rules.ts'

const MINIMAL: Environment = {
  ISALES_URL: 'https://service.besclouds.com',
  ISALES_USER: 'obs',
  ISALES_PASSWORD: 'x',
}
const LOGIN: Environment = { OBS_USER: 'cti', OBS_PASSWORD: 'correct horse' }
const DEADLINE_LONG =
  'CLIENT_DEADLINE is 3 s or more: CTI-OBS gives up after 3 s unless its `timeout` was raised'
const DEADLINE_OFF = 'CLIENT_DEADLINE is off: CTI-OBS may give up before it gets a response'
const PATHS_ELSEWHERE =
  'ALLOWED_PATHS does not hold the paths beside ISALES_LOGIN_PATH, so calls to them get 403'
const STORE_KEY = { SESSION_STORE_KEY_FILE: '/store-key' }
const STORE = { SESSION_STORE_URL: 'valkey://127.0.0.1', ...STORE_KEY }
const STORE_TLS = { SESSION_STORE_URL: 'valkeys://v.example', ...STORE_KEY }
const STORE_WITHOUT_TLS =
  'SESSION_STORE_CA_FILE or SESSION_STORE_CLIENT_CERT_FILE is set, and SESSION_STORE_URL is not rediss or valkeys'
const TLS = { LISTEN_TLS_CERT_FILE: '/c', LISTEN_TLS_KEY_FILE: '/k' }

const FILES: Readonly<Record<string, string>> = {
  '/store-key': '0123456789abcdef'.repeat(2),
  '/weak-key': 'k'.repeat(32),
}
const WEAK_PASSWORD = 'OBS_PASSWORD is easy to guess, and LISTEN is reachable from other machines'
const WEAK_KEY = 'OBS_TICKET_KEY_FILE is easy to guess, and LISTEN is reachable from other machines'

/** Rules that are broken, as `SETTING problem`. Whether files exist is another matter. */
function broken(env: Environment): readonly string[] {
  const loaded = loadConfig({ ...MINIMAL, ...env }, (path) =>
    FILES[path] === undefined
      ? { ok: false, problem: 'missing' }
      : { ok: true, bytes: Buffer.from(FILES[path]) },
  )
  const all = [...(loaded.ok ? [] : loaded.errors), ...loaded.warnings]
  return all
    .filter(({ setting, problem }) =>
      RULES.some((rule) => rule.setting === setting && rule.problem === problem),
    )
    .map(({ setting, problem }) => `${setting} ${problem}`)
}

const BROKEN: readonly (readonly [Environment, ...string[]])[] = [
  [
    { ISALES_URL: 'http://isales.example' },
    'ISALES_URL is plain http to a host that is not loopback',
  ],
  [
    { ISALES_URL: 'http://127.0.0.1.example' },
    'ISALES_URL is plain http to a host that is not loopback',
  ],
  [
    { ISALES_URL: 'http://isales.example', ISALES_ALLOW_HTTP: 'true' },
    'ISALES_ALLOW_HTTP is on: the password and the token cross the network in the clear',
  ],
  [{ ISALES_URL: 'http://127.0.0.1:8080' }, 'ISALES_URL names this proxy itself'],
  [{ ISALES_URL: 'http://localhost:9090' }, 'ISALES_URL names this proxy itself'],
  [
    {
      ISALES_URL: 'https://own.example',
      OBS_LOGIN: 'answer',
      LISTEN: 'own.example:443',
      UNSAFE_LISTEN: 'true',
    },
    'ISALES_URL names this proxy itself',
    'UNSAFE_LISTEN is on: whoever reaches LISTEN calls iSales as ISALES_USER',
  ],
  [
    { ISALES_URL: 'http://[::1]', OBS_LOGIN: 'answer', LISTEN: '[::]:80', UNSAFE_LISTEN: 'true' },
    'ISALES_URL names this proxy itself',
    'UNSAFE_LISTEN is on: whoever reaches LISTEN calls iSales as ISALES_USER',
  ],
  [
    { ALLOWED_PATHS: '/', ISALES_LOGIN_PATH: '/a', ISALES_REFRESH_PATH: '/a' },
    'ISALES_REFRESH_PATH is the same as ISALES_LOGIN_PATH',
  ],
  [
    { ISALES_CLIENT_CERT_FILE: '/c' },
    'ISALES_CLIENT_CERT_FILE is set without ISALES_CLIENT_KEY_FILE',
  ],
  [
    { ISALES_CLIENT_KEY_FILE: '/k' },
    'ISALES_CLIENT_KEY_FILE is set without ISALES_CLIENT_CERT_FILE',
  ],
  [
    { SESSION_STORE_URL: 'valkey://127.0.0.1' },
    'SESSION_STORE_URL is set without SESSION_STORE_KEY_FILE',
  ],
  [STORE_KEY, 'SESSION_STORE_KEY_FILE is set without SESSION_STORE_URL'],
  [{ SESSION_STORE_USER: 'u' }, 'SESSION_STORE_USER is set without SESSION_STORE_URL'],
  [{ SESSION_STORE_PASSWORD: 'p' }, 'SESSION_STORE_PASSWORD is set without SESSION_STORE_URL'],
  [{ SESSION_STORE_SENTINEL: 's' }, 'SESSION_STORE_SENTINEL is set without SESSION_STORE_URL'],
  [{ SESSION_STORE_CA_FILE: '/c' }, 'SESSION_STORE_CA_FILE is set without SESSION_STORE_URL'],
  [
    { SESSION_STORE_CLIENT_CERT_FILE: '/c', SESSION_STORE_CLIENT_KEY_FILE: '/k' },
    'SESSION_STORE_CLIENT_CERT_FILE is set without SESSION_STORE_URL',
  ],
  [
    { ...STORE_TLS, SESSION_STORE_CLIENT_CERT_FILE: '/c' },
    'SESSION_STORE_CLIENT_CERT_FILE is set without SESSION_STORE_CLIENT_KEY_FILE',
  ],
  [
    { SESSION_STORE_CLIENT_KEY_FILE: '/k' },
    'SESSION_STORE_CLIENT_KEY_FILE is set without SESSION_STORE_CLIENT_CERT_FILE',
  ],
  [
    { ...STORE, SESSION_STORE_SENTINEL_PASSWORD: 'p' },
    'SESSION_STORE_SENTINEL_PASSWORD is set without SESSION_STORE_SENTINEL',
  ],
  [
    { ...STORE, SESSION_STORE_URL: 'valkey://localhost,127.0.0.1' },
    'SESSION_STORE_URL has several hosts, which are Sentinels, without SESSION_STORE_SENTINEL',
  ],
  [{ ...STORE, SESSION_STORE_CA_FILE: '/c' }, STORE_WITHOUT_TLS],
  [
    { ...STORE, SESSION_STORE_CLIENT_CERT_FILE: '/c', SESSION_STORE_CLIENT_KEY_FILE: '/k' },
    STORE_WITHOUT_TLS,
  ],
  [
    { ...STORE, SESSION_STORE_URL: 'redis://v.example' },
    'SESSION_STORE_URL is without TLS to a host that is not loopback',
  ],
  [{ LOGIN_BACKOFF: '31s' }, 'LOGIN_BACKOFF_MAX is less than LOGIN_BACKOFF'],
  [
    { LOGIN_REJECTED_BACKOFF: '5.001m' },
    'LOGIN_REJECTED_BACKOFF_MAX is less than LOGIN_REJECTED_BACKOFF',
  ],
  [
    { LISTEN: ':8080', OBS_LOGIN: 'answer' },
    'LISTEN is reachable from other machines, and nothing keeps others out',
  ],
  [
    { LISTEN: '10.0.0.1:8080', OBS_LOGIN: 'forward' },
    'LISTEN is reachable from other machines, and nothing keeps others out',
  ],
  [
    { LISTEN: '[::]:8080', OBS_LOGIN: 'answer', UNSAFE_LISTEN: 'true' },
    'UNSAFE_LISTEN is on: whoever reaches LISTEN calls iSales as ISALES_USER',
  ],
  [{ LISTEN_TLS_CERT_FILE: '/c' }, 'LISTEN_TLS_CERT_FILE is set without LISTEN_TLS_KEY_FILE'],
  [{ LISTEN_TLS_KEY_FILE: '/k' }, 'LISTEN_TLS_KEY_FILE is set without LISTEN_TLS_CERT_FILE'],
  [{ LISTEN_CLIENT_CA_FILE: '/ca' }, 'LISTEN_CLIENT_CA_FILE is set without LISTEN_TLS_CERT_FILE'],
  [{ LISTEN: '127.0.0.1:9090' }, 'ADMIN_LISTEN takes the port of LISTEN'],
  [{ LISTEN: '127.0.0.1:1', ADMIN_LISTEN: '127.0.0.1:1' }, 'ADMIN_LISTEN takes the port of LISTEN'],
  [
    { LISTEN: ':8443', ...TLS },
    'OBS_USER is not set, although OBS_LOGIN is require',
    'OBS_PASSWORD is not set, although OBS_LOGIN is require',
  ],
  [
    { OBS_LOGIN: 'require', OBS_USER: 'cti' },
    'OBS_PASSWORD is not set, although OBS_LOGIN is require',
  ],
  [{ LISTEN: ':8443', ...TLS, ...LOGIN, OBS_PASSWORD: 'correcthors' }, WEAK_PASSWORD],
  [{ LISTEN: '10.0.0.1:1', ...TLS, ...LOGIN, OBS_PASSWORD: 'x'.repeat(40) }, WEAK_PASSWORD],
  [{ LISTEN: ':8443', ...TLS, ...LOGIN, OBS_PASSWORD: 'abcabcabcabcabc' }, WEAK_PASSWORD],
  [{ LISTEN: ':8443', ...TLS, ...LOGIN, OBS_TICKET_KEY_FILE: '/weak-key' }, WEAK_KEY],
  [
    { ...STORE_TLS, SESSION_STORE_KEY_FILE: '/weak-key' },
    'SESSION_STORE_KEY_FILE is easy to guess, and the store is reachable from other machines',
  ],
  [{ ...LOGIN }, 'OBS_USER is set but not used, since OBS_LOGIN is not require'],
  [{ LISTEN: ':8443', ...LOGIN }, 'LISTEN takes passwords in the clear from other machines'],
  [{ TOKEN_WAIT: '2.8s' }, 'TOKEN_WAIT is not below CLIENT_DEADLINE, which ends the wait first'],
  [
    { LOGIN_REJECTED_ATTEMPTS: '6' },
    'LOGIN_REJECTED_ATTEMPTS is over 5: many systems lock an account after 5 wrong passwords',
  ],
  [{ CLIENT_DEADLINE: '3s' }, DEADLINE_LONG],
  [{ CLIENT_DEADLINE: '0' }, DEADLINE_OFF],
  [
    { ISALES_CONNECT_TIMEOUT: '2.801s' },
    'ISALES_CONNECT_TIMEOUT is above CLIENT_DEADLINE, which ends the attempt first',
  ],
  [
    { ISALES_URL: 'http://127.0.0.1:1', HTTPS_PROXY: 'http://proxy:3128' },
    'HTTPS_PROXY is not used, since ISALES_URL is plain http',
  ],
  [
    { ALLOWED_PATHS: '/rest/isales/v1/openapi/obs/', ISALES_LOGIN_PATH: '/gw/obs/auth/login' },
    PATHS_ELSEWHERE,
  ],
  [{ ALLOWED_PATHS: '/gw', ISALES_LOGIN_PATH: '/gw-b/auth/login' }, PATHS_ELSEWHERE],
  [{ ISALES_PASSWORD: ' x' }, 'ISALES_PASSWORD begins or ends with white space'],
  [{ ISALES_PASSWORD: 'x\t' }, 'ISALES_PASSWORD begins or ends with white space'],
  [{ ISALES_PASSWORD: 'x\n\n' }, 'ISALES_PASSWORD begins or ends with white space'],
  [{ ISALES_PASSWORD: 'x\ny' }, 'ISALES_PASSWORD has more than one line'],
  [{ ISALES_USER: 'obs ' }, 'ISALES_USER begins or ends with white space'],
  [
    { ...LOGIN, OBS_LOGIN: 'require', OBS_PASSWORD: 'y ' },
    'OBS_PASSWORD begins or ends with white space',
  ],
  [{ ...LOGIN, OBS_LOGIN: 'require', OBS_PASSWORD: 'y\rz' }, 'OBS_PASSWORD has more than one line'],
  [
    { ...LOGIN, OBS_LOGIN: 'require', OBS_USER: ' cti' },
    'OBS_USER begins or ends with white space',
  ],
]

const KEPT: readonly Environment[] = [
  {},
  { ISALES_URL: 'http://127.0.0.1:1' },
  { ISALES_URL: 'http://localhost:1' },
  { ISALES_URL: 'http://[::1]:1' },
  { ISALES_REFRESH_PATH: 'off' },
  { ISALES_CLIENT_CERT_FILE: '/c', ISALES_CLIENT_KEY_FILE: '/k' },
  { LOGIN_BACKOFF: '30s', LOGIN_REJECTED_BACKOFF: '5m' },
  STORE,
  {
    ...STORE_TLS,
    SESSION_STORE_CA_FILE: '/c',
    SESSION_STORE_CLIENT_CERT_FILE: '/c',
    SESSION_STORE_CLIENT_KEY_FILE: '/k',
  },
  {
    ...STORE_TLS,
    SESSION_STORE_URL: 'rediss://a.example,b.example',
    SESSION_STORE_SENTINEL: 's',
    SESSION_STORE_SENTINEL_PASSWORD: 'p',
  },
  { LISTEN: 'unix:/run/p.sock' },
  { LISTEN: '[::1]:8080' },
  { LISTEN: '127.9.9.9:8080' },
  { LISTEN: ':8443', ...TLS, ...LOGIN },
  { LISTEN: ':8443', ...TLS, ...LOGIN, OBS_TICKET_KEY_FILE: '/store-key' },
  { OBS_LOGIN: 'require', ...LOGIN, OBS_PASSWORD: 'y', OBS_TICKET_KEY_FILE: '/weak-key' },
  { ...STORE, SESSION_STORE_KEY_FILE: '/weak-key' },
  { LISTEN: ':8443', ...TLS, LISTEN_CLIENT_CA_FILE: '/ca', OBS_LOGIN: 'answer' },
  { LISTEN: '127.0.0.1:0', ADMIN_LISTEN: ':0' },
  { LISTEN: '127.0.0.1:1', ADMIN_LISTEN: '127.0.0.2:1' },
  { TOKEN_WAIT: '2.799s' },
  { CLIENT_DEADLINE: '2.999s' },
  { LOGIN_REJECTED_ATTEMPTS: '5' },
  { ISALES_CONNECT_TIMEOUT: '2.8s' },
  { HTTPS_PROXY: 'http://proxy:3128' },
  { ISALES_LOGIN_PATH: '/gw/obs/auth/login' },
  { ALLOWED_PATHS: '/', ISALES_LOGIN_PATH: '/gw/obs/auth/login' },
  { ALLOWED_PATHS: '/gw', ISALES_LOGIN_PATH: '/gw/auth/login' },
  { ISALES_PASSWORD: 'a b\n' },
]

describe('a rule between settings', () => {
  it.each(BROKEN.map(([env, ...problems]) => [env, problems] as const))(
    'is broken by %j',
    (env, problems) => {
      expect(broken(env)).toEqual(problems)
    },
  )

  it.each(KEPT)('is kept by %j', (env) => {
    expect(broken(env)).toEqual([])
  })

  it('is in the table above, each of them', () => {
    const tried = new Set(BROKEN.flatMap(([, ...problems]) => problems))
    expect(
      RULES.map(({ setting, problem }) => `${setting} ${problem}`).filter((one) => !tried.has(one)),
    ).toEqual([])
  })

  it('is not checked while one of its settings cannot be read', () => {
    expect(broken({ LISTEN: 'nonsense', ADMIN_LISTEN: '127.0.0.1:8080' })).toEqual([])
    expect(
      broken({ LISTEN: ':8443', ...TLS, OBS_USER: 'x', OBS_PASSWORD_FILE: '/missing' }),
    ).toEqual([])
  })
})
