import { describe, expect, it } from 'vitest'
import { cause, type CauseCode } from '../../src/causes.ts'
import { FINDING_NAMES, type Finding } from '../../src/admin/judge.ts'
import type { SharingSnapshot } from '../../src/sharing/cell.ts'
import type { AuthFailure } from '../../src/token/protocol.ts'
import type { TokenSnapshot } from '../../src/token/lifecycle.ts'
import { SCENES, adminOf, calls, type Calls, type Scene } from '../browser/states.ts'
import { authFailure } from '../support/failure.ts'
import { failed, granted, NOW } from './token.ts'

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
const OK = { status: 200, upstreamMs: 8 } as const
const DOWN = {
  status: 502,
  code: 'upstream-unreachable',
  failure: { cause: cause('no-route') },
} as const
const REFUSED = { status: 403, target: '/obs/records?id=7' } as const
const SLASH = {
  status: 403,
  code: 'not-allowed',
  refusal: 'double-slash',
  target: '//obs/tasks',
} as const

/** In the last minute, and not in its last 20 s. */
const MANY = calls(OK, 600, 50, 21 * SECOND)
const NONE = { token: undefined, usable: false } as const

/** A failed login. */
const failure = (...[code, more]: readonly [CauseCode, Partial<AuthFailure>?]) => ({
  at: NOW,
  operation: 'login' as const,
  failure: authFailure('untouched', code, more),
})

const seen = new Set<string>()
function findingsIn(scene: Scene): readonly Finding[] {
  const findings = adminOf(scene).findings()
  for (const { finding } of findings) seen.add(finding)
  return findings
}

/** `degraded login AuthenticationFailing expired`: the code without `IsalesProxy`. */
const said = ({ state, finding, code, why }: Finding): string =>
  [state, finding, code.replace('IsalesProxy', ''), why?.code ?? ''].join(' ').trim()
const factsOf = (finding: Finding | undefined) => Object.fromEntries(finding?.facts ?? [])

describe('the calls of the last minute are judged', () => {
  const FOUR = calls(DOWN, 4, 1500)
  it.each<readonly [string, facts: object, readonly Calls[]]>([
    ['healthy healthy healthy', { callsInMinute: 0 }, []],
    ['healthy healthy healthy', { callsInMinute: 600 }, [MANY]],
    ['healthy healthy healthy', {}, [calls(DOWN, 480, 50, 61 * SECOND), calls(OK, 1200, 50)]],
    [
      'degraded calls ErrorRatio no-route',
      { failedCalls: { part: 1, of: 601 }, within: { seconds: 60 } },
      [MANY, calls(DOWN, 1, 1, 4 * SECOND)],
    ],
    [
      'degraded calls ErrorRatio no-route',
      { failedCalls: { part: 5, of: 10 } },
      [calls(OK, 5, 2000, SECOND), calls(DOWN, 5, 2000)],
    ],
    [
      'failing calls CallsFailing no-route',
      { failedCalls: { part: 6, of: 10 }, within: { seconds: 60 } },
      [
        calls(DOWN, 4, 5 * SECOND, 25 * SECOND),
        calls({ status: 500 }, 1, 1, 30 * SECOND),
        calls(OK, 4, 3 * SECOND, SECOND),
        calls(DOWN, 1),
      ],
    ],
    ['failing calls CallsFailing no-route', {}, [calls(DOWN, 1)]],
    [
      'failing calls CallsFailing no-route',
      { failedCalls: { part: 4, of: 5 }, within: { seconds: 20 } },
      [MANY, FOUR, calls(OK, 1, 1, 700)],
    ],
    [
      'degraded calls ErrorRatio no-route',
      { failedCalls: { part: 4, of: 608 } },
      [MANY, FOUR, calls(OK, 4, 1500, 700)],
    ],
    [
      'failing calls CallsFailing no-route',
      { failedCalls: { part: 100, of: 100 }, within: { seconds: 5 } },
      [MANY, calls(OK, 300, 50, 5 * SECOND), calls(DOWN, 100, 49)],
    ],
    // Calls are few, and each waits for its deadline.
    [
      'failing calls CallsFailing upstream-timeout',
      { failedCalls: { part: 2, of: 2 }, within: { seconds: 3 } },
      [
        calls(OK, 60, SECOND, 4 * SECOND),
        calls({ status: 504, code: 'upstream-timeout' }, 2, 2900, 200),
      ],
    ],
    ['failing calls CallsFailing maintenance', {}, [calls({ status: 503, page: true }, 9)]],
    ['failing calls CallsFailing call-refused', {}, [calls({ status: 500 }, 9)]],
    ['degraded calls ErrorRatio', { within: { seconds: 60 } }, SCENES['failing no longer'].calls],
    [
      'degraded refusals CallsRefused call-forbidden',
      { refusedCalls: { part: 6, of: 606 }, paths: 'POST /b, POST /obs/records' },
      [MANY, calls(REFUSED, 5, 100, 1), calls({ ...REFUSED, target: '/b' }, 1)],
    ],
    [
      'degraded refusals CallsRefused page-relayed',
      { refusedCalls: { part: 4, of: 604 } },
      [MANY, calls({ ...REFUSED, page: true }, 2), calls({ status: 404, page: true }, 2)],
    ],
    [
      'degraded refusals CallsRefused call-declined',
      { refusedCalls: { part: 6, of: 11 } },
      [calls(OK, 5), calls({ status: 429 }, 6)],
    ],
    ['healthy healthy healthy', {}, [calls(OK, 6), calls({ status: 404 }, 6)]],
    [
      'degraded slow Latency',
      { slowCalls: { part: 20, of: 220 } },
      [calls(OK, 200), calls({ ...OK, upstreamMs: 2390 }, 20)],
    ],
  ])('as %s, with %j', (finding, facts, list) => {
    const found = findingsIn({ calls: list })
    expect(found.map(said)).toEqual([finding])
    expect(factsOf(found[0])).toMatchObject(facts)
  })
})

