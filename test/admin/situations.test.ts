import { describe, expect, it } from 'vitest'
import { createAdminApp } from '../../src/admin/app.ts'
import { openAdmin } from '../../src/admin/open.ts'
import type { EndedCall } from '../../src/admin/calls.ts'
import type { Status } from '../../src/admin/status.ts'
import { manualClock } from '../support/manual-clock.ts'
import { WALL, adminSources, failed, granted, tokenOf, snapshot } from './token.ts'

const OK = { method: 'POST', target: '/obs/tasks', status: 200, durationMs: 8, requestId: 'a' }
const DOWN = { ...OK, status: 502, code: 'upstream-unreachable' } as const
const REFUSED = { ...OK, target: '/obs/records?id=7', status: 403 }

/** A proxy with a valid token, seen through its page while calls come. */
function start(failure?: ReturnType<typeof failed>) {
  const clock = manualClock()
  const began = clock.now()
  const at = { obtainedAt: began, expiresAt: began + 3e5, usableUntil: began + 295_000 }
  const sources = adminSources({
    clock,
    wallClock: () => WALL + clock.now() - began,
    token: () =>
      snapshot({
        now: clock.now(),
        token: tokenOf(at),
        ...(failure && { lastFailure: failure, failuresInRow: 3, backoff: 'transient' }),
      }),
  })
  const admin = openAdmin(sources)
  const app = createAdminApp({ ...sources, ...admin })
  admin.onTokenEvent(granted({ at: began }))
  const status = async () =>
    (await (await app.request('/status.json')).json()) as Status & { readonly title: string }
  const page = async () => (await app.request('/')).text()
  /** So many calls a second, for so many seconds. */
  const traffic = async (seconds: number, call: EndedCall, perSecond = 20): Promise<void> => {
    for (let n = 0; n < seconds * perSecond; n += 1) {
      admin.monitor.calls.ended(call)
      await clock.advance(1000 / perSecond)
    }
  }
  return { ...admin, app, clock, status, page, traffic }
}

describe('one refused path among thousands of calls', () => {
  it('is said to be refused, which path, how often, and whose matter it is', async () => {
    const { traffic, status, page } = start()
    for (let n = 0; n < 5; n += 1) {
      await traffic(2, OK, 200)
      await traffic(0.1, REFUSED, 10)
    }
    const { state, title, reason, remedy, requests } = await status()
    expect({ state, title }).toEqual({ state: 'degraded', title: 'iSales refuses some calls' })
    expect(reason).toContain('5 of 2,005 calls in the last minute got 401 or 403 from iSales.')
    expect(reason).toContain('POST /obs/records (5)')
    expect(remedy).toContain('The account may not make these calls')
    expect(remedy).not.toContain('ISALES_TOKEN_HEADERS')
    expect(requests.failedPaths).toMatchObject([
      { method: 'POST', path: '/obs/records', refused: 5, failed: 0 },
    ])
    expect(await page()).not.toContain('id=7')
  })
})

describe('a total outage', () => {
  it('is red within 5 s, with the figures of that time, while the token stays green', async () => {
    const { traffic, status, page } = start()
    await traffic(100, OK)
    await traffic(5, DOWN)
    const { state, title, reason, requests } = await status()
    expect({ state, title }).toEqual({ state: 'failing', title: 'Calls fail' })
    expect(reason).toMatch(
      /^No call has succeeded for 5 s: all 100 failed\. iSales cannot be reach/,
    )
    expect(requests.worst).toMatchObject({ kind: 'outage', failed: 100, total: 100, seconds: 5 })
    const html = await page()
    expect(html).toContain('<dd class="tone">100 of 100</dd>')
    expect(html).toMatch(/\.left \{ fill: var\(--good\); \}/)
  })

  it('is red within 5 s where calls are few and each waits for its deadline', async () => {
    const { clock, traffic, status, monitor } = start()
    await traffic(60, OK, 1)
    for (const wait of [100, 2800, 200]) {
      monitor.calls.ended({ ...DOWN, code: 'upstream-timeout', status: 504 })
      await clock.advance(wait)
    }
    expect(await status()).toMatchObject({ state: 'failing' })
  })

  it('is none when a second goes wrong', async () => {
    const { traffic, status } = start()
    await traffic(100, OK)
    await traffic(1, DOWN)
    expect(await status()).toMatchObject({ state: 'degraded', title: 'Some calls fail' })
  })
})

