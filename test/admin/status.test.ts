import { describe, expect, it } from 'vitest'
import type { Status } from '../../src/admin/index.ts'
import type { SharingSnapshot } from '../../src/sharing/sharing-state.ts'
import { authFailure } from '../support/failure.ts'
import { SCENES, adminOf, calls, type Scene } from '../browser/states.ts'
import { CANARY, NOW, tokenOf } from './token.ts'

async function statusOf(scene: Scene): Promise<Status> {
  return (await (await adminOf(scene).request('/status.json')).json()) as Status
}

const SHARED: SharingSnapshot = {
  state: 'shared',
  reason: undefined,
  since: NOW - 600_000,
  code: undefined,
  adoptedAt: NOW - 120_000,
}
const NO_END = { nextRequestAt: Infinity, token: tokenOf({ refreshExpiresAt: Infinity }) }

describe('status.json', () => {
  it('has everything that the page shows', async () => {
    const { requests, findings, ...rest } = await statusOf(SCENES.healthy)
    const { lastHour, ...counts } = requests
    const healthy = {
      finding: 'healthy',
      state: 'healthy',
      code: 'healthy',
      cause: null,
      title: 'Healthy',
      reason: 'The token is valid, and every call of the last minute reached iSales.',
      remedy: '',
      runbook: null,
      facts: [['callsInMinute', 78]],
    }
    expect(findings).toEqual([healthy])
    expect(rest).toEqual({
      ...healthy,
      instance: 'site-a-active',
      version: '1.4.0',
      pid: 4711,
      pidNamespace: 'pid:[4026531836]',
      local: true,
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
        tokenRequest: null,
        backoff: 'none',
        refused: false,
        nextAt: '2026-03-02T09:44:05.000Z',
        nextInSeconds: 180,
        lastSuccessAt: '2026-03-02T09:40:05.000Z',
        failuresInRow: 0,
        lastFailure: null,
      },
      sharing: null,
      certificates: { listener: null, client: null, ca: null },
    })
    expect(lastHour).toHaveLength(60)
    expect(lastHour[30]).toEqual({
      at: '2026-03-02T09:11:25.000Z',
      succeeded: expect.closeTo(76, -1),
      refused: 0,
      failed: 0,
    })
    expect(counts).toEqual({
      inFlight: 3,
      waitingForToken: 0,
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
        blocked: {},
        handshakes: {},
      },
      lastFailedAt: null,
      lastFailed: [],
    })
  })

  it.each<[Scene, object]>([
    [SCENES.starting, { token: null, renewal: { nextAt: null, lastSuccessAt: null } }],
    [
      { snapshot: NO_END },
      { token: { refreshTokenExpiresAt: null }, renewal: { nextAt: null, nextInSeconds: null } },
    ],
    [
      SCENES.refused,
      {
        runbook: '/docs/operations.md#isalesproxyaccountrejected',
        cause: 'password',
        renewal: {
          lastFailure: {
            at: '2026-03-02T09:38:07.000Z',
            operation: 'login',
            reason: 'rejected',
            httpStatus: 403,
          },
        },
      },
    ],
    [SCENES.failing, { requests: { lastFailed: [{ count: 145, status: 502 }] } }],
    [{ sharing: SHARED }, { sharing: { reason: null, adoptedAt: '2026-03-02T09:39:05.000Z' } }],
    [SCENES.degraded, { certificates: { listener: '2026-03-14T09:41:05.000Z', client: null } }],
  ])('has null for what is not there, and the rest (row %#)', async (scene, expected) => {
    expect(await statusOf(scene)).toMatchObject(expected)
  })
})

const PATHS = ['/', '/status.txt', '/status.json']

it.each(PATHS)('%s shows no token, and no query', async (path) => {
  for (const scene of [SCENES.failing, SCENES['some refused']]) {
    const text = await (await adminOf(scene).request(`${path}?x=<b>y`)).text()
    expect(text).not.toMatch(new RegExp(`${CANARY}|batch=7|<b>|%3Cb|&lt;b`))
  }
})