describe('what the proxy refuses of CTI-OBS is judged', () => {
  const TICKET = { status: 401, code: 'not-logged-in', refusal: 'ticket' } as const
  it.each<readonly [string, Scene]>([
    ['failing mistakes CallsFailing double-slash', { calls: [calls(SLASH, 3)] }],
    [
      'failing mistakes CallsFailing other-path',
      { calls: [calls({ ...SLASH, refusal: 'other-path' }, 9), calls(SLASH, 2)] },
    ],
    ['failing mistakes CallsFailing not-logged-in', { calls: [calls(TICKET, 3)] }],
    [
      'failing mistakes CallsFailing obs-login',
      { turnedAway: ['obs-login', 'obs-login', 'obs-login'] },
    ],
    ['degraded mistakes CallsRefused double-slash', { calls: [calls(OK, 4), calls(SLASH, 5)] }],
    ['healthy healthy healthy', { calls: [calls(SLASH, 2)] }],
  ])('as %s', (finding, scene) => {
    expect(findingsIn(scene).map(said)).toEqual([finding])
  })

  it.each<readonly [string, Scene]>([
    // Fewer than are forwarded, or not of CTI-OBS: said beside the state, which stays.
    ['healthy mistakes client-mistakes double-slash', { calls: [calls(OK, 5), calls(SLASH, 5)] }],
    [
      'healthy mistakes client-mistakes other-path',
      { calls: [calls({ ...SLASH, method: 'GET', refusal: 'other-path' }, 50)] },
    ],
    [
      'healthy mistakes client-mistakes browser',
      { calls: [calls({ ...SLASH, refusal: 'browser' }, 50)] },
    ],
    [
      'healthy clients ClientLoginsRefused obs-login',
      { calls: [MANY], turnedAway: ['obs-login', 'obs-login', 'obs-login'] },
    ],
    [
      'healthy clients ClientHandshakesRefused plain-http',
      { turnedAway: ['plain-http', 'plain-http', 'plain-http', 'unknown-ca', 'closed', 'timeout'] },
    ],
  ])('as no state: %s', (finding, scene) => {
    expect(findingsIn(scene).map(said)).toEqual(['healthy healthy healthy', finding])
  })

  it('does not speak of clients that are few, or only probe the port', () => {
    const turnedAway = ['obs-login', 'closed', 'closed', 'closed', 'timeout'] as const
    expect(findingsIn({ turnedAway })).toHaveLength(1)
  })
})

describe('the token is judged', () => {
  it.each<readonly [string, facts: object, Partial<TokenSnapshot>]>([
    ['healthy healthy healthy', {}, { request: 'refresh' }],
    ['healthy healthy idle', {}, { usable: false, idle: true }],
    [
      'degraded login AuthenticationFailing connection-refused',
      { operation: 'login', servesFor: { seconds: 235 } },
      {
        backoff: 'transient',
        lastFailure: failure('connection-refused', { detail: 'ECONNREFUSED' }),
      },
    ],
    ['starting waiting logging-in', {}, { ...NONE, request: 'login' }],
    [
      'unauthenticated login NotAuthenticated connection-refused',
      { nextAttempt: { at: '2026-03-02T09:44:05.000Z' } },
      { ...NONE, backoff: 'transient', lastFailure: failure('connection-refused') },
    ],
    ['unauthenticated waiting logging-in', {}, { usable: false, request: 'login' }],
    [
      'refused login AccountRejected password',
      { servesFor: { seconds: 235 } },
      { backoff: 'rejected', lastFailure: failure('password') },
    ],
    [
      'refused login AccountRejected account',
      { rejectedToo: true },
      { backoff: 'rejected', lastFailure: failure('account'), rejected: true, outageBudget: 0 },
    ],
    [
      'unauthenticated login NotAuthenticated maintenance',
      { rejectedToo: true },
      {
        backoff: 'transient',
        lastFailure: failure('maintenance', { status: 503 }),
        rejected: true,
        outageBudget: 0,
      },
    ],
    [
      'refused login AccountRejected logins-paused',
      { pausedUntil: { at: '2026-03-02T09:44:05.000Z' } },
      { ...NONE, backoff: 'guarded', refused: true },
    ],
    [
      // Logins of the process before ended without a verdict of iSales.
      'unauthenticated login NotAuthenticated logins-paused',
      { pausedUntil: { at: '2026-03-02T09:44:05.000Z' } },
      { ...NONE, backoff: 'guarded' },
    ],
    [
      'degraded login AuthenticationFailing login-timeout',
      { pausedUntil: { at: '2026-03-02T09:44:05.000Z' } },
      { backoff: 'guarded', lastFailure: failure('timeout') },
    ],
    ['unauthenticated login NotAuthenticated logins-paused', {}, { ...NONE, backoff: 'transient' }],
    [
      'degraded clock ClockWrong not-yet-valid',
      { failedInRow: 4 },
      { backoff: 'transient', failuresInRow: 4, lastFailure: failure('not-yet-valid', EARLY) },
    ],
    [
      'conflict conflict SessionConflict',
      { servesFor: { seconds: 235 } },
      { conflict: true, backoff: 'rejected' },
    ],
    ['failing rejected CallsRefused token-rejected', {}, { rejected: true }],
  ])('as %s, with %j', (finding, facts, snapshot) => {
    const found = findingsIn({ snapshot })
    expect(found.map(said)).toEqual([finding])
    expect(factsOf(found[0])).toMatchObject(facts)
  })
})

