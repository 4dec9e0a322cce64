import { expect, it } from 'vitest'
import { Secret } from '../../src/config/secret.ts'
import { egressFor } from '../../src/config/endpoints.ts'

const httpsProxy = new Secret('http://user:word@egress.example:3128')
const ORIGIN = 'https://service.example.com:8443'

it.each([
  [ORIGIN, { host: 'egress.example:3128', username: 'user' }],
  ['http://service.example.com', {}],
])('%s is reached through the egress proxy %j', (isalesUrl, expected) => {
  const egress = egressFor({ isalesUrl, httpsProxy, noProxy: undefined })
  expect(egress ?? {}).toMatchObject(expected)
})

// The rules of CURLOPT_NOPROXY(3); white space between entries is wget's.
it.each([
  ['*', ORIGIN],
  ['service.example.com', ORIGIN],
  ['.example.com', ORIGIN],
  ['example.com.', ORIGIN],
  ['example.com', 'https://service.example.com.'],
  ['a.example\texample.com', ORIGIN],
  ['192.0.2.1', 'https://192.0.2.1'],
  ['192.168.0.0/16', 'https://192.168.255.255'],
  ['192.168.77.1/16', 'https://192.168.3.4'],
  ['192.0.2.0/31', 'https://192.0.2.1'],
  ['0.0.0.0/0', 'https://192.0.2.1'],
  ['::1', 'https://[::1]:8443'],
  ['0:0:0:0:0:0:0:1', 'https://[::1]'],
  ['2001:db8::/33', 'https://[2001:db8:7fff::]'],
])('NO_PROXY %s covers %s', (noProxy, isalesUrl) => {
  expect(egressFor({ isalesUrl, httpsProxy, noProxy })).toBeUndefined()
})

it.each([
  ['', ORIGIN],
  ['.', ORIGIN],
  ['vice.example.com', ORIGIN],
  ['service.example.com:443', ORIGIN],
  ['a.service.example.com', ORIGIN],
  ['*.example.com', ORIGIN],
  ['192.168.0.0/16', 'https://192.169.0.0'],
  ['192.0.2.0/31', 'https://192.0.2.2'],
  ['192.0.2.1/33', 'https://192.0.2.1'],
  ['192.0.2.1/-1', 'https://192.0.2.1'],
  ['0.0.0.0/0', 'https://[2001:db8::1]'],
  ['2001:db8::/33', 'https://[2001:db8:8000::]'],
  ['2001:db8::/129', 'https://[2001:db8::]'],
])('NO_PROXY %j does not cover %s', (noProxy, isalesUrl) => {
  expect(egressFor({ isalesUrl, httpsProxy, noProxy })).toBeInstanceOf(URL)
})
