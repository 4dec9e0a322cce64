import { describe, expect, it } from 'vitest'
import { loadConfig, type Environment } from '../../src/config/load.ts'
import { RULES } from '../../src/config/rules.ts'
import { disk, MINIMAL, problemOf } from './stand.ts'

const LOGIN: Environment = { OBS_USER: 'cti', OBS_PASSWORD: 'correct horse' }
const REQUIRED: Environment = { ...LOGIN, OBS_LOGIN: 'require' }
const STORE_KEY = { SESSION_STORE_KEY_FILE: '/store-key' }
const STORE = { SESSION_STORE_URL: 'valkey://127.0.0.1', ...STORE_KEY }
const STORE_TLS = { ...STORE, SESSION_STORE_URL: 'valkeys://v.example' }
const STORE_PAIR = { SESSION_STORE_CLIENT_CERT_FILE: '/c', SESSION_STORE_CLIENT_KEY_FILE: '/k' }
const TLS = { LISTEN_TLS_CERT_FILE: '/c', LISTEN_TLS_KEY_FILE: '/k' }
const OPEN = { OBS_LOGIN: 'answer', UNSAFE_LISTEN: 'true' }
const LOCAL = { ISALES_URL: 'http://127.0.0.1:1' }
/** Reachable from other machines. */
const BEYOND = { LISTEN: ':8443', ...TLS, ...LOGIN }
const UNSAFE = 'UNSAFE_LISTEN is on'
const ITSELF = 'ISALES_URL names this proxy itself'
const BESIDE = 'ALLOWED_PATHS does not hold the paths beside ISALES_LOGIN_PATH'
const GUESSED = 'OBS_PASSWORD is easy to guess'
const paths = (ALLOWED_PATHS: string, login: string): Environment => ({
  ALLOWED_PATHS,
  ISALES_LOGIN_PATH: `${login}/auth/login`,
})

const files = disk({ '/store-key': '0123456789abcdef'.repeat(2), '/weak-key': 'k'.repeat(32) })

/** Rules that are broken, as `SETTING problem`. Whether files exist is another matter. */
function broken(env: Environment): readonly string[] {
  const loaded = loadConfig({ ...MINIMAL, ISALES_PASSWORD: 'x', ...env }, files)
  const all = [...(loaded.ok ? [] : loaded.errors), ...loaded.warnings]
  const rules = new Set(RULES.map(problemOf))
  return all.map(problemOf).filter((problem) => rules.has(problem))
}