const refreshFailed = (status: number) => {
  const failure = authFailure('untouched', 'path-unknown', { status })
  return failed({ operation: 'refresh', failure })
}

it.each<readonly [string, Scene]>([
  ['degraded lifetime LifetimeDoubtful', { events: [granted({ lifetimeDoubt: 'too-long' })] }],
  [
    'degraded refresh RefreshFailing refresh-path-unknown',
    { events: [404, 404, 404].flatMap((status) => [refreshFailed(status), granted()]) },
  ],
  ['degraded store SessionAlone store-unreachable', { sharing: ALONE }],
  [
    'degraded store SessionAlone store-refused',
    { sharing: { ...ALONE, reason: 'refused', code: 'NOAUTH' } },
  ],
  [
    'degraded state StateUnusable disk-full',
    { trouble: { cause: cause('disk-full', 'disk'), detail: 'ENOSPC' } },
  ],
  [
    'draining draining draining',
    { snapshot: { ...NONE, backoff: 'guarded' }, draining: true, calls: [calls(DOWN, 9)] },
  ],
])('is said whatever else there is: %s', (finding, scene) => {
  expect(findingsIn(scene).map(said)).toEqual([finding])
})

it('a refresh that works again, or has failed twice, is not spoken of', () => {
  const twice = [refreshFailed(404), refreshFailed(404)]
  const over = [...twice, refreshFailed(404), granted({ operation: 'refresh' })]
  for (const events of [twice, over]) expect(findingsIn({ events })).toHaveLength(1)
})

it('each file that cannot be used is said', () => {
  const fileErrors = ['ISALES_PASSWORD_FILE', 'OBS_USER_FILE'].map((setting) => ({
    setting,
    code: 'empty-file' as const,
    facts: [],
  }))
  expect(findingsIn({ fileErrors }).map((each) => [said(each), factsOf(each)])).toEqual(
    fileErrors.map(({ setting }) => ['degraded files ReloadFailed empty-file', { setting }]),
  )
})

it('the paths of refusals are those of the last minute', () => {
  const list = [calls({ ...REFUSED, target: '/old' }, 500, 100, 3_600_000), MANY, calls(REFUSED, 1)]
  expect(factsOf(findingsIn({ calls: list })[0])['paths']).toBe('POST /obs/records')
})

it('the most important of all that is wrong gives the state', () => {
  const found = findingsIn({
    snapshot: { conflict: true, backoff: 'transient', lastFailure: failure('expired') },
    calls: [MANY, calls(DOWN, 1), calls(REFUSED, 3), calls({ ...OK, upstreamMs: 2390 }, 40)],
  })
  expect(found.map(said)).toEqual([
    'conflict conflict SessionConflict',
    'degraded calls ErrorRatio no-route',
    'degraded refusals CallsRefused call-forbidden',
    'degraded slow Latency',
  ])
})

it.each([
  [SCENES.failing.calls, ['calls', 'clock'], failure('not-yet-valid', EARLY)],
  [SCENES['failing no longer'].calls, ['login', 'calls'], failure('connection-refused')],
] as const)('what ends calls now stands before what will (row %#)', (...row) => {
  const [list, names, lastFailure] = row
  const found = findingsIn({ snapshot: { backoff: 'transient', lastFailure }, calls: list })
  expect(found.map(({ finding }) => finding)).toEqual(names)
})

it('every finding was among them', () => {
  expect(FINDING_NAMES.filter((name) => !seen.has(name))).toEqual([])
})
