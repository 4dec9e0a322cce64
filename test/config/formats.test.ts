import { describe, expect, it } from 'vitest'
import type * as z from 'zod'
import {
  authScheme,
  headerName,
  hostName,
  listenAddress,
  noProxy,
  origin,
  path,
  proxyUrl,
  storeUrl,
  url,
} from '../../src/config/formats-net.ts'
import {
  boolean,
  choice,
  count,
  duration,
  filePath,
  list,
  octalMode,
  orOff,
  ratio,
  rejectionStatus,
  sampling,
  secret,
  size,
  text,
} from '../../src/config/formats.ts'

const HOUR = 3_600_000
const FORMATS = {
  duration: duration({ min: 10, max: HOUR }),
  durationOrOff: duration({ min: 100, max: HOUR, zero: 'turns it off' }),
  size: size({ min: 0, max: 1024 ** 3 }),
  count: count({ min: 1, max: 100 }),
  ratio: ratio(0.1, 0.95),
  sampling: sampling(),
  boolean: boolean(),
  choice: choice('answer', 'require'),
  text: text(5),
  filePath: filePath(),
  octalMode: octalMode(),
  names: list(headerName()),
  texts: list(text(5), { emptyAllowed: true }),
  listen: listenAddress({ unix: true }),
  tcp: listenAddress({ unix: false }),
  origin: origin(),
  url: url(),
  path: path(),
  pathOrOff: orOff(path()),
  headerName: headerName(),
  headerNameOrOff: orOff(headerName()),
  authScheme: authScheme(),
  status: rejectionStatus(),
  host: hostName(),
  noProxy: noProxy(),
} as const satisfies Record<string, z.ZodType>

/** The value, or the problem. */
function read(format: z.ZodType, written: string): unknown {
  const outcome = format.safeParse(written)
  return outcome.success ? outcome.data : outcome.error.issues[0]?.message
}

type Row = readonly [format: keyof typeof FORMATS, written: string, value: unknown]

describe('a value is read', () => {
  it.each<Row>([
    ['duration', '10ms', 10],
    ['duration', '1h', HOUR],
    ['duration', '2.8s', 2800],
    ['duration', '1.1s', 1100],
    ['duration', '0.5m', 30_000],
    ['duration', '5m', 300_000],
    ['duration', '3', 3000],
    ['duration', '0.25', 250],
    ['durationOrOff', '0', 0],
    ['durationOrOff', '0s', 0],
    ['size', '0', 0],
    ['size', '4096', 4096],
    ['size', '17B', 17],
    ['size', '64KiB', 65_536],
    ['size', '1.5MiB', 1_572_864],
    ['size', '1GiB', 1024 ** 3],
    ['count', '1', 1],
    ['count', '100', 100],
    ['ratio', '0.1', 0.1],
    ['ratio', '0.95', 0.95],
    ['sampling', 'off', 0],
    ['sampling', 'full', 1],
    ['sampling', '0.01', 0.01],
    ['boolean', 'true', true],
    ['boolean', 'false', false],
    ['choice', 'require', 'require'],
    ['text', 'ÄÖx', 'ÄÖx'],
    ['text', ' a ', ' a '],
    ['filePath', 'relative/file', 'relative/file'],
    ['octalMode', '0600', 0o600],
    ['octalMode', '660', 0o660],
    ['names', 'Authorization, Authentication', ['Authorization', 'Authentication']],
    ['texts', '', []],
    ['listen', '127.0.0.1:8080', { kind: 'tcp', host: '127.0.0.1', port: 8080 }],
    ['listen', 'LocalHost:0', { kind: 'tcp', host: 'localhost', port: 0 }],
    ['listen', ':65535', { kind: 'tcp', host: '', port: 65_535 }],
    ['listen', '[::1]:8080', { kind: 'tcp', host: '::1', port: 8080 }],
    ['listen', 'unix:/run/p.sock', { kind: 'unix', path: '/run/p.sock' }],
    ['listen', `unix:/${'x'.repeat(106)}`, { kind: 'unix', path: `/${'x'.repeat(106)}` }],
    ['origin', 'https://service.besclouds.com', 'https://service.besclouds.com'],
    ['origin', 'HTTPS://Service.Besclouds.com:443/', 'https://service.besclouds.com'],
    ['origin', 'http://[::1]:8080', 'http://[::1]:8080'],
    ['url', 'http://127.0.0.1:4318/v1', 'http://127.0.0.1:4318/v1'],
    ['path', '/', '/'],
    ['path', '/rest/isales/', '/rest/isales/'],
    ['path', '/a%20b/~c;d=1', '/a%20b/~c;d=1'],
    ['pathOrOff', 'off', undefined],
    ['pathOrOff', '/x', '/x'],
    ['headerName', 'X-Token', 'X-Token'],
    ['headerNameOrOff', 'off', undefined],
    ['authScheme', '', ''],
    ['authScheme', 'Bearer', 'Bearer'],
    ['status', '400', 400],
    ['status', '499', 499],
    ['host', 'Proxy.Example', 'proxy.example'],
    ['host', '::1', '[::1]'],
    ['host', '[::1]', '[::1]'],
    ['host', '10.0.0.1', '10.0.0.1'],
    ['noProxy', 'A.example, .svc  10.0.0.1:80,', 'a.example,.svc,10.0.0.1:80'],
    ['noProxy', '*', '*'],
  ])('%s %j', (format, written, value) => {
    expect(read(FORMATS[format], written)).toEqual(value)
  })
})

