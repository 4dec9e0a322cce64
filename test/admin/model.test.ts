import { describe, expect, it } from 'vitest'
import type { Status } from '../../src/admin/model.ts'
import type { SharingSnapshot } from '../../src/sharing/sharing-log.ts'
import { SCENES, adminOf, type Scene } from '../browser/states.ts'
import { CANARY, NOW, tokenOf } from './token.ts'

async function statusOf(scene: Scene): Promise<Status> {
  const response = await adminOf(scene).request('/status.json')
  return (await response.json()) as Status
}

const SHARED: SharingSnapshot = {
  state: 'shared',
  reason: undefined,
  since: NOW - 600_000,
  code: undefined,
  adoptedAt: NOW - 120_000,
}

const NO_TOKEN_END = { nextRequestAt: Infinity, token: tokenOf({ refreshExpiresAt: Infinity }) }

describe('status.json', () => {
  it('has everything that the page shows', async () => {
    const { exchanges, settings, requests, ...facts } = await statusOf(SCENES.healthy)
    const { figure, cards, tables, settingTables, ...rest } = facts
    expect([figure?.value, cards.length, tables.length]).toEqual(['3 min 55 s', 3, 0])
    expect(settingTables.map(({ rows }) => rows.length)).toEqual([4, 7])
    const { lastHour, ...sums } = requests
    expect(exchanges).toHaveLength(60)
    expect(exchanges.at(-1)).toEqual({
      at: '2026-03-02T09:40:05.000Z',
      operation: 'refresh',
      durationSeconds: 0.114,
      reason: null,
    })
    expect(settings).toContainEqual({ name: 'ISALES_CA_FILE', value: null, source: 'default' })
    expect(rest).toEqual({
      finding: 'healthy',
      state: 'healthy',
      title: 'Healthy',
      reason: 'Every call of the last minute reached iSales with a valid token.',
      remedy: '',
      runbook: null,
      findings: [expect.objectContaining({ state: 'healthy', title: 'Healthy' })],
      instance: 'site-a-active',
      host: 'cti-obs-0',
      version: '1.4.0',
      pid: 4711,
      time: '2026-03-02T09:41:05.000Z',
      utcOffset: 0,
      upSeconds: 15_660,
      authenticated: true,
      outageBudgetSeconds: 235,
      token: {
        generation: 61,
        obtainedAt: '2026-03-02T09:40:05.000Z',
        expiresAt: '2026-03-02T09:45:05.000Z',
        lifetimeSeconds: 300,
        ageSeconds: 60,
        usableForSeconds: 235,
        refreshTokenExpiresAt: '2026-03-02T10:40:05.000Z',
      },
      renewal: {
        exchange: null,
        backoff: 'none',
        refused: false,
        nextAt: '2026-03-02T09:44:05.000Z',
        nextInSeconds: 180,
        lastSuccessAt: '2026-03-02T09:40:05.000Z',
        failuresInRow: 0,
        lastFailure: null,
      },
      sharing: null,
      failures: expect.objectContaining({ rejected: 0, malformed: 0 }),
      conflicts: { count: 0, lastAt: null },
      rejections: { count: 1, lastAt: '2026-03-02T08:39:05.000Z' },
      credentialChanges: { count: 0, lastAt: null },
      certificates: { listener: null, client: null, ca: null },
    })
    expect(lastHour).toHaveLength(60)
    expect(lastHour[30]).toEqual({
      at: '2026-03-02T09:11:25.000Z',
      succeeded: expect.closeTo(76, -1),
      refused: 0,
      failed: 0,
    })
    expect(sums).toEqual({
      inFlight: 3,
      waitingForToken: 0,
      total: 52_789,
      byStatusClass: { '1xx': 0, '2xx': 52_789, '3xx': 0, '4xx': 0, '5xx': 0 },
      errors: {},
      replays: { healed: 0, rejected: 0, failed: 0, 'no-token': 0 },
      lastMinute: {
        total: 78,
        succeeded: 78,
        refused: 0,
        failed: 0,
        byFailure: {},
        pages: 0,
        declined: 0,
        slow: 0,
        mistakes: {},
        turnedAway: {},
      },
      worst: null,
      lastFailedAt: null,
      lastFailed: [],
      failedPaths: [],
    })
  })

  const unplanned = { nextAt: null, nextInSeconds: null }
  it.each<[Scene, object]>([
    [SCENES.starting, { token: null, renewal: { ...unplanned, lastSuccessAt: null } }],
    [
      { snapshot: NO_TOKEN_END, events: [] },
      { token: { refreshTokenExpiresAt: null }, renewal: unplanned },
    ],
    [
      { snapshot: { rejected: true }, events: [] },
      { authenticated: false, state: 'failing' },
    ],
    [
      SCENES.refused,
      {
        runbook: expect.stringContaining('/docs/operations.md#isalesproxyaccountrejected'),
        renewal: {
          lastFailure: {
            at: '2026-03-02T09:38:07.000Z',
            operation: 'login',
            reason: 'rejected',
            httpStatus: 403,
          },
        },
        // Only the codes that came.
        requests: { errors: { 'no-token': 12 } },
      },
    ],
    [
      SCENES.failing,
      {
        requests: {
          lastMinute: { failed: 145, byFailure: { 'upstream-unreachable': 145 } },
          worst: { kind: 'outage', failed: 145, total: 145, seconds: 5.76 },
          failedPaths: [{ method: 'POST', refused: 0, failed: 145 }],
          lastFailedAt: '2026-03-02T09:41:05.000Z',
        },
      },
    ],
    [
      { ...SCENES.healthy, sharing: SHARED },
      {
        sharing: {
          state: 'shared',
          reason: null,
          since: '2026-03-02T09:31:05.000Z',
          code: null,
          adoptedAt: '2026-03-02T09:39:05.000Z',
        },
      },
    ],
    [
      SCENES.degraded,
      { certificates: { listener: '2026-03-14T09:41:05.000Z', client: null, ca: null } },
    ],
  ])('has null for what is not there, and the rest (row %#)', async (scene, expected) => {
    expect(await statusOf(scene)).toMatchObject(expected)
  })

  it.each(['/', '/status.json'])('%s shows no token', async (path) => {
    const text = await (await adminOf(SCENES.failing).request(path)).text()
    expect(text).not.toContain(CANARY)
  })
})