describe('after an outage', () => {
  it('is recovering, since when, and nobody is told to do anything', async () => {
    const { traffic, status } = start()
    await traffic(30, OK)
    await traffic(24, DOWN)
    await traffic(8, OK)
    const { state, title, reason, remedy } = await status()
    expect({ state, title, remedy }).toEqual({ state: 'degraded', title: 'Recovering', remedy: '' })
    expect(reason).toMatch(/^No call has failed for 8 s, and 160 have succeeded since\./)
    expect(reason).toContain('480 failed. iSales cannot be reached.')
    await traffic(53, OK)
    expect(await status()).toMatchObject({ state: 'healthy' })
  })

  it('still fails while every second call does', async () => {
    const { clock, monitor, status } = start()
    for (let n = 0; n < 12; n += 1) {
      monitor.calls.ended(n % 3 === 0 ? OK : DOWN)
      await clock.advance(5000)
    }
    expect(await status()).toMatchObject({ state: 'failing' })
  })
})

describe('what used to be silent', () => {
  it('a web page that refuses calls', async () => {
    const { traffic, status } = start()
    await traffic(10, OK)
    await traffic(1, { ...REFUSED, page: true }, 4)
    const { title, reason, remedy } = await status()
    expect(title).toBe('A web page refuses calls')
    expect(reason).toContain('4 calls in the last minute got 401 or 403 with a web page.')
    expect(remedy).toContain('gateway')
  })

  it('a slow iSales', async () => {
    const { traffic, status } = start()
    await traffic(10, OK)
    await traffic(5, { ...OK, durationMs: 2400, upstreamMs: 2390 }, 4)
    const { title, reason, remedy } = await status()
    expect(title).toBe('iSales is slow')
    expect(reason).toContain('20 of 220 calls in the last minute took iSales more than 2 s.')
    expect(remedy).toContain('CLIENT_DEADLINE')
  })

  it.each([
    [10 * 60_000, 'behind'],
    [-10 * 60_000, 'ahead of'],
  ])('a clock that differs from that of iSales by %i ms', async (difference, words) => {
    const { monitor, status } = start()
    monitor.dateSeen(new Date(WALL + difference).toUTCString())
    const { title, reason, remedy } = await status()
    expect(title).toBe('The clock is wrong')
    expect(reason).toContain(`is 10 min ${words}`)
    expect(remedy).toContain('timedatectl')
  })

  it('a clock by which the certificate of iSales is not valid yet', async () => {
    const failure = { kind: 'untouched', reason: 'tls', detail: 'CERT_NOT_YET_VALID' } as const
    const { findings } = await start(failed({ failure })).status()
    expect(findings.map(({ title }) => title)).toEqual(['Renewal is failing', 'The clock is wrong'])
  })

  it('nothing when the clocks differ by a second or the header is nonsense', async () => {
    const { monitor, status } = start()
    monitor.dateSeen(new Date(WALL + 1000).toUTCString())
    monitor.dateSeen('yesterday')
    monitor.dateSeen(undefined)
    expect(await status()).toMatchObject({ state: 'healthy' })
  })

  it('a CTI-OBS that sends what is not forwarded, which is no state of the proxy', async () => {
    const { traffic, status } = start()
    await traffic(1, { ...OK, target: '//obs/tasks', status: 403, code: 'not-allowed' }, 4)
    const { state, findings, requests } = await status()
    expect(state).toBe('healthy')
    expect(findings[1]?.reason).toContain('refused 4 requests: not-allowed (4)')
    expect(requests.lastFailed).toHaveLength(4)
  })
})

it('says it in Chinese, by Accept-Language or ?lang=, which wins', async () => {
  const { app, traffic } = start()
  await traffic(6, DOWN)
  const read = async (path: string, accepts: string) => {
    const response = await app.request(path, { headers: { 'Accept-Language': accepts } })
    return response.text()
  }
  expect(await read('/status.json', 'zh-CN,zh;q=0.9,en;q=0.8')).toMatch(
    /"title":"调用失败".*operations\.zh-CN\.md#isalesproxycallsfailing/,
  )
  expect(await read('/', 'de, zh-TW;q=0.5')).toContain('<html lang="zh-CN">')
  expect(await read('/status.txt?lang=en', 'zh-CN')).toContain('[Calls fail]')
  expect(await read('/status.txt?lang=zh', 'en')).toContain(
    '[调用失败] 已有 6 秒没有一次调用成功：120 次全部失败。',
  )
  expect(await read('/?lang=%3Cb%3E', '<script>')).toContain('<html lang="en">')
})