/** What it breaks, as the beginning of `SETTING problem`. */
const BROKEN: readonly (readonly [Environment, ...string[]])[] = [
  [{ ISALES_URL: 'http://isales.example' }, 'ISALES_URL is plain http'],
  [{ ISALES_URL: 'http://127.0.0.1.example' }, 'ISALES_URL is plain http'],
  [{ ISALES_URL: 'http://isales.example', ISALES_ALLOW_HTTP: 'true' }, 'ISALES_ALLOW_HTTP is on'],
  [{ ISALES_URL: 'http://127.0.0.1:8080' }, ITSELF],
  [{ ISALES_URL: 'http://localhost:9090' }, ITSELF],
  [{ ISALES_URL: 'https://own.example', ...OPEN, LISTEN: 'own.example:443' }, ITSELF, UNSAFE],
  [{ ISALES_URL: 'http://[::1]', ...OPEN, LISTEN: '[::]:80' }, ITSELF, UNSAFE],
  [
    { ...paths('/', '/a'), ISALES_REFRESH_PATH: '/a/auth/login' },
    'ISALES_REFRESH_PATH is the same',
  ],
  [{ SESSION_STORE_URL: 'valkey://127.0.0.1' }, 'SESSION_STORE_URL is set without'],
  [STORE_KEY, 'SESSION_STORE_KEY_FILE is set without SESSION_STORE_URL'],
  [STORE_PAIR, 'SESSION_STORE_CLIENT_CERT_FILE is set without SESSION_STORE_URL'],
  [
    { ...STORE_TLS, SESSION_STORE_CLIENT_CERT_FILE: '/c' },
    'SESSION_STORE_CLIENT_CERT_FILE is set without SESSION_STORE_CLIENT_KEY_FILE',
  ],
  [{ ...STORE, SESSION_STORE_CA_FILE: '/c' }, 'SESSION_STORE_CA_FILE or'],
  [{ ...STORE, ...STORE_PAIR }, 'SESSION_STORE_CA_FILE or'],
  [{ ...STORE, SESSION_STORE_URL: 'redis://v.example' }, 'SESSION_STORE_URL is without TLS'],
  [{ LISTEN: ':8080', OBS_LOGIN: 'answer' }, 'LISTEN is reachable from other machines'],
  [{ LISTEN: '10.0.0.1:8080', OBS_LOGIN: 'forward' }, 'LISTEN is reachable from other machines'],
  [{ LISTEN: '[::]:8080', ...OPEN }, UNSAFE],
  [{ LISTEN: '127.0.0.1:9090' }, 'ADMIN_LISTEN takes the port of LISTEN'],
  [{ LISTEN: '127.0.0.1:1', ADMIN_LISTEN: '127.0.0.1:1' }, 'ADMIN_LISTEN takes the port of LISTEN'],
  [
    { LISTEN: ':8443', ...TLS },
    'OBS_USER is not set, although a login is needed because other machines can reach LISTEN',
    'OBS_PASSWORD is not set, although a login is needed because',
  ],
  [
    { OBS_LOGIN: 'require', OBS_PASSWORD: 'correct-horse' },
    'OBS_USER is not set, although OBS_LOGIN',
  ],
  [{ OBS_LOGIN: 'require', OBS_USER: 'cti' }, 'OBS_PASSWORD is not set'],
  [{ ...BEYOND, OBS_PASSWORD: 'correcthors' }, GUESSED],
  [{ ...BEYOND, OBS_PASSWORD: 'abc'.repeat(9) }, GUESSED],
  [{ ...BEYOND, OBS_TICKET_KEY_FILE: '/weak-key' }, 'OBS_TICKET_KEY_FILE is easy'],
  [
    { ...STORE_TLS, SESSION_STORE_KEY_FILE: '/weak-key' },
    'SESSION_STORE_KEY_FILE is easy to guess',
  ],
  [LOGIN, 'OBS_USER is set but not used'],
  [{ LISTEN: ':8443', ...LOGIN }, 'LISTEN takes passwords in the clear'],
  [{ LOGIN_REJECTED_ATTEMPTS: '6' }, 'LOGIN_REJECTED_ATTEMPTS is over 5'],
  [{ LISTEN_MAX_CONNECTIONS: '1000' }, 'LISTEN_MAX_CONNECTIONS is not above MAX_IN_FLIGHT'],
  [{ MAX_IN_FLIGHT: '1024' }, 'LISTEN_MAX_CONNECTIONS is not above MAX_IN_FLIGHT'],
  [{ CLIENT_DEADLINE: '3s' }, 'CLIENT_DEADLINE is 3 s or more'],
  [{ CLIENT_DEADLINE: '0' }, 'CLIENT_DEADLINE is off'],
  [{ ...LOCAL, HTTPS_PROXY: 'http://proxy:3128' }, 'HTTPS_PROXY is not used'],
  [{ ...LOCAL, ISALES_TLS_SERVER_NAME: 'i.example' }, 'ISALES_TLS_SERVER_NAME is not used'],
  [paths('/rest/isales/v1/openapi/obs/', '/gw/obs'), BESIDE],
  [paths('/gw', '/gw-b'), BESIDE],
  [{ ISALES_PASSWORD: ' x' }, 'ISALES_PASSWORD begins or ends with white space'],
  [{ ISALES_PASSWORD: 'x\t' }, 'ISALES_PASSWORD begins or ends with white space'],
  [{ ISALES_PASSWORD: 'x\n\n' }, 'ISALES_PASSWORD begins or ends with white space'],
  [{ ISALES_PASSWORD: 'x\ny' }, 'ISALES_PASSWORD has more than one line'],
  [{ ISALES_USER: 'obs ' }, 'ISALES_USER begins or ends with white space'],
  [{ ...REQUIRED, OBS_PASSWORD: 'y ' }, 'OBS_PASSWORD begins or ends with white space'],
  [{ ...REQUIRED, OBS_PASSWORD: 'y\rz' }, 'OBS_PASSWORD has more than one line'],
  [{ ISALES_PASSWORD: '"x"' }, 'ISALES_PASSWORD is in quotes'],
  [{ ISALES_USER: "'obs'" }, 'ISALES_USER is in quotes'],
  [{ ISALES_USER: 'ｏｂｓ' }, 'ISALES_USER has a full-width or an invisible character'],
  [{ ISALES_PASSWORD: 'x\u200b' }, 'ISALES_PASSWORD has a full-width or an invisible character'],
  [{ ISALES_PASSWORD: 'ISALES_PASSWORD=x' }, 'ISALES_PASSWORD begins with its own name'],
  [{ ISALES_PASSWORD: '/run/secrets/pw' }, 'ISALES_PASSWORD looks like the path of a file'],
  [{ ISALES_USER: 'ISALES_USER=obs' }, 'ISALES_USER begins with its own name'],
  [{ ISALES_USER: '/run/secrets/user' }, 'ISALES_USER looks like the path of a file'],
  [{ ...REQUIRED, OBS_USER: 'cti\u200b' }, 'OBS_USER has a full-width or an invisible'],
  [{ ...REQUIRED, OBS_USER: 'OBS_USER=cti' }, 'OBS_USER begins with its own name'],
  [{ ...REQUIRED, OBS_USER: '/etc/user' }, 'OBS_USER looks like the path of a file'],
  [{ ...REQUIRED, OBS_PASSWORD: 'ｙ' }, 'OBS_PASSWORD has a full-width or an invisible'],
  [{ ...REQUIRED, OBS_PASSWORD: 'OBS_PASSWORD=y' }, 'OBS_PASSWORD begins with its own name'],
  [{ ...REQUIRED, OBS_PASSWORD: '/etc/pw' }, 'OBS_PASSWORD looks like the path of a file'],
  [{ ...REQUIRED, OBS_PASSWORD: "'y z'" }, 'OBS_PASSWORD is in quotes'],
  [{ ...REQUIRED, OBS_USER: '"cti"' }, 'OBS_USER is in quotes'],
  [{ ...REQUIRED, OBS_USER: ' cti' }, 'OBS_USER begins or ends with white space'],
  ...[
    'ISALES_CLIENT_CERT_FILE',
    'ISALES_CLIENT_KEY_FILE',
    'LISTEN_CLIENT_CA_FILE',
    'LISTEN_TLS_CERT_FILE',
    'LISTEN_TLS_KEY_FILE',
    'SESSION_STORE_CA_FILE',
    'SESSION_STORE_CLIENT_KEY_FILE',
    'SESSION_STORE_PASSWORD',
  ].map((name) => [{ [name]: '/x' }, `${name} is set without`] as const),
]

