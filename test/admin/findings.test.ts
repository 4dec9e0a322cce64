import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { Health } from '../../src/admin/findings.ts'
import type { AdminSources } from '../../src/admin/sources.ts'
import type { Status } from '../../src/admin/model.ts'
import type { TokenSnapshot } from '../../src/token/snapshot.ts'
import { SCENES, adminOf, type Calls, type Scene } from '../browser/states.ts'
import type { SharingSnapshot } from '../../src/sharing/sharing-log.ts'
import type { SettingProblem } from '../../src/setting-problem.ts'
import { granted, NOW } from './token.ts'
import { cause, type CauseCode } from '../../src/causes.ts'
import type { AuthFailure } from '../../src/token/protocol.ts'
import { authFailure } from '../support/failure.ts'

const RUNBOOK = readFileSync('docs/operations.md', 'utf8').toLowerCase()
const SECOND = 1000
const EARLY = {
  detail: 'CERT_NOT_YET_VALID',
  certificate: { name: 'service.example', from: Date.UTC(2026, 2, 3), to: Date.UTC(2027, 2, 3) },
}
const ALONE: SharingSnapshot = {
  state: 'alone',
  reason: 'unreachable',
  since: NOW,
  code: undefined,
  adoptedAt: undefined,
}
const EMPTY = (setting: string): SettingProblem => ({ setting, code: 'empty-file' })
const OK = { status: 200, upstreamMs: 8 } as const
const DOWN = { status: 502, code: 'upstream-unreachable' } as const
const REFUSED = { status: 403, target: '/obs/records?id=7' } as const

/** `count` calls that end alike, `apart` milliseconds apart, the last `ago` milliseconds before now. */
const calls = (call: Calls['call'], count: number, apart = 100, ago = 0): Calls => {
  return { call, count, apart, ago }
}
/** In the last minute, and not in its last 20 s. */
const MANY = calls(OK, 600, 50, 21 * SECOND)
const NONE = { token: undefined, usable: false } as const

/** A failed login. */
const failure = (...[code, more]: readonly [CauseCode, Partial<AuthFailure>?]) => ({
  at: NOW,
  operation: 'login' as const,
  failure: authFailure('untouched', code, more),
})

/** The status of a proxy with a valid token and no calls, unless the scene says otherwise. */
async function statusOf(scene: Partial<Scene>, sources: Partial<AdminSources> = {}) {
  const app = adminOf({ snapshot: {}, events: [], ...scene }, sources)
  return (await (await app.request('/status.json')).json()) as Status
}

/** The state and the reason of the one finding, whose remedy has a place in the run book. */
async function foundIn(scene: Partial<Scene>): Promise<string> {
  const { state, reason, findings, runbook, remedy } = await statusOf(scene)
  expect(findings).toHaveLength(1)
  expect(reason).toMatch(/\.$/)
  expect(remedy !== '').toBe(runbook !== null)
  expect(RUNBOOK).toContain(`### ${runbook?.split('operations.md#')[1] ?? ''}`)
  return `${state}: ${reason}`
}
/** A finding with this state, and with these words in its reason. */
const found = (state: Health, words: string) =>
  expect.stringMatching(`^${state}: .*${words.replaceAll(/[.()]/g, '\\$&')}`)

