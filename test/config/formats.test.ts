import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import * as net from '../../src/config/formats-net.ts'
import * as formats from '../../src/config/formats.ts'
import { en } from '../../src/words/index.ts'
import { Secret } from '../../src/config/secret.ts'

const HOUR = 3_600_000
const FORMATS = {
  duration: formats.duration({ min: '10ms', max: '1h' }),
  durationOrOff: formats.duration({ min: '100ms', max: '1h', zero: true }),
  size: formats.size({ min: '0', max: '1GiB' }),
  count: formats.count({ min: '1', max: '100' }),
  ratio: formats.ratio({ min: '0.1', max: '0.95' }),
  sampling: formats.sampling,
  boolean: formats.boolean,
  choice: formats.choice('answer', 'require'),
  text: formats.text(5),
  filePath: formats.filePath,
  secret: formats.secret(),
  key: formats.secret(4),
  names: formats.list(net.headerName),
  texts: formats.list(formats.text(5), { emptyAllowed: true }),
  listen: net.listenAddress,
  origin: net.origin,
  proxyUrl: net.proxyUrl,
  storeUrl: net.storeUrl,
  path: net.path,
  pathOrOff: formats.orOff(net.path),
  headerName: net.headerName,
  headerNameOrOff: formats.orOff(net.headerName),
  authScheme: net.authScheme,
  status: formats.rejectionStatus,
  statuses: formats.list(formats.rejectionStatus, { emptyAllowed: true }),
  host: net.hostName,
  serverName: net.serverName,
  noProxy: net.noProxy,
} as const satisfies Record<string, formats.Format>

/** The value, or the problem. */
function read(format: formats.Format, written: string): unknown {
  const value = formats.readText(format, written)
  return value instanceof formats.FormatError ? value.problem(en.settings.wrong) : value
}

type Name = keyof typeof FORMATS

const VALUES: Partial<Record<Name, Readonly<Record<string, unknown>>>> = {
  duration: { '10ms': 10, '1.1s': 1100, '0.5m': 30_000, '1h': HOUR, '3': 3000, '0.25': 250 },
  durationOrOff: { '0': 0, '0s': 0 },
  size: {
    '0': 0,
    '4096': 4096,
    '17B': 17,
    '64KiB': 65_536,
    '1.5MiB': 1_572_864,
    '1GiB': 1024 ** 3,
  },
  count: { '1': 1, '100': 100 },
  ratio: { '0.1': 0.1, '0.95': 0.95 },
  sampling: { off: 0, full: 1, '0.01': 0.01 },
  boolean: { true: true, false: false },
  choice: { require: 'require' },
  text: { ÄÖx: 'ÄÖx', ' a ': ' a ' },
  filePath: { 'relative/file': 'relative/file' },
  names: { 'Authorization, Authentication': ['Authorization', 'Authentication'] },
  texts: { '': [] },
  listen: {
    '127.0.0.1:8080': { host: '127.0.0.1', port: 8080 },
    'LocalHost:0': { host: 'localhost', port: 0 },
    ':65535': { host: '', port: 65_535 },
    '[::1]:8080': { host: '::1', port: 8080 },
  },
  origin: {
    'https://service.besclouds.com': 'https://service.besclouds.com',
    'HTTPS://Service.Besclouds.com:443/': 'https://service.besclouds.com',
    'http://[::1]:8080': 'http://[::1]:8080',
  },
  path: { '/': '/', '/rest/isales/': '/rest/isales/', '/a-b/~c.d_1': '/a-b/~c.d_1' },
  pathOrOff: { off: undefined, '/x': '/x' },
  headerName: { 'X-Token': 'X-Token', 'Proxy-Token': 'Proxy-Token' },
  headerNameOrOff: { off: undefined },
  authScheme: { '': '', Bearer: 'Bearer' },
  status: { '400': 400, '499': 499 },
  host: {
    'Proxy.Example': 'proxy.example',
    '::1': '[::1]',
    '[::1]': '[::1]',
    '10.0.0.1': '10.0.0.1',
  },
  serverName: { 'Service.Example': 'service.example' },
  noProxy: { 'A.example, .svc  10.0.0.1:80,': 'a.example,.svc,10.0.0.1:80', '*': '*' },
}

/** User and password with a `%` that escapes nothing. */
const LOGINS = ['u:100%', 'u:%zz', 'u:%ff', '100%:p', '%c3%28']