const KEPT: readonly Environment[] = [
  {},
  LOCAL,
  { ISALES_URL: 'http://localhost:1' },
  { ISALES_URL: 'http://[::1]:1' },
  { ISALES_REFRESH_PATH: 'off' },
  { ISALES_CLIENT_CERT_FILE: '/c', ISALES_CLIENT_KEY_FILE: '/k' },
  STORE,
  { ...STORE_TLS, ...STORE_PAIR, SESSION_STORE_CA_FILE: '/c' },
  { ...STORE_TLS, SESSION_STORE_URL: 'rediss://a.example' },
  { LISTEN: '[::1]:8080' },
  { LISTEN: '127.9.9.9:8080' },
  BEYOND,
  { ...BEYOND, OBS_TICKET_KEY_FILE: '/store-key' },
  { ...REQUIRED, OBS_PASSWORD: 'y', OBS_TICKET_KEY_FILE: '/weak-key' },
  { ...STORE, SESSION_STORE_KEY_FILE: '/weak-key' },
  { LISTEN: ':8443', ...TLS, LISTEN_CLIENT_CA_FILE: '/ca', OBS_LOGIN: 'answer' },
  { LISTEN: '127.0.0.1:0', ADMIN_LISTEN: ':0' },
  { LISTEN: '127.0.0.1:1', ADMIN_LISTEN: '127.0.0.2:1' },
  { CLIENT_DEADLINE: '2.999s' },
  { LISTEN_MAX_CONNECTIONS: '17', MAX_IN_FLIGHT: '16' },
  { LOGIN_REJECTED_ATTEMPTS: '5' },
  { HTTPS_PROXY: 'http://proxy:3128' },
  { ISALES_LOGIN_PATH: '/gw/obs/auth/login' },
  paths('/', '/gw/obs'),
  paths('/gw', '/gw'),
  { ISALES_PASSWORD: 'a b\n' },
  { ISALES_PASSWORD: '"x' },
]

describe('a rule between settings', () => {
  it.each(BROKEN.map(([env, ...problems]) => [env, problems] as const))(
    'is broken by %j',
    (env, problems) => {
      expect(broken(env)).toEqual(problems.map((begin) => expect.stringMatching(`^${begin}`)))
    },
  )

  it.each(KEPT)('is kept by %j', (env) => {
    expect(broken(env)).toEqual([])
  })

  it('is in the table above, each of them', () => {
    const tried = BROKEN.flatMap(([, ...problems]) => problems)
    const rules = RULES.map(problemOf)
    expect(rules.filter((rule) => !tried.some((begin) => rule.startsWith(begin)))).toEqual([])
  })

  it('is not checked while one of its settings cannot be read', () => {
    expect(broken({ LISTEN: 'nonsense', ADMIN_LISTEN: '127.0.0.1:8080' })).toEqual([])
    expect(
      broken({ LISTEN: ':8443', ...TLS, OBS_USER: 'x', OBS_PASSWORD_FILE: '/missing' }),
    ).toEqual([])
  })
})
