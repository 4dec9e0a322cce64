import { expect, it } from 'vitest'
import type { Environment } from '../../src/config/load.ts'
import { codesOf, loadWith } from './stand.ts'

const LOGIN: Environment = { OBS_USER: 'cti', OBS_PASSWORD: 'correct horse' }
const STORE = { SESSION_STORE_URL: 'valkey://127.0.0.1', SESSION_STORE_KEY_FILE: '/store-key' }
const TLS = { LISTEN_TLS_CERT_FILE: '/c', LISTEN_TLS_KEY_FILE: '/k' }
const OPEN = { UNSAFE_LISTEN: 'true' }
const BEYOND = { LISTEN: ':8443', ...TLS, ...LOGIN }
const UNSAFE = 'UNSAFE_LISTEN open-allowed?'
const HTTP = { ISALES_URL: 'http://127.0.0.1:1' }
const FILES = { '/store-key': '0123456789abcdef'.repeat(2), '/weak-key': 'k'.repeat(32) }
const paths = (ALLOWED_PATHS: string, login: string): Environment => ({
  ALLOWED_PATHS,
  ISALES_LOGIN_PATH: `${login}/auth/login`,
})

/** Returns broken rules; missing files are ignored. */
const broken = (env: Environment): readonly string[] =>
  codesOf(loadWith({ ISALES_PASSWORD: 'x', ...env }, FILES)).filter(
    (code) => !code.endsWith(' missing'),
  )

const BROKEN: [Environment, ...string[]][] = [
  [{ ISALES_URL: 'http://isales.example' }, 'ISALES_URL http-not-allowed'],
  [
    { ISALES_URL: 'http://isales.example', ISALES_ALLOW_HTTP: 'true' },
    'ISALES_ALLOW_HTTP http-allowed?',
  ],
  [{ ...paths('/', '/a'), ISALES_REFRESH_PATH: '/a/auth/login' }, 'ISALES_REFRESH_PATH same-path'],
  [{ ISALES_LOGIN_PATH: '/a/signin', ALLOWED_PATHS: '/a' }, 'ISALES_REFRESH_PATH no-refresh-path'],
  [{ SESSION_STORE_URL: 'valkey://127.0.0.1' }, 'SESSION_STORE_URL incomplete'],
  [{ SESSION_STORE_KEY_FILE: '/store-key' }, 'SESSION_STORE_KEY_FILE incomplete'],
  [{ SESSION_STORE_PASSWORD_FILE: '/p' }, 'SESSION_STORE_PASSWORD_FILE incomplete'],
  [{ SESSION_STORE_CA_FILE: '/c' }, 'SESSION_STORE_CA_FILE incomplete'],
  [{ ...STORE, SESSION_STORE_CA_FILE: '/c' }, 'SESSION_STORE_CA_FILE store-without-tls'],
  [{ ...STORE, SESSION_STORE_URL: 'redis://v.example' }, 'SESSION_STORE_URL plain-store?'],
  [
    { ...STORE, SESSION_STORE_URL: 'rediss://v.example', SESSION_STORE_KEY_FILE: '/weak-key' },
    'SESSION_STORE_KEY_FILE weak-secret',
  ],
  [{ LISTEN: ':8080' }, 'LISTEN open-listener'],
  [{ LISTEN: '[::]:8080', ...OPEN }, UNSAFE],
  [{ LISTEN: '127.0.0.1:9090' }, 'ADMIN_LISTEN same-port'],
  [{ LISTEN: '127.0.0.1:1', ADMIN_LISTEN: '127.0.0.1:1' }, 'ADMIN_LISTEN same-port'],
  [{ OBS_USER: 'cti' }, 'OBS_USER incomplete'],
  [{ OBS_PASSWORD: 'correct horse' }, 'OBS_PASSWORD incomplete'],
  [{ ...BEYOND, OBS_PASSWORD: 'correcthors' }, 'OBS_PASSWORD weak-secret'],
  [{ ...BEYOND, OBS_PASSWORD: 'abc'.repeat(9) }, 'OBS_PASSWORD weak-secret'],
  [{ OBS_USER: 'cti', OBS_PASSWORD: 'correcthors' }, 'OBS_PASSWORD weak-secret?'],
  [{ ...LOGIN, LISTEN: ':8443' }, 'LISTEN plain-listener?'],
  [{ LISTEN_TLS_CERT_FILE: '/c' }, 'LISTEN_TLS_CERT_FILE incomplete'],
  [{ LISTEN_TLS_KEY_FILE: '/k' }, 'LISTEN_TLS_KEY_FILE incomplete'],
  [{ LISTEN_CLIENT_CA_FILE: '/a', LISTEN_CLIENT_NAMES: 'a' }, 'LISTEN_CLIENT_CA_FILE incomplete'],
  [{ LISTEN_CLIENT_NAMES: 'a' }, 'LISTEN_CLIENT_NAMES incomplete'],
  [{ ...TLS, LISTEN_CLIENT_CA_FILE: '/a' }, 'LISTEN_CLIENT_CA_FILE any-client?'],
  [{ ISALES_CLIENT_CERT_FILE: '/c' }, 'ISALES_CLIENT_CERT_FILE incomplete'],
  [{ ISALES_CLIENT_KEY_FILE: '/k' }, 'ISALES_CLIENT_KEY_FILE incomplete'],
  [{ CLIENT_DEADLINE: '3s' }, 'CLIENT_DEADLINE long-deadline?'],
  [{ ...HTTP, HTTPS_PROXY: 'http://egress:1' }, 'HTTPS_PROXY unused-for-http?'],
  [{ ...HTTP, ISALES_TLS_SERVER_NAME: 'x' }, 'ISALES_TLS_SERVER_NAME unused-for-http?'],
  [paths('/b/', '/a'), 'ALLOWED_PATHS other-paths?'],
  [paths('/a', 'no path'), 'ISALES_LOGIN_PATH not-accepted'],
]

const KEPT: readonly Environment[] = [
  {},
  { ISALES_URL: 'http://127.0.0.1:1' },
  { ISALES_LOGIN_PATH: '/a/signin', ISALES_REFRESH_PATH: 'off', ALLOWED_PATHS: '/a' },
  STORE,
  // The scheme `redis` without TLS, although `redis:` ends with `s:`.
  { ...STORE, SESSION_STORE_URL: 'redis://127.0.0.1' },
  { ...STORE, SESSION_STORE_URL: 'valkeys://v.example', SESSION_STORE_CA_FILE: '/c' },
  { OBS_USER: 'cti', OBS_PASSWORD: 'correct horse' },
  BEYOND,
  { LISTEN: ':8443', ...TLS, LISTEN_CLIENT_CA_FILE: '/a', LISTEN_CLIENT_NAMES: 'a' },
  { LISTEN: 'localhost:8080', ADMIN_LISTEN: ':9090' },
  { LISTEN: '127.0.0.1:0', ADMIN_LISTEN: '127.0.0.1:0' },
  paths('/', '/a'),
  { CLIENT_DEADLINE: '2999ms' },
]

it.each(BROKEN)('rules between settings are broken by %j', (env, ...codes) => {
  expect(broken(env)).toEqual(codes)
})

it.each(KEPT)('rules between settings are kept by %j', (env) => {
  expect(broken(env)).toEqual([])
})