describe('what is no value is refused by name', () => {
  it.each<Row>([
    ['duration', 'soon', 'is not a duration'],
    ['duration', '', 'is not a duration'],
    ['duration', '-1s', 'is not a duration'],
    ['duration', '1e3', 'is not a duration'],
    ['duration', '1 s', 'is not a duration'],
    ['duration', '5min', 'is not a duration'],
    ['duration', '.5s', 'is not a duration'],
    ['duration', 'Infinity', 'is not a duration'],
    ['duration', '0.0001s', 'is finer than one millisecond'],
    ['duration', '9ms', 'is outside 10ms to 1h'],
    ['duration', '0', 'is outside 10ms to 1h'],
    ['duration', '1.001h', 'is outside 10ms to 1h'],
    ['duration', '9'.repeat(400), 'is outside 10ms to 1h'],
    ['durationOrOff', '99ms', 'is outside 100ms to 1h; 0 turns it off'],
    ['size', '64KB', 'is not a size'],
    ['size', '64kib', 'is not a size'],
    ['size', '0.3B', 'is not a whole number of bytes'],
    ['size', '1025MiB', 'is outside 0 to 1GiB'],
    ['count', '1.5', 'is not a whole number'],
    ['count', '0x10', 'is not a whole number'],
    ['count', '0', 'is outside 1 to 100'],
    ['count', '101', 'is outside 1 to 100'],
    ['ratio', '80%', 'is not a share'],
    ['ratio', '0.09', 'is outside 0.1 to 0.95'],
    ['ratio', '0.951', 'is outside 0.1 to 0.95'],
    ['sampling', '1.01', 'is neither off, full, nor a share'],
    ['sampling', 'on', 'is neither off, full, nor a share'],
    ['boolean', 'yes', 'is neither true nor false'],
    ['boolean', 'TRUE', 'is neither true nor false'],
    ['choice', 'Answer', 'is none of answer, require'],
    ['choice', 'constructor', 'is none of answer, require'],
    ['text', 'ÄÖxy', 'has 6 bytes; at most 5 fit'],
    ['text', 'a\nb', 'contains a control character'],
    ['text', 'a\0', 'contains a control character'],
    ['filePath', '/a\0b', 'is not a file path'],
    ['filePath', '-----BEGIN PRIVATE KEY-----\nx', 'is not a file path'],
    ['octalMode', '0800', 'is not an octal mode'],
    ['octalMode', '7777', 'is not an octal mode'],
    ['octalMode', '0o600', 'is not an octal mode'],
    ['names', '', 'lists nothing'],
    ['names', 'A,,B', 'is empty'],
    ['names', 'A,', 'is empty'],
    ['names', 'A,a', 'has an entry twice'],
    ['names', 'A,b c', 'is not a header name'],
    ['listen', '8080', 'is a port without an address'],
    ['listen', '127.0.0.1', 'is an address without a port'],
    ['listen', '::1:8080', 'is not an address'],
    ['listen', '127.0.0.1:65536', 'has a port over 65535'],
    ['listen', '127.0.0.1:http', 'is not an address'],
    ['listen', '127.0.0.1:-1', 'is not an address'],
    ['listen', 'http://127.0.0.1:80', 'is not an address'],
    ['listen', '[127.0.0.1]:80', 'has no IPv6 address'],
    ['listen', '[]:80', 'has no IPv6 address'],
    ['listen', 'a b:80', 'has no valid host'],
    ['listen', 'unix:run/p.sock', 'is not an absolute path'],
    ['listen', 'unix:', 'is not an absolute path'],
    ['listen', 'unix:/run/', 'names a directory'],
    ['listen', `unix:/${'x'.repeat(107)}`, 'has a socket path over 107 bytes'],
    ['tcp', 'unix:/run/p.sock', 'cannot be a Unix socket'],
    ['origin', 'service.besclouds.com', 'is not an http or https URL'],
    ['origin', 'ftp://x', 'is not an http or https URL'],
    ['origin', 'https:/x', 'is not an http or https URL'],
    ['origin', 'https://x\\y', 'is not an http or https URL'],
    ['origin', 'https://x y', 'is not an http or https URL'],
    ['origin', 'https://', 'is not an http or https URL'],
    ['origin', 'https://x:99999', 'is not an http or https URL'],
    ['origin', 'https://user:pw@x', 'contains a user name or password'],
    ['origin', 'https://@x', 'contains a user name or password'],
    ['origin', 'https://x/rest', 'has a path'],
    ['origin', 'https://x/?a', 'has a query or a fragment'],
    ['origin', 'https://x#', 'has a query or a fragment'],
    ['url', 'https://user:pw@x/v1', 'contains a user name or password'],
    ['path', 'rest', 'does not start with /'],
    ['path', '', 'does not start with /'],
    ['path', '/a?b', 'is not a path'],
    ['path', '/a#b', 'is not a path'],
    ['path', '/a b', 'is not a path'],
    ['path', '/ä', 'is not a path'],
    ['path', '/%zz', 'is not a path'],
    ['path', '/a\r\nX: y', 'is not a path'],
    ['path', '//a', 'has an empty or a dot segment'],
    ['path', '/a//b', 'has an empty or a dot segment'],
    ['path', '/a/../b', 'has an empty or a dot segment'],
    ['path', '/a/.', 'has an empty or a dot segment'],
    ['path', `/${'a'.repeat(1024)}`, 'is longer than 1024 characters'],
    ['pathOrOff', 'Off', 'does not start with /'],
    ['headerName', '', 'is not a header name'],
    ['headerName', 'X:Y', 'is not a header name'],
    ['headerName', 'X Y', 'is not a header name'],
    ['headerName', 'Ä', 'is not a header name'],
    ['headerName', 'a'.repeat(129), 'is not a header name'],
    ['headerName', 'Connection', 'is a header that frames or routes'],
    ['headerName', 'content-LENGTH', 'is a header that frames or routes'],
    ['headerName', 'Transfer-Encoding', 'is a header that frames or routes'],
    ['headerName', 'Host', 'is a header that frames or routes'],
    ['headerName', 'Proxy-Authorization', 'is a header that frames or routes'],
    ['headerName', 'TE', 'is a header that frames or routes'],
    ['authScheme', 'Bea rer', 'is not an authentication scheme'],
    ['authScheme', 'a'.repeat(65), 'is not an authentication scheme'],
    ['status', '399', 'is not a status from 400 to 499'],
    ['status', '500', 'is not a status from 400 to 499'],
    ['status', '4010', 'is not a status from 400 to 499'],
    ['host', 'a.example:80', 'is not a host name'],
    ['host', '*', 'is not a host name'],
    ['host', '-a', 'is not a host name'],
    ['host', 'a'.repeat(254), 'is not a host name'],
  ])('%s %j', (format, written, problem) => {
    expect(read(FORMATS[format], written)).toContain(problem)
  })
})

