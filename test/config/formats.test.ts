import { expect, it } from 'vitest'
import * as is from '../../src/config/formats.ts'
import { Secret } from '../../src/config/secret.ts'

const FORMATS = {
  address: is.address,
  boolean: is.boolean,
  choice: is.choice('a', 'b'),
  'client names': is.clientNames,
  count: is.count('1', '1000'),
  duration: is.duration('100ms', '30s'),
  'duration, or off': is.orOff(is.duration('10s', '24h')),
  'egress proxy': is.proxyUrl,
  file: is.filePath,
  hosts: is.hosts,
  NO_PROXY: is.noProxy,
  origin: is.origin,
  path: is.path,
  paths: is.paths,
  rejections: is.rejections,
  secret: is.secret(3),
  'server name': is.serverName,
  size: is.size('1KiB', '1GiB'),
  store: is.storeUrl,
  'token header': is.tokenHeader,
  user: is.user,
} as const satisfies Readonly<Record<string, is.Format>>
type Name = keyof typeof FORMATS

const LOGIN_PATH = '/rest/isales/v1/openapi/obs/auth/login'
const STORE = { tls: false, host: 'a', port: 6379, database: 0, user: undefined }

it.each<readonly [Name, text: string, value: unknown]>([
  ['address', '127.0.0.1:8080', { host: '127.0.0.1', port: 8080 }],
  ['address', 'Proxy.example:1', { host: 'proxy.example', port: 1 }],
  ['boolean', 'true', true],
  ['client names', 'a, b c', ['a', 'b c']],
  ['count', '1000', 1000],
  ['duration', '100ms', 100],
  ['duration', '2.8s', 2800],
  ['duration', '30', 30_000],
  ['duration', '0.005m', 300],
  ['duration, or off', 'off', undefined],
  ['egress proxy', 'egress:3128', new Secret('')],
  ['egress proxy', 'https://u:p%40@x:1', new Secret('')],
  ['file', '/etc/x y', '/etc/x y'],
  ['hosts', '', []],
  ['hosts', 'A, b.c ,::1', ['a', 'b.c', '[::1]']],
  ['NO_PROXY', 'A, .b.c', 'a,.b.c'],
  ['NO_PROXY', '10.0.0.0/8  x:1', '10.0.0.0/8,x:1'],
  ['origin', 'https://Isales.example/', 'https://isales.example'],
  ['origin', 'http://[::1]:80', 'http://[::1]'],
  ['path', LOGIN_PATH, LOGIN_PATH],
  ['paths', '/a/, /b', ['/a/', '/b']],
  ['rejections', '400, result=1,result=a b', { statuses: [400], results: ['1', 'a b'] }],
  ['rejections', 'result=7', { statuses: [], results: ['7'] }],
  ['secret', 'ä1', new Secret('ä1')],
  ['server name', 'Service.Besclouds.com', 'service.besclouds.com'],
  ['size', '1.5MiB', 1_572_864],
  ['store', 'valkeys://u%40@a:1/3', { ...STORE, tls: true, port: 1, database: 3, user: 'u@' }],
  ['store', 'rediss://[::1]/', { ...STORE, tls: true, host: '::1' }],
  [
    'token header',
    'Authorization: Bearer {token}',
    { names: ['Authorization'], scheme: 'Bearer', field: 'token' },
  ],
  ['token header', 'A,B:{refreshToken}', { names: ['A', 'B'], scheme: '', field: 'refreshToken' }],
  ['user', ' ä ', ' ä '],
])('as %s, %j is read as %j', (name, text, value) => {
  expect(FORMATS[name].parse(text)).toEqual(value)
})

it.each<readonly [Name, texts: readonly string[]]>([
  ['address', ['8080', '127.0.0.1', 'unix:/x', ':65536', 'a b:1', '[::1:8080', '-x:1', '']],
  ['boolean', ['yes', 'TRUE', '1', '']],
  ['choice', ['c', 'A', '']],
  ['client names', ["'a'", 'a，b', 'a,,b']],
  ['count', ['0', '1001', '-1', '1e2', 'x']],
  ['duration', ['99ms', '30001ms', '1h', '0.5ms', 'soon', '2,8s', '2 s', '-1s', '', '0']],
  ['duration, or off', ['OFF', '9s', 'no']],
  [
    'egress proxy',
    ['socks5://x', 'http://x/path', 'http://u:p#@x', 'http://u:p%@x', 'http://x:99999'],
  ],
  ['file', ['a\nb', 'a\0b', '"/etc/ca.pem"']],
  ['hosts', ['a:1', 'http://a', 'a,,b', 'a,A', 'a b', 'a/b']],
  ['NO_PROXY', ['a;b', 'a、b', 'a，b', '"a"']],
  [
    'origin',
    ['isales.example', 'https:/x', 'ftp://x', 'https://x/path', 'https://x?q', 'https://x#f'],
  ],
  ['origin', ['https://u:p@x', 'https://u@x', 'https://x:65536', String.raw`https://x\y`, '']],
  ['origin', ['https://ｘ', 'https：//x', '"https://x"', 'https://x\u200b']],
  ['path', ['x', '//x', '/a//b', '/a?b', '/a%20b', '/a;b', '/./x', '/x/..', '/a.']],
  ['path', [`/${'x'.repeat(1024)}`]],
  ['paths', ['/a,,/b', '/a,/a', 'a', '/a;/b']],
  ['rejections', ['500', '401,', '401,401', '401，403', 'result=', 'result', '4010']],
  ['rejections', [`result=${'x'.repeat(65)}`]],
  ['secret', ['ab', 'a\0bc', '']],
  ['server name', ['10.0.0.1', '::1', 'a:443', 'https://a', '']],
  ['size', ['1023', '2GiB', '64KB', '1.0001KiB', '64 KiB', 'big']],
  [
    'store',
    ['http://a', 'redis://', 'redis://u:p@a', 'redis://:p@a', 'redis://a,b', 'redis://a:0', 'a:1'],
  ],
  ['token header', ['Authorization', 'Bearer {token}', ': {token}', 'A: {Token}', 'A: {token} x']],
  ['token header', ['A,A: {token}', 'Host: {token}', 'content-length: {token}']],
  ['token header', ['Two Words: {token}', 'A: two words {token}']],
  ['user', ['x'.repeat(50), 'ä'.repeat(25), 'a\nb', 'a\0b']],
])('as %s, these texts are not accepted: %j', (name, texts) => {
  for (const text of texts) expect([text, FORMATS[name].parse(text)]).toEqual([text, null])
})