const PROBLEMS: Partial<Record<Name, Readonly<Record<string, readonly string[]>>>> = {
  duration: {
    'is not a duration': ['soon', '', '-1s', '1e3', '1 s', '5min', '.5s', 'Infinity'],
    'is finer than one millisecond': ['0.0001s'],
    'is outside 10ms to 1h': ['9ms', '0', '1.001h', '9'.repeat(400)],
  },
  durationOrOff: { 'is outside 100ms to 1h; 0 turns it off': ['99ms'] },
  size: {
    'is not a size': ['64KB', '64kib'],
    'is not a whole number of bytes': ['0.3B'],
    'is outside 0 to 1GiB': ['1025MiB'],
  },
  count: { 'is not a whole number': ['1.5', '0x10'], 'is outside 1 to 100': ['0', '101'] },
  ratio: { 'is not a share': ['80%'], 'is outside 0.1 to 0.95': ['0.09', '0.951'] },
  sampling: { 'is neither off, full, nor a share': ['1.01', 'on'] },
  boolean: { 'is neither true nor false': ['yes', 'TRUE'] },
  choice: { 'is none of answer, require': ['Answer', 'constructor'] },
  text: {
    'has 6 bytes; at most 5 fit': ['ÄÖxy'],
    'contains a control character': ['a\nb', 'a\0'],
  },
  filePath: { 'is not a file path': ['/a\0b', '-----BEGIN PRIVATE KEY-----\nx'] },
  names: {
    'is empty': ['', 'A,,B', 'A,'],
    'has an entry twice': ['A,a'],
    'is not a header name': ['A,b c'],
  },
  listen: {
    'is a port without an address': ['8080'],
    'is an address without a port': ['127.0.0.1'],
    'is not an address': [
      '::1:8080',
      '127.0.0.1:http',
      '127.0.0.1:-1',
      'http://127.0.0.1:80',
      '[127.0.0.1]:80',
      '[]:80',
      'unix:/run/p.sock',
    ],
    'has a port over 65535': ['127.0.0.1:65536'],
    'has no valid host': ['a b:80'],
  },
  origin: {
    'is not an http or https URL': [
      'service.besclouds.com',
      'ftp://x',
      'https:/x',
      'https://x\\y',
      'https://',
    ],
    'has a port over 65535': ['https://x:65536', 'https://[::1]:99999/', 'https://x:84433/rest'],
    'contains " (U+0022): the quotes of an env file are part of the value': ['"https://x"'],
    'contains "：" (U+FF1A): write : instead': ['https：//x'],
    'contains " " (U+0020): no URL has it': ['https://x y'],
    'contains a user name or password': ['https://user:pw@x', 'https://@x'],
    'has a path': ['https://x/rest'],
    'has a query or a fragment': ['https://x/?a', 'https://x#'],
  },
  path: {
    'does not start with /': ['rest', ''],
    'contains "?" (U+003F): a path has letters': ['/a?b'],
    'a call with anything else is refused': ['/a#b', '/a b', '/ä', '/a%20b', '/a;b', '/a,b', '/\r'],
    'has an empty segment': ['//a', '/a//b'],
    'has a segment that begins or ends with a dot': ['/a/../b', '/a/.', '/.a', '/a./b'],
    'is longer than 1024 characters': [`/${'a'.repeat(1024)}`],
  },
  pathOrOff: { 'does not start with /': ['Off'] },
  headerName: {
    'is not a header name': ['', 'X:Y', 'X Y', 'Ä', 'a'.repeat(129)],
    'is a header that frames or routes': [
      'Connection',
      'content-LENGTH',
      'Transfer-Encoding',
      'Host',
      'Proxy-Authorization',
      'TE',
    ],
  },
  authScheme: { 'is not an authentication scheme': ['Bea rer', 'a'.repeat(65)] },
  status: { 'is not a status from 400 to 499': ['399', '500', '4010'] },
  host: { 'is not a host name': ['a.example:80', '*', '-a', 'a'.repeat(254)] },
  serverName: { 'is not a host name': ['10.0.0.1', 'a:443', '::1'] },
  secret: { 'contains a NUL byte': ['a\0'] },
  key: { 'is shorter than 4 bytes': ['äx'] },
  proxyUrl: {
    'contains " (U+0022): the quotes of an env file are part of the value': [
      '"http://user:p@proxy"',
      '"proxy:3128"',
    ],
    'contains "：" (U+FF1A): write : instead': ['http：//user:p@proxy', 'http://proxy：3128'],
    // No character of a password is shown.
    'is not the URL of an HTTP proxy': ['socks5://proxy', 'http://', 'x://us"er：@'],
    'has a port over 65535': ['proxy:65536', 'http://u:7@proxy:65536'],
    'has a path; an HTTP proxy has none': ['http://proxy/path'],
    'contains ? or #': ['http://user:p#w@proxy'],
    'cannot be decoded; a % in one is written %25': LOGINS.map((login) => `http://${login}@proxy`),
  },
  storeUrl: {
    'contains " (U+0022): the quotes of an env file are part of the value': ['"redis://h"'],
    'contains "：" (U+FF1A): write : instead': ['rediss：//:p@h', 'redis://h：6379'],
    'is not a redis, rediss, valkey or valkeys URL': ['http://h', 'redis:h', 'h:6379', 'x"：@h'],
    'is not host:port after the scheme': [
      'redis://',
      'redis://h/db',
      'redis://u:p@ss@h',
      'redis://h?x=1',
    ],
    'has a host or port that is none': ['redis://h:0', 'redis://h:x', 'redis://a,b', 'redis://-h'],
    'has a port over 65535': ['redis://h:65536', 'redis://u:1@[::1]:65536/1'],
    'cannot be decoded': LOGINS.map((login) => `redis://${login}@h`),
  },
}