describe('secrets', () => {
  it('are any text but an empty one, one with a NUL, and one that is too short', () => {
    expect(read(secret(), ' pä\nss ')).toMatchObject({})
    const value = secret().parse(' pä\nss ')
    expect(value.reveal()).toBe(' pä\nss ')
    expect(secret().encode(value)).toBe('[redacted]')
    expect(read(secret(), 'a\0')).toBe('contains a NUL byte')
    expect(read(secret(4), 'äx')).toBe('is shorter than 4 bytes')
    expect(read(secret(4), 'ää')).toMatchObject({})
  })

  it('may stand in the address of the egress proxy, which never prints', () => {
    const format = proxyUrl()
    expect(format.parse('http://u:p@proxy:3128').reveal()).toBe('http://u:p@proxy:3128')
    expect(format.parse('proxy:3128').reveal()).toBe('http://proxy:3128')
    expect(String(format.parse('http://u:p@proxy:3128'))).toBe('[redacted]')
    expect(read(format, 'socks5://proxy')).toBe('is not the URL of an HTTP proxy')
    expect(read(format, 'http://proxy/path')).toBe('has a path; an HTTP proxy has none')
    expect(read(format, 'http://user:p#w@proxy')).toContain('contains ? or #')
    expect(read(format, 'http://')).toBe('is not the URL of an HTTP proxy')
  })

  it.each(['u:100%', 'u:%zz', 'u:%ff', '100%:p', '%c3%28'])(
    'may not stand there in a form that cannot be decoded: %s',
    (login) => {
      const problem = read(proxyUrl(), `http://${login}@proxy:3128`)
      expect(problem).toContain('cannot be decoded; a % in one is written %25')
      expect(problem).not.toContain(login)
    },
  )

  it('may hold a % there when it is encoded', () => {
    expect(proxyUrl().parse('http://u:100%25@proxy').reveal()).toBe('http://u:100%25@proxy')
  })
})

