import { describe, expect, it } from 'vitest'
import { Secret } from '../../src/config/secret.ts'
import { egressFor } from '../../src/upstream/egress-proxy.ts'

const PROXY = new Secret('http://user:word@egress.example:3128')
const ORIGIN = 'https://service.example.com:8443'

describe('the way to iSales', () => {
  it('goes through the egress proxy', () => {
    expect(egressFor({ isalesUrl: ORIGIN, httpsProxy: PROXY, noProxy: undefined })).toMatchObject({
      host: 'egress.example:3128',
      username: 'user',
    })
  })

  it('is straight when there is none, and for http', () => {
    expect(
      egressFor({ isalesUrl: ORIGIN, httpsProxy: undefined, noProxy: undefined }),
    ).toBeUndefined()
    const http = 'http://service.example.com'
    expect(egressFor({ isalesUrl: http, httpsProxy: PROXY, noProxy: undefined })).toBeUndefined()
  })

  it.each([
    ['*', ORIGIN],
    ['service.example.com', ORIGIN],
    ['SERVICE.example.COM', ORIGIN],
    ['example.com', ORIGIN],
    ['.example.com', ORIGIN],
    ['a.example, .example.com', ORIGIN],
    ['a.example\texample.com', ORIGIN],
    ['service.example.com:8443', ORIGIN],
    ['service.example.com:443', 'https://service.example.com'],
    ['192.0.2.1', 'https://192.0.2.1'],
    ['::1', 'https://[::1]:8443'],
    ['[::1]:8443', 'https://[::1]:8443'],
  ])('is straight when NO_PROXY is %s (%s)', (noProxy, origin) => {
    expect(egressFor({ isalesUrl: origin, httpsProxy: PROXY, noProxy })).toBeUndefined()
  })

  it.each([
    ['', ORIGIN],
    ['vice.example.com', ORIGIN],
    ['.service.example.com', ORIGIN],
    ['service.example.com:443', ORIGIN],
    ['a.service.example.com', ORIGIN],
    ['service.example', ORIGIN],
    ['::2', 'https://[::1]'],
  ])('is not straight when NO_PROXY is %j (%s)', (noProxy, origin) => {
    expect(egressFor({ isalesUrl: origin, httpsProxy: PROXY, noProxy })).toBeInstanceOf(URL)
  })
})