describe('a setting of this type', () => {
  it.each(Object.entries(VALUES))('%s is read as %j', (name, values) => {
    const written = Object.keys(values)
    const format = FORMATS[name as Name]
    expect(Object.fromEntries(written.map((text) => [text, read(format, text)]))).toEqual(values)
  })

  it.each(Object.entries(PROBLEMS))('%s is refused by name for %j', (name, problems) => {
    for (const [problem, texts] of Object.entries(problems))
      for (const text of texts)
        expect([text, read(FORMATS[name as Name], text)]).toEqual([
          text,
          expect.stringContaining(problem),
        ])
  })
})

it.each([
  ['duration', fc.integer({ min: 10, max: HOUR })],
  ['size', fc.integer({ min: 0, max: 1024 ** 3 })],
] as const)('a %s in the largest unit that fits is the same value', (name, drawn) => {
  const format = FORMATS[name]
  fc.assert(
    fc.property(drawn, (value) => {
      expect(format.read(format.inUnits?.(value) ?? '')).toEqual(value)
    }),
  )
})

it('a format makes of any text at all a value or a problem, never an exception', () => {
  const text = fc.array(fc.nat(0xffff)).map((units) => String.fromCharCode(...units))
  fc.assert(
    fc.property(fc.constantFrom(...Object.values(FORMATS)), text, (format, written) => {
      expect(() => read(format, written)).not.toThrow()
    }),
    { numRuns: 500 },
  )
})

it('a secret is any text but an empty one, one with a NUL, and one that is too short, and never prints', () => {
  const value = FORMATS.secret.read(' pä\nss ')
  expect([value.reveal(), String(value)]).toEqual([' pä\nss ', '[redacted]'])
  expect(read(formats.secret(4), 'ää')).toBeInstanceOf(Secret)
})

it.each([
  ['http://u:100%25@proxy:3128', 'http://u:100%25@proxy:3128'],
  ['proxy:3128', 'http://proxy:3128'],
])('the address of an egress proxy may hold a secret, and never prints: %s', (written, whole) => {
  const value = FORMATS.proxyUrl.read(written)
  expect([value.reveal(), String(value)]).toEqual([whole, '[redacted]'])
})

describe('the URL of a shared store', () => {
  const format = FORMATS.storeUrl

  it.each([
    ['redis://h', { tls: false, host: 'h', port: 6379, database: 0 }],
    ['rediss://[::1]:1/', { tls: true, host: '::1', port: 1, database: 0 }],
    ['valkeys://10.0.0.1:3/3', { tls: true, host: '10.0.0.1', port: 3, database: 3 }],
  ])('is that of one server: %s', (text, expected) => {
    expect(format.read(text)).toEqual({ ...expected, user: undefined, password: undefined })
  })

  it.each([
    ['u:p', 'u', 'p'],
    [':p%40%2F', undefined, 'p@/'],
    ['u', 'u', undefined],
    ['u:a:b', 'u', 'a:b'],
  ])('holds user and password, which are not shown: %s', (login, user, password) => {
    const address = format.read(`redis://${login}@h`)
    expect([address.user, address.password?.reveal()]).toEqual([user, password])
    expect(format.redact?.(`redis://${login}@h`)).toBe('redis://[redacted]@h')
  })
})