describe('the status page', () => {
  it.each<[string, Partial<SharingSnapshot>]>([
    ['shared; this token came from another replica 2 min ago', {}],
    ['shared', { adoptedAt: undefined }],
    ['alone; began 10 min ago', { state: 'alone', reason: 'timeout' }],
  ])('says of a shared token: %s', async (text, changes) => {
    const app = adminOf({ ...SCENES.healthy, sharing: { ...SHARED, ...changes } })
    const page = await (await app.request('/')).text()
    expect(page).toMatch(new RegExp(`Shared token</dt><dd[^>]*>${text}</dd>`))
  })

  it('says nothing of sharing without a store', async () => {
    expect(await (await adminOf(SCENES.healthy).request('/')).text()).not.toContain('Shared token')
  })

  it('refreshes itself until the reader pauses it', async () => {
    const app = adminOf(SCENES.healthy)
    expect((await app.request('/')).headers.get('refresh')).toBe('5')
    const paused = await app.request('/?refresh=off')
    expect(paused.headers.get('refresh')).toBeNull()
    expect(await paused.text()).toContain('refresh every 5 s')
  })

  it('allows its own style sheet and nothing else', async () => {
    const { headers } = await adminOf(SCENES.healthy).request('/')
    expect(headers.get('content-security-policy')).toMatch(
      /^default-src 'none'; style-src 'sha256-[\w+/]{43}='; base-uri 'none'; form-action 'none'; frame-ancestors 'none'$/,
    )
    expect(headers.get('content-type')).toBe('text/html; charset=UTF-8')
  })

  it('repeats nothing of its query', async () => {
    const text = await (await adminOf(SCENES.healthy).request('/?refresh=<b>x&x=<b>y')).text()
    expect(text).not.toMatch(/<b>|%3Cb|&lt;b/)
  })

  it.each([
    { obtainedAt: NOW - 900_000, expiresAt: NOW - 600_000, usableUntil: NOW - 605_000 },
    { obtainedAt: NOW - 500, lifetime: 1000, expiresAt: NOW + 500, usableUntil: NOW + 400 },
  ])('survives a token that ended long ago, or lives a second: %j', async (life) => {
    const app = adminOf({ snapshot: { token: tokenOf(life), usable: false }, events: [] })
    const page = await app.request('/')
    expect(page.status).toBe(200)
    expect(await page.text()).not.toMatch(/NaN|Infinity|undefined|-\d+%/)
  })
})