describe('the state', () => {
  const TWO_OF_THREE = [
    calls(DOWN, 4, 15 * SECOND),
    calls(DOWN, 4, 15 * SECOND, 5 * SECOND),
    calls(OK, 4, 15 * SECOND, 10 * SECOND),
  ]
  const SIX_OF_TEN = [
    calls(DOWN, 4, 5 * SECOND, 25 * SECOND),
    calls({ status: 500 }, 1, 1, 30 * SECOND),
    calls(OK, 4, 3 * SECOND, SECOND),
    calls(DOWN, 1),
  ]
  const TIMED_OUT = calls({ status: 504, code: 'upstream-timeout' }, 2, 2900, 200)
  const ELSEWHERE = calls({ ...REFUSED, target: '/b' }, 1)
  const FOUR = calls(DOWN, 4, 1500)
  const UNTIL_5_S_AGO = calls(OK, 300, 50, 5 * SECOND)

  it.each<readonly [Health, reason: string, readonly Calls[]]>([
    ['healthy', 'There was no call', []],
    ['healthy', 'Every call of the last minute', [MANY]],
    ['healthy', 'Every call of the last', [calls(DOWN, 480, 50, 61 * SECOND), calls(OK, 1200, 50)]],
    [
      'degraded',
      '1 of 601 calls failed in the last minute. There is no route to isales.example:443.',
      [MANY, calls(DOWN, 1, 1, 4 * SECOND)],
    ],
    ['degraded', '5 of 10 calls failed', [calls(OK, 5, 2000, SECOND), calls(DOWN, 5, 2000)]],
    ['degraded', '20 of ', [calls(OK, 2000, 50, SECOND), calls(DOWN, 20, 50)]],
    [
      'failing',
      '6 of 10 calls failed in the last minute. There is no route to isales.example:443.',
      SIX_OF_TEN,
    ],
    ['failing', 'There is no route to isales.example:443.', TWO_OF_THREE],
    ['failing', '1 of 1 calls failed', [calls(DOWN, 1)]],
    ['failing', '4 of 5 calls failed in the last 20 seconds.', [MANY, FOUR, calls(OK, 1, 1, 700)]],
    [
      'degraded',
      '4 of 608 calls failed in the last minute.',
      [MANY, FOUR, calls(OK, 4, 1500, 700)],
    ],
    [
      'failing',
      'No call has succeeded for 5 s: all 100 failed. There is no route to isales.example:443.',
      [MANY, UNTIL_5_S_AGO, calls(DOWN, 100, 49)],
    ],
    // Calls are few, and each waits for its deadline.
    [
      'failing',
      'No call has succeeded for 3 s: all 2 failed. isales.example:443 did not respond within CLIENT_DEADLINE.',
      [calls(OK, 60, SECOND, 4 * SECOND), TIMED_OUT],
    ],
    [
      'degraded',
      'No call has failed for 8 s, and 160 have succeeded since. 480 failed in the minute before. The cause was: Nothing listens at isales.example:443 (ECONNREFUSED).',
      SCENES.recovering.calls,
    ],
    [
      'degraded',
      '6 of 606 calls in the last minute were refused by iSales. Others succeed with the same token. Refused in the last hour: POST /obs/records (5), POST /b (1).',
      [MANY, calls(REFUSED, 5), ELSEWHERE],
    ],
    [
      'degraded',
      '4 calls in the last minute got a web page, or a redirect to one.',
      [MANY, calls({ ...REFUSED, page: true }, 2), calls({ status: 404, page: true }, 2)],
    ],
    // Each has a sentence of its own, and they are one finding.
    [
      'degraded',
      'POST /obs/records (7). 2 calls in the last minute got a web page',
      [MANY, calls(REFUSED, 5), calls({ ...REFUSED, page: true }, 2)],
    ],
    [
      'degraded',
      '6 of 11 calls in the last minute got an error of iSales that is about the call',
      [calls(OK, 5), calls({ status: 429 }, 6)],
    ],
    ['healthy', 'Every call of the last minute', [calls(OK, 6), calls({ status: 404 }, 6)]],

    [
      'degraded',
      '20 of 220 calls in the last minute took iSales more than 2 s.',
      [calls(OK, 200), calls({ ...OK, upstreamMs: 2390 }, 20)],
    ],
  ])('is %s by the calls: %s', async (state, reason, calls) => {
    expect(await foundIn({ calls })).toEqual(found(state, reason))
  })

  const SERVES = 'The current token is still used.'
  const ENDS = 'The current token is used until its end; calls fail in 3 min 55 s.'
  const NOTHING_SERVES = 'Calls get 503 until a login succeeds.'
  it.each<readonly [Health, reason: string, Partial<TokenSnapshot>]>([
    ['healthy', 'The token is valid.', { request: 'refresh' }],
    ['healthy', 'the next one logs in first', { usable: false, idle: true }],
    [
      'degraded',
      `Nothing listens at isales.example:443 (ECONNREFUSED). ${ENDS}`,
      {
        backoff: 'transient',
        lastFailure: failure('connection-refused', { detail: 'ECONNREFUSED' }),
      },
    ],
    [
      'starting',
      'A login is in progress, and calls wait for its token.',
      { ...NONE, request: 'login' },
    ],
    [
      'unauthenticated',
      `Nothing listens at isales.example:443. ${NOTHING_SERVES}`,
      { ...NONE, backoff: 'transient', lastFailure: failure('connection-refused') },
    ],
    [
      'unauthenticated',
      'A login is in progress, and calls wait',
      { usable: false, request: 'login' },
    ],
    [
      'refused',
      `iSales refuses the user or password. ${ENDS}`,
      { backoff: 'rejected', lastFailure: failure('password') },
    ],
    [
      'refused',
      'iSales refuses the user or password. iSales rejects the current token, too, so calls fail until a login succeeds.',
      {
        backoff: 'rejected',
        lastFailure: failure('password'),
        rejected: true,
        outageBudget: 0,
      },
    ],
    [
      'unauthenticated',
      'iSales responds 503: maintenance or overload. iSales rejects the current token, too',
      {
        backoff: 'transient',
        lastFailure: failure('maintenance', { status: 503 }),
        rejected: true,
        outageBudget: 0,
      },
    ],
    [
      'refused',
      `Logins with this user and password failed before. Logins are paused until 09:45 UTC so that the account is not locked. ${NOTHING_SERVES}`,
      { ...NONE, backoff: 'guarded' },
    ],
    [
      'degraded',
      'isales.example:443 did not respond within 5 s. Logins are paused until 09:45 UTC',
      { backoff: 'guarded', lastFailure: failure('timeout') },
    ],
    [
      'unauthenticated',
      `Logins with this user and password failed before. ${NOTHING_SERVES}`,
      { ...NONE, backoff: 'transient' },
    ],
    [
      'degraded',
      'By the clock of this machine the certificate of iSales (service.example) is not valid yet, but from 2026-03-03 00:00 UTC (CERT_NOT_YET_VALID).',
      { backoff: 'transient', lastFailure: failure('not-yet-valid', EARLY) },
    ],
    ['conflict', `again and again. ${SERVES}`, { conflict: true, backoff: 'rejected' }],
  ])('is %s by the token: %s', async (state, reason, snapshot) => {
    expect(await foundIn({ snapshot })).toEqual(found(state, reason))
  })

  it.each<readonly [Health, reason: string, Partial<Scene>]>([
    [
      'degraded',
      'probably milliseconds for seconds',
      { events: [granted({ lifetimeDoubt: 'too-long' })] },
    ],
    ['degraded', 'The shared store store.example:6379 cannot be reached.', { sharing: ALONE }],
    [
      'degraded',
      'The disk of /var/lib/state is full (ENOSPC). Logins are counted in memory only, and a restart forgets them.',
      { trouble: { cause: cause('disk-full', 'disk'), detail: 'ENOSPC' } },
    ],
    [
      'degraded',
      'ISALES_PASSWORD_FILE names an empty file. OBS_USER_FILE names an empty file. What was read before stays in use.',
      { fileErrors: [EMPTY('ISALES_PASSWORD_FILE'), EMPTY('OBS_USER_FILE')] },
    ],
    [
      'failing',
      'iSales rejects every call with the token',
      { snapshot: { rejected: true }, calls: [MANY, calls(REFUSED, 3)] },
    ],
    [
      'draining',
      'new connections are refused',
      { snapshot: { ...NONE, backoff: 'guarded' }, draining: true },
    ],
  ])('is %s whatever else there is: %s', async (state, reason, scene) => {
    expect(await foundIn(scene)).toEqual(found(state, reason))
  })

  it('is that of the most important of all that is wrong', async () => {
    const { findings } = await statusOf({
      snapshot: {
        conflict: true,
        backoff: 'transient',
        failuresInRow: 3,
        lastFailure: failure('expired'),
      },
      calls: [MANY, calls(DOWN, 1), calls(REFUSED, 3), calls({ ...OK, upstreamMs: 2390 }, 40)],
    })
    expect(findings.map(({ title }) => title)).toEqual([
      'Somebody else uses this login',
      'Calls fail',
      'Calls are refused',
      'iSales is slow',
    ])
  })

  it.each([
    [['login', 'login', 'login'], 'clientlogins', /^3 times .* another user .* OBS_USER and OBS_/],
    [
      ['plain-http', 'plain-http', 'login', 'plain-http'],
      'clienthandshakes',
      /^3 times .* plain HTTP.*LISTEN_TLS/,
    ],
  ] as const)(
    'does not follow clients that cannot log in or connect, which is said beside it: %j',
    async (turnedAway, runbook, text) => {
      const { state, findings } = await statusOf({ turnedAway })
      expect(state).toBe('healthy')
      expect(`${findings[1]?.reason} ${findings[1]?.remedy}`).toMatch(text)
      expect(findings[1]?.runbook).toContain(`isalesproxy${runbook}refused`)
    },
  )

  it('does not speak of clients that are few, or only probe the port', async () => {
    const turnedAway = ['login', 'login', 'closed', 'closed', 'closed', 'timeout'] as const
    expect((await statusOf({ turnedAway })).findings).toHaveLength(1)
  })

  it('does not follow what CTI-OBS does wrong, which is said beside it', async () => {
    const mistake = { status: 403, target: '//obs/tasks', code: 'not-allowed' } as const
    const { state, findings, requests } = await statusOf({ calls: [calls(mistake, 4)] })
    expect(state).toBe('healthy')
    expect(findings[1]?.reason).toContain('refused 4 requests: not-allowed (4)')
    expect(requests.lastFailed).toMatchObject([{ count: 4 }])
  })
})

