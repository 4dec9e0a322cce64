import { describe, expect, it } from 'vitest'
import type { Status } from '../../src/admin/status.ts'
import type { SharingSnapshot } from '../../src/token/sharing.ts'
import { SCENES, adminOf, type Scene } from '../browser/states.ts'
import { CANARY, NOW, session } from './token.ts'

async function statusOf(scene: Scene): Promise<Status> {
  const response = await adminOf(scene).request('/status.json')
  return (await response.json()) as Status
}

const SHARED: SharingSnapshot = {
  state: 'shared',
  reason: undefined,
  since: NOW - 600_000,
  replicas: 3,
  adoptedAt: NOW - 120_000,
}

describe('the row of the status page for a shared token', () => {
  it.each<[string, Partial<SharingSnapshot>]>([
    ['shared with 2 other replicas; this token came from another replica 2 min ago', {}],
    ['shared with 1 other replica', { replicas: 2, adoptedAt: undefined }],
    ['shared with no other replica', { replicas: 1, adoptedAt: undefined }],
    ['shared', { replicas: undefined, adoptedAt: undefined }],
    ['alone: the store is too slow; began 10 min ago', { state: 'alone', reason: 'timeout' }],
  ])('says: %s', async (text, changes) => {
    const page = await adminOf({ ...SCENES.healthy, sharing: { ...SHARED, ...changes } }).request(
      '/',
    )
    expect(await page.text()).toMatch(new RegExp(`Shared token</dt><dd[^>]*>${text}</dd>`))
  })

  it('is not there without a store', async () => {
    expect(await (await adminOf(SCENES.healthy).request('/')).text()).not.toContain('Shared token')
  })
})

describe('status.json', () => {
  it('gives the token, its end and the next renewal', async () => {
    expect(await statusOf(SCENES.healthy)).toMatchObject({
      state: 'healthy',
      title: 'Healthy',
      remedy: '',
      host: 'cti-obs-0',
      time: '2026-03-02T09:41:05.000Z',
      authenticated: true,
      outageBudgetSeconds: 235,
      token: {
        generation: 61,
        obtainedAt: '2026-03-02T09:40:05.000Z',
        expiresAt: '2026-03-02T09:45:05.000Z',
        lifetimeSeconds: 300,
        ageSeconds: 60,
        usableForSeconds: 235,
      },
      renewal: { exchange: null, backoff: 'none', nextInSeconds: 180, lastFailure: null },
      upSeconds: 15_660,
    })
  })

  it('has null for what is not there', async () => {
    const status = await statusOf(SCENES.starting)
    expect(status.token).toBeNull()
    expect(status.renewal).toMatchObject({ nextAt: null, nextInSeconds: null, lastSuccessAt: null })
  })

  it('has null for a next attempt that is not planned, and for an end that is not known', async () => {
    const { refreshExpiresAt: _, ...rest } = session()
    const status = await statusOf({
      snapshot: { nextExchangeAt: Infinity, session: rest },
      events: [],
    })
    expect(status.renewal.nextInSeconds).toBeNull()
    expect(status.token?.refreshTokenExpiresAt).toBeNull()
  })

  it('gives the last failure without any text of the response', async () => {
    const { renewal } = await statusOf(SCENES.refused)
    expect(renewal.lastFailure).toEqual({
      at: '2026-03-02T09:38:07.000Z',
      operation: 'login',
      reason: 'rejected',
      httpStatus: 403,
      detail: 'status 403',
    })
  })

  it('gives the calls of the last minute beside those of the whole life', async () => {
    expect((await statusOf(SCENES.failing)).requests).toMatchObject({
      total: 9270,
      lastMinute: { total: 150, failed: 149, byFailure: { 'upstream-unreachable': 149 } },
      lastFailedAt: '2026-03-02T09:41:05.000Z',
    })
    expect((await statusOf(SCENES.healthy)).requests.lastFailedAt).toBeNull()
  })

  it('says of a shared token how many share it and where it came from, and null without a store', async () => {
    expect((await statusOf(SCENES.healthy)).sharing).toBeNull()
    const { sharing } = await statusOf({ ...SCENES.healthy, sharing: SHARED })
    expect(sharing).toEqual({
      state: 'shared',
      reason: null,
      since: '2026-03-02T09:31:05.000Z',
      replicas: 3,
      adoptedAt: '2026-03-02T09:39:05.000Z',
    })
  })

  it('gives the ends of certificates', async () => {
    expect((await statusOf(SCENES.degraded)).certificates).toEqual({
      listener: '2026-03-14T09:41:05.000Z',
      client: null,
      ca: null,
    })
  })

  it('names only the error codes that came', async () => {
    expect((await statusOf(SCENES.refused)).requests.errors).toEqual({ 'no-token': 12 })
  })

  it('is served as JSON that must not be stored', async () => {
    const response = await adminOf(SCENES.healthy).request('/status.json')
    expect(response.headers.get('content-type')).toBe('application/json')
    expect(response.headers.get('cache-control')).toBe('no-store')
  })

  it.each(['/', '/status.json'])('%s shows no token and no password of a URL', async (path) => {
    const value = `http://me:${CANARY}@egress:3128`
    const app = adminOf(SCENES.failing, {
      settings: [{ name: 'HTTPS_PROXY', value, source: 'environment' }],
    })
    const text = await (await app.request(path)).text()
    expect(text).toContain('//[redacted]@egress:3128')
    expect(text).not.toContain(CANARY)
  })
})

describe('the status page', () => {
  it('refreshes itself until the reader pauses it', async () => {
    const app = adminOf(SCENES.healthy)
    expect((await app.request('/')).headers.get('refresh')).toBe('5')
    const paused = await app.request('/?refresh=off')
    expect(paused.headers.get('refresh')).toBeNull()
    expect(await paused.text()).toContain('refresh every 5 s')
  })

  it('repeats nothing of its query', async () => {
    const text = await (await adminOf(SCENES.healthy).request('/?refresh=<b>x&x=<b>y')).text()
    expect(text).not.toMatch(/<b>|%3Cb|&lt;b/)
  })

  it('allows its own style sheet and nothing else', async () => {
    const { headers } = await adminOf(SCENES.healthy).request('/')
    expect(headers.get('content-security-policy')).toMatch(
      /^default-src 'none'; style-src 'sha256-[\w+/]{43}='; base-uri 'none'; form-action 'none'; frame-ancestors 'none'$/,
    )
    expect(headers.get('content-type')).toBe('text/html; charset=UTF-8')
  })

  it.each(['<script>x</script>', '"onload="x', "'><svg/onload=x>", '&lt;', '</style>'])(
    'escapes %s',
    async (value) => {
      const settings = [{ name: value, value, source: value }]
      const app = adminOf(SCENES.healthy, { settings })
      const text = await (await app.request('/')).text()
      expect(text).not.toContain(`>${value}<`)
      expect(text.match(/<script|<\/style/g)).toEqual(['</style'])
    },
  )

  it.each([
    [
      'has ended long ago',
      { obtainedAt: NOW - 900_000, expiresAt: NOW - 600_000, usableUntil: NOW - 605_000 },
    ],
    [
      'lives a second',
      { obtainedAt: NOW - 500, lifetime: 1000, expiresAt: NOW + 500, usableUntil: NOW + 400 },
    ],
  ])('survives a token that %s', async (_case, life) => {
    const app = adminOf({ snapshot: { session: session(life), usable: false }, events: [] })
    const page = await app.request('/')
    expect(page.status).toBe(200)
    expect(await page.text()).not.toMatch(/NaN|Infinity|undefined|-\d+%/)
  })
})
