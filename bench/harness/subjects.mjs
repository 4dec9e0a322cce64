// What is measured: this proxy, the floor and the peers, each as a command to run in front of an upstream.
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { caddyConfig, haproxyConfig, nginxConfig } from './native.mjs'
import { TOKEN } from './upstream.mjs'

const root = new URL('../../', import.meta.url).pathname
const header = { name: 'authorization', value: `Bearer ${TOKEN}` }

const own = (extra = {}) => ({
  command: () => [process.execPath, join(root, 'dist/main.js')],
  env: ({ port, adminPort, upstream, caFile }) => ({
    ISALES_URL: upstream,
    ISALES_USER: 'bench',
    ISALES_PASSWORD: 'bench-password',
    LISTEN: `127.0.0.1:${port}`,
    ADMIN_LISTEN: `127.0.0.1:${adminPort}`,
    LOG_LEVEL: 'info',
    LOG_FORMAT: 'json',
    ...(upstream.startsWith('https:') && { ISALES_CA_FILE: caFile }),
    ...extra,
  }),
})

const node = (file) => ({
  command: () => [process.execPath, join(root, 'bench', file)],
  env: ({ port, upstream, caFile }) => ({
    PORT: String(port),
    UPSTREAM: upstream,
    HEADER_NAME: header.name,
    HEADER_VALUE: header.value,
    ...(upstream.startsWith('https:') && { CA_FILE: caFile, NODE_EXTRA_CA_CERTS: caFile }),
  }),
})

const native = (name, toConfig, toCommand) => ({
  compiled: true,
  command: (place) => {
    const file = join(place.dir, `${name}.conf`)
    writeFileSync(file, toConfig({ ...place, header }))
    return toCommand(file)
  },
  env: ({ dir }) => ({ XDG_DATA_HOME: dir, XDG_CONFIG_HOME: dir }),
})

/** What a client of a proxy that demands tickets logs in with. */
const LOGIN = { user: 'cti-obs', passwd: 'bench-obs-password' }

/** Every proxy by name, in the order of the table; `login` where a client has to log in first. */
export const SUBJECTS = {
  'this proxy': own(),
  'this proxy, access log': own({ ACCESS_LOG: 'full' }),
  floor: node('floor.mjs'),
  nginx: native('nginx', nginxConfig, (file) => ['nginx', '-e', 'stderr', '-c', file]),
  caddy: native('caddy', caddyConfig, (file) => [
    'caddy',
    'run',
    '--adapter',
    'caddyfile',
    '--config',
    file,
  ]),
  '@fastify/http-proxy': node('peers/fastify.mjs'),
  'http-proxy': node('peers/http-proxy.mjs'),
  haproxy: native('haproxy', haproxyConfig, (file) => ['haproxy', '-db', '-f', file]),
  'this proxy, tickets': {
    ...own({ OBS_LOGIN: 'require', OBS_USER: LOGIN.user, OBS_PASSWORD: LOGIN.passwd }),
    login: LOGIN,
  },
  'http-proxy-middleware': node('peers/http-proxy-middleware.mjs'),
  'fast-proxy': node('peers/fast-proxy.mjs'),
  'hono/proxy': node('peers/hono.mjs'),
}

const firstLine = (command, ...args) => {
  try {
    // nginx and wrk say their version on stderr, and wrk exits 1 with it.
    return execFileSync('sh', ['-c', '"$0" "$@" 2>&1 || true', command, ...args], {
      encoding: 'utf8',
    }).split('\n')[0]
  } catch {
    return ''
  }
}
const number = (text) => /\d+(\.\d+)+/.exec(text)?.[0]
const packageVersion = (path) => {
  try {
    return JSON.parse(readFileSync(join(root, path, 'package.json'), 'utf8')).version
  } catch {
    return undefined
  }
}

/** The version of each tool and peer; undefined for what this machine does not have. */
export const versions = () => ({
  node: process.versions.node,
  undici: packageVersion('node_modules/undici'),
  nginx: number(firstLine('nginx', '-v')),
  haproxy: number(firstLine('haproxy', '-v')),
  caddy: number(firstLine('caddy', 'version')),
  wrk: number(firstLine('wrk', '-v')),
  openssl: number(firstLine('openssl', 'version')),
  ...Object.fromEntries(
    ['@fastify/http-proxy', 'http-proxy', 'http-proxy-middleware', 'fast-proxy'].map((name) => [
      name,
      packageVersion(`bench/node_modules/${name}`),
    ]),
  ),
  'hono/proxy': packageVersion('bench/node_modules/hono'),
})