it('says whose matter a refused path is, and where it is, without its query', async () => {
  const app = adminOf(SCENES['some refused'])
  const { remedy, requests } = (await (await app.request('/status.json')).json()) as Status
  expect(remedy).toContain('The account may not make these calls')
  expect(remedy).not.toContain('ISALES_TOKEN_HEADER')
  expect(requests.failedPaths).toMatchObject([{ method: 'POST', refused: 5, failed: 0 }])
  expect(await (await app.request('/')).text()).not.toContain('batch=7')
})

it('shows an outage with the figures of that time, while the token stays green', async () => {
  const html = await (await adminOf(SCENES.failing).request('/')).text()
  expect(html).toContain('<dd class="tone">145 of 145</dd>')
  expect(html).toMatch(/\.left \{ fill: var\(--good\); \}/)
})

it('counts as one what ends alike, with the time of the last', async () => {
  const { requests, tables } = await statusOf({ calls: [calls(DOWN, 7), calls(REFUSED, 2)] })
  expect(requests.lastFailed).toMatchObject([{ count: 2 }, { count: 7 }])
  expect(tables[0]?.rows.map((row) => row[4])).toEqual(['2', '7'])
})

it('puts calls that fail now before a token that ends later', async () => {
  const { findings } = await statusOf({
    snapshot: { backoff: 'transient', lastFailure: failure('not-yet-valid', EARLY) },
    calls: SCENES.failing.calls,
  })
  expect(findings.map(({ finding }) => finding)).toEqual(['calls', 'clock'])
})