describe('the URL of a shared store', () => {
  it.each([
    ['redis://h', { tls: false, servers: [{ host: 'h', port: undefined }], database: 0 }],
    ['valkeys://h:6380/3', { tls: true, servers: [{ host: 'h', port: 6380 }], database: 3 }],
    ['rediss://[::1]:1/', { tls: true, servers: [{ host: '::1', port: 1 }], database: 0 }],
    [
      'valkey://a:1,b,10.0.0.1:3',
      {
        tls: false,
        servers: [
          { host: 'a', port: 1 },
          { host: 'b', port: undefined },
          { host: '10.0.0.1', port: 3 },
        ],
        database: 0,
      },
    ],
  ])('is %s', (text, expected) => {
    expect(storeUrl().parse(text)).toEqual({ ...expected, user: undefined, password: undefined })
  })

  it.each([
    ['redis://u:p@h', 'u', 'p'],
    ['redis://:p%40%2F@h', undefined, 'p@/'],
    ['redis://u@h', 'u', undefined],
    ['redis://u:a:b@h', 'u', 'a:b'],
  ])('holds user and password: %s', (text, user, password) => {
    const address = storeUrl().parse(text)
    expect(address.user).toBe(user)
    expect(address.password?.reveal()).toBe(password)
    expect(storeUrl().encode(address)).toBe('valkey://h/0')
  })

  it.each([
    'http://h',
    'redis:h',
    'h:6379',
    'redis://',
    'redis://h:0',
    'redis://h:65536',
    'redis://h:x',
    'redis://h/db',
    'redis://a,,b',
    'redis://u:p@ss@h',
    'redis://u:%zz@h',
    'redis://h?x=1',
    'redis://-h',
  ])('is not %s, and what it holds is not repeated', (text) => {
    const problem = read(storeUrl(), text)
    expect(problem).toMatch(/^(?:is not|has)/)
    expect(problem).not.toContain('ss@h')
  })
})