describe('hosts, paths and files', () => {
  const certificate = { name: 'service.besclouds.com', from: NOW, to: NOW }
  const failure = authFailure('untouched', 'other-name', { certificate })
  const other: Scene = {
    snapshot: {
      ...SCENES.refused.snapshot,
      lastFailure: { at: NOW, operation: 'login', failure },
    },
    calls: [calls({ status: 403 }, 3)],
    fileErrors: [
      { setting: 'OBS_USER_FILE', code: 'file-unreadable', facts: [['file', '/etc/a']] },
    ],
    sharing: { ...SHARED, state: 'alone', reason: 'unreachable' },
  }
  const PRIVATE =
    /(?:isales|egress|store)\.example|besclouds|openapi|\/etc|\/run\/secrets|\/var\/lib/
  const textsFor = async (address: string) => {
    const admins = [other, SCENES.refused].map((scene) => adminOf(scene, {}, address))
    const responses = PATHS.flatMap((path) => admins.map(({ request }) => request(path)))
    return Promise.all(responses.map(async (response) => (await response).text()))
  }

  it.each(['127.0.0.1', '127.8.0.1', '::1', '::ffff:127.0.0.1'])(
    'are shown to a reader on this machine: %s',
    async (address) => {
      for (const text of await textsFor(address)) expect(text).toMatch(PRIVATE)
    },
  )

  it.each(['10.0.0.7', '::ffff:10.0.0.7', 'fe80::1', ''])(
    'are hidden from another one, who sees state, code and cure: %s',
    async (address) => {
      for (const text of await textsFor(address)) {
        expect(text).not.toMatch(PRIVATE)
        expect(text).toMatch(/IsalesProxy|#isalesproxy/)
        expect(text).toMatch(/Correct |Set /)
      }
    },
  )
})

describe('the status page', () => {
  it('refreshes itself until the reader pauses it, and allows its own style sheet and nothing else', async () => {
    const { request } = adminOf(SCENES.healthy)
    const { headers } = await request('/')
    expect(Object.fromEntries(headers)).toMatchObject({
      refresh: '5',
      'content-type': 'text/html; charset=UTF-8',
      'content-security-policy': expect.stringMatching(
        /^default-src 'none'; style-src 'sha256-[\w+/]{43}='; base-uri 'none'; form-action 'none'; frame-ancestors 'none'$/,
      ),
    })
    expect((await request('/?refresh=off')).headers.get('refresh')).toBeNull()
  })

  it.each([
    { obtainedAt: NOW - 900_000, expiresAt: NOW - 600_000, usableUntil: NOW - 605_000 },
    { obtainedAt: NOW - 500, lifetime: 1000, expiresAt: NOW + 500, usableUntil: NOW + 400 },
  ])('survives a token that ended long ago, or lives a second: %j', async (life) => {
    const { request } = adminOf({ snapshot: { token: tokenOf(life), usable: false } })
    const page = await request('/')
    expect(page.status).toBe(200)
    expect(await page.text()).not.toMatch(/NaN|Infinity|undefined|-\d+%/)
  })

  it('is in Chinese by Accept-Language or ?lang=, which wins', async () => {
    const { request } = adminOf(SCENES.failing)
    const read = async (path: string, accepts: string) =>
      (await request(path, { headers: { 'Accept-Language': accepts } })).text()
    expect(await read('/status.json', 'zh-CN,zh;q=0.9,en;q=0.8')).toMatch(
      /"title":"调用失败".*operations\.zh-CN\.md#isalesproxycallsfailing/,
    )
    expect(await read('/', 'de, zh-TW;q=0.5')).toContain('<html lang="zh-CN">')
    expect(await read('/status.txt?lang=en', 'zh-CN')).toContain('[Calls fail]')
    expect(await read('/status.txt?lang=zh', 'en')).toContain('[调用失败] 该地址没有程序在监听。')
    expect(await read('/?lang=%3Cb%3E', '<script>')).toContain('<html lang="en">')
  })
})

it('the text has one instant and one zone', async () => {
  const admin = adminOf(SCENES.refused, { utcOffset: () => 480 })
  const text = await (await admin.request('/status.txt')).text()
  expect(text).toContain('2026-03-02 17:41:05 +08:00')
  expect(text).toContain('17:53:07 (in 12 min 2 s)')
  expect(text.match(/UTC|\+08:00/g)).toHaveLength(1)
})
