import { describe, expect, it } from 'vitest'
import * as is from '../../src/config/formats.ts'
import { Secret } from '../../src/config/secret.ts'

const OBS = '/rest/isales/v1/openapi/obs'
const storeAt = (host: string, more: object = {}) => ({
  tls: false,
  host,
  port: 6379,
  database: 0,
  user: undefined,
  ...more,
})

type Row = readonly [name: string, format: is.Format, accepted: object, refused: readonly string[]]
/** Texts with their values, and texts that are none. */
const FORMATS: readonly Row[] = [
  [
    'address',
    is.address,
    {
      '127.0.0.1:8080': { host: '127.0.0.1', port: 8080 },
      '[::1]:0': { host: '::1', port: 0 },
      ':65535': { host: '', port: 65_535 },
      'Proxy.example:1': { host: 'proxy.example', port: 1 },
    },
    ['8080', '127.0.0.1', 'unix:/x', ':65536', 'a b:1', '[::1:8080', '-x:1', ''],
  ],
  ['boolean', is.boolean, { true: true, false: false }, ['yes', 'TRUE', '1', '']],
  ['choice', is.choice('a', 'b'), { a: 'a', b: 'b' }, ['c', 'A', '']],
  ['count', is.count('1', '1000'), { 1: 1, 1000: 1000, '007': 7 }, ['0', '1001', '-1', '1e2', 'x']],
  [
    'duration',
    is.duration('100ms', '30s'),
    { '100ms': 100, '2.8s': 2800, 30: 30_000, '0.5m': 30_000, '1.1s': 1100, '0.005m': 300 },
    ['99ms', '30001ms', '1h', '0.5ms', 'soon', '2,8s', '2 s', '-1s', '', '0'],
  ],
  [
    'duration, or off',
    is.orOff(is.duration('10s', '24h')),
    { off: is.OFF, '5m': 300_000 },
    ['OFF', '9s', 'no'],
  ],
  [
    'size',
    is.size('1KiB', '1GiB'),
    { 1024: 1024, '64KiB': 65_536, '1.5MiB': 1_572_864, '1GiB': 1_073_741_824 },
    ['1023', '2GiB', '64KB', '1.0001KiB', '64 KiB', 'big'],
  ],
  ['user', is.user, { obs: 'obs', ' ä ': ' ä ' }, ['x'.repeat(50), 'ä'.repeat(25), 'a\nb', 'a\0b']],
  ['file', is.filePath, { '/etc/x y': '/etc/x y', a: 'a' }, ['a\nb', 'a\0b', '"/etc/ca.pem"']],
  ['client names', is.clientNames, { 'a, b c': ['a', 'b c'] }, ["'a'", 'a，b', 'a,,b']],
  [
    'hosts without port',
    is.hosts,
    { '': [], 'A, b.c ,::1': ['a', 'b.c', '[::1]'], '10.0.0.1': ['10.0.0.1'] },
    ['a:1', 'http://a', 'a,,b', 'a,A', 'a b', 'a/b'],
  ],
  [
    'server name',
    is.serverName,
    { 'Service.Besclouds.com': 'service.besclouds.com' },
    ['10.0.0.1', '::1', 'a:443', 'https://a', ''],
  ],
  [
    'NO_PROXY',
    is.noProxy,
    { 'A, .b.c': 'a,.b.c', '*': '*', '10.0.0.0/8  x:1': '10.0.0.0/8,x:1' },
    ['a;b', 'a、b', 'a，b', '"a"'],
  ],
  [
    'origin',
    is.origin,
    { 'https://Isales.example/': 'https://isales.example', 'http://[::1]:80': 'http://[::1]' },
    [
      'isales.example https:/x ftp://x https://x/path https://x?q https://x#f https://u:p@x',
      'https://u@x https://x:65536 https://x\\y https://ｘ https：//x "https://x" https://x\u200b ',
    ].flatMap((line) => line.split(' ')),
  ],
  [
    'egress proxy',
    is.proxyUrl,
    { 'egress:3128': new Secret(''), 'https://u:p%40@x:1': new Secret('') },
    ['socks5://x', 'http://x/path', 'http://u:p#@x', 'http://u:p%@x', 'http://x:99999'],
  ],
  [
    'store',
    is.storeUrl,
    {
      'redis://a': storeAt('a'),
      'valkeys://u%40@v.example:1/3': storeAt('v.example', {
        tls: true,
        port: 1,
        database: 3,
        user: 'u@',
      }),
      'rediss://[::1]/': storeAt('::1', { tls: true }),
      // The name also ends with s.
      'redis://b': storeAt('b'),
    },
    ['http://a', 'redis://', 'redis://u:p@a', 'redis://:p@a', 'redis://a,b', 'redis://a:0', 'a:1'],
  ],
  [
    'path',
    is.path,
    { '/': '/', [`${OBS}/auth/login`]: `${OBS}/auth/login` },
    ['x', '//x', '/a//b', '/a?b', '/a%20b', '/a;b', '/./x', '/x/..', '/a.', `/${'x'.repeat(1024)}`],
  ],
  ['paths', is.paths, { '/a/, /b': ['/a/', '/b'], '/': ['/'] }, ['/a,,/b', '/a,/a', 'a', '/a;/b']],
  [
    'token header',
    is.tokenHeader,
    {
      'Authorization: Bearer {token}': {
        names: ['Authorization'],
        scheme: 'Bearer',
        field: 'token',
      },
      'A,B:{refreshToken}': { names: ['A', 'B'], scheme: '', field: 'refreshToken' },
      'X-Token: {token}': { names: ['X-Token'], scheme: '', field: 'token' },
    },
    [
      'Authorization;Bearer {token};: {token};A: {Token};A: {token} x;A,A: {token};Host: {token}',
      'content-length: {token};Two Words: {token};A: two words {token}',
    ].flatMap((line) => line.split(';')),
  ],
  [
    'rejections',
    is.rejections,
    {
      '401,403': { statuses: [401, 403], results: [] },
      '400, result=100401,result=expired token': {
        statuses: [400],
        results: ['100401', 'expired token'],
      },
      'result=7': { statuses: [], results: ['7'] },
    },
    ['500', '401,', '401,401', '401，403', 'result=', 'result', '4010', `result=${'x'.repeat(65)}`],
  ],
  ['secret', is.secret(3), { abc: new Secret('abc'), ä1: new Secret('ä1') }, ['ab', 'a\0bc', '']],
]

describe.each(FORMATS)('%s', (_, format, accepted, refused) => {
  it.each(Object.entries(accepted))('reads %j', (text, value) => {
    expect(format.parse(text)).toEqual(value)
  })

  it.each(refused)('does not read %j', (text) => {
    expect(format.parse(text)).toBeNull()
  })
})

it.each([
  ['Authorization: Bearer {token}', is.tokenHeader, is.formatTokenHeader],
  ['A,B: {refreshToken}', is.tokenHeader, is.formatTokenHeader],
  ['401,403,result=100401', is.rejections, is.formatRejections],
] as const)('%s is written as read', (text, { parse }, format: (value: never) => string) => {
  expect(format(parse(text) as never)).toBe(text)
})