it('puts a renewal that still fails before a failure of calls that is over', async () => {
  const { findings } = await statusOf({
    snapshot: { backoff: 'transient', lastFailure: failure('connection-refused') },
    calls: SCENES.recovering.calls,
  })
  expect(findings.map(({ finding }) => finding)).toEqual(['login', 'recovering'])
})

it.each([
  [
    403,
    'password',
    /user in \/run\/secrets\/user or the password in \/run\/secrets\/password:.*restart alone does not/,
  ],
  [400, 'values', /400: .*\/run\/secrets\/password:/],
  [500, 'business', /with 500: by its documents/],
  [401, 'account', /not purchased.*re-enable the account, then run isales-auth-proxy renew/],
] as const)('a login refused with %i has words and a remedy of its own', async (...row) => {
  const [status, code, text] = row
  const snapshot = { backoff: 'guarded', lastFailure: failure(code, { status }) } as const
  const { findings } = await statusOf({ snapshot })
  expect(findings.map(({ reason, remedy }) => `${reason} ${remedy}`)).toEqual([
    expect.stringMatching(text),
  ])
})

it('names renew where logins are paused without a verdict of iSales', async () => {
  const snapshot = { backoff: 'guarded', lastFailure: failure('timeout') } as const
  expect((await statusOf({ snapshot })).remedy).toMatch(
    /isales-auth-proxy renew logs in before the/,
  )
})

it('is said in Chinese, by Accept-Language or ?lang=, which wins', async () => {
  const app = adminOf(SCENES.failing)
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
    '[调用失败] 已有 6 秒没有一次调用成功：145 次全部失败。',
  )
  expect(await read('/?lang=%3Cb%3E', '<script>')).toContain('<html lang="en">')
})
