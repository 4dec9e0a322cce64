import { describe, expect, it } from 'vitest'
import { Secret } from '../../src/config/secret.ts'
import { createIsalesClient, type IsalesClientOptions } from '../../src/token/protocol.ts'
import type { Post, PostResult } from '../../src/upstream/post.ts'
import { cause } from '../../src/causes.ts'

type Sent = Parameters<Post>[0]

const GRANTING: PostResult = {
  ok: true,
  status: 200,
  body: '{"result":0,"resultData":{"token":"t2","tokenExpirationTime":300}}',
}
const headerOf = (scheme: string) => ({ names: ['Authorization'], scheme, field: 'token' }) as const
const CREDENTIALS = { user: 'obs', password: new Secret('password-1') }
const TOKENS = { token: new Secret('t1'), refreshToken: new Secret('r1') }

function clientOf(result: PostResult, changes: Partial<IsalesClientOptions> = {}) {
  const sent: Sent[] = []
  const client = createIsalesClient({
    post(request) {
      sent.push(request)
      return Promise.resolve(result)
    },
    isalesUrl: 'https://isales.example',
    isalesLoginPath: '/auth/login',
    isalesRefreshPath: '/auth/refresh',
    isalesRefreshHeaderToken: 'token',
    isalesTokenHeader: headerOf('Bearer'),
    clock: { now: () => 7000, setTimer: () => ({ cancel() {} }) },
    wallClock: () => Date.parse('2026-03-01T12:00:00Z'),
    ...changes,
  })
  const { signal } = new AbortController()
  return {
    sent,
    signal,
    login: () => client.login(CREDENTIALS, { signal }),
    refresh: () => client.refresh(TOKENS, { signal }),
  }
}

describe('a login', () => {
  it('is one POST of user and password to its path', async () => {
    const { sent, signal, login } = clientOf(GRANTING)
    await login()
    expect(sent).toEqual([
      {
        path: '/auth/login',
        body: '{"user":"obs","passwd":"password-1"}',
        signal,
      },
    ])
  })

  it('reads a date in Retry-After by the wall clock', async () => {
    const retryAfter = 'Sun, 01 Mar 2026 12:00:07 GMT'
    const outcome = await clientOf({ ok: true, status: 503, retryAfter, body: '' }).login()
    expect(outcome).toMatchObject({ reason: 'unavailable', retryAfter: 7000 })
  })

  it.each([
    ['unreachable', 'connection-refused', false, 'untouched', 'unavailable'],
    ['unreachable', 'egress-login', false, 'egress', 'unavailable'],
    ['broken', 'lost', false, 'untouched', 'unavailable'],
    ['broken', 'lost', true, 'unclear', 'unavailable'],
    ['tls', 'expired', true, 'untouched', 'tls'],
    ['timeout', 'timeout', false, 'untouched', 'timeout'],
    ['timeout', 'timeout', true, 'unclear', 'timeout'],
  ] as const)(
    'that ends %s (%s, written: %j) is %s with reason %s',
    async (...[failure, code, written, kind, reason]) => {
      const { sent, login } = clientOf({ ok: false, failure, cause: cause(code), code, written })
      expect(await login()).toMatchObject({ kind, reason })
      expect(sent).toHaveLength(1)
    },
  )
})

it.each([
  ['token', 'Bearer', ['Authentication', 'Bearer t1']],
  ['refreshToken', 'Bearer', ['Authentication', 'Bearer r1']],
  ['token', '', ['Authentication', 't1']],
  [undefined, 'Bearer', []],
] as const)(
  'a refresh carries the refresh token in its body, and in Authentication the %s after %j',
  async (isalesRefreshHeaderToken, scheme, headers) => {
    const options = { isalesRefreshHeaderToken, isalesTokenHeader: headerOf(scheme) }
    const { sent, signal, refresh } = clientOf(GRANTING, options)
    await refresh()
    expect(sent).toEqual([
      {
        path: '/auth/refresh',
        headers,
        body: '{"refreshToken":"r1"}',
        signal,
      },
    ])
  },
)

it.each([401, 403, 500])(
  'a refresh refused with %i is of the refresh token, and not of user and password',
  async (status) => {
    const body = '{"result":7}'
    const { refresh, login } = clientOf({ ok: true, status, body })
    expect(await refresh()).toMatchObject({ cause: { code: 'refresh-refused' }, status })
    expect(await login()).not.toMatchObject({ cause: { code: 'refresh-refused' } })
  },
)
