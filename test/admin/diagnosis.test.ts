import { describe, expect, it } from 'vitest'
import { cause, type CauseCode } from '../../src/codes.ts'
import { FINDING_NAMES, type Finding } from '../../src/admin/diagnosis.ts'
import type { SharingSnapshot } from '../../src/sharing/share.ts'
import type { AuthFailure } from '../../src/token/isales-client.ts'
import type { TokenSnapshot } from '../../src/token/lifecycle.ts'
import { adminOf, calls, type Calls, type Scene } from '../browser/states.ts'
import { authFailure } from '../support/failure.ts'
import { failed, granted, NOW, tokenOf, WALL } from './token.ts'

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
const OK = { status: 200, headMs: 8 } as const
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

/** In the last minute, the last 5 s included. */
const MANY = calls(OK, 600, 90)
const NONE = { token: undefined, usable: false } as const

/** A failed login. */
const failure = (...[code, more]: readonly [CauseCode, Partial<AuthFailure>?]) => ({
  at: NOW,
  operation: 'login' as const,
  failure: authFailure('not-processed', code, more),
})

const seen = new Set<string>()
function findingsIn(scene: Scene): readonly Finding[] {
  const findings = adminOf(scene).findings()
  for (const { finding } of findings) seen.add(finding)
  return findings
}

/** `degraded login AuthenticationFailing expired`: the code without `IsalesProxy`. */
const said = ({ state, finding, code, cause: of, isOver }: Finding): string =>
  [state, finding, code.replace('IsalesProxy', ''), of?.code ?? '', isOver ? 'over' : '']
    .filter((part) => part !== '')
    .join(' ')
const factsOf = (finding: Finding | undefined) =>
  Object.fromEntries([...(finding?.cause?.facts ?? []), ...(finding?.facts ?? [])])

describe('calls are judged', () => {
  const POSTED = { target: '/obs/tasks?id=7' } as const
  it.each<readonly [string, facts: object, readonly Calls[]]>([
    ['healthy healthy no-calls-yet', {}, []],
    [
      'healthy healthy healthy',
      { callsInMinute: 600, lastAnswered: { at: '2026-03-02T09:41:05.000Z' } },
      [MANY],
    ],
    // One of 601.
    ['healthy healthy healthy', {}, [MANY, calls(DOWN, 1)]],
    [
      'failing failed CallsFailing no-route',
      { lostCalls: { part: 20, of: 30 }, within: { seconds: 5 }, isales: 'isales.example:443' },
      [calls(OK, 10, 100, 2500), calls(DOWN, 20, 100)],
    ],
    [
      'degraded failed ErrorRatio no-route',
      { lostCalls: { part: 10, of: 20 }, within: { seconds: 5 } },
      [calls(OK, 10, 100, 1500), calls(DOWN, 10, 100)],
    ],
    [
      'degraded failed ErrorRatio over',
      {
        lostCalls: { part: 40, of: 140 },
        within: { seconds: 60 },
        endedAt: { at: '2026-03-02T09:40:55.000Z' },
      },
      [calls(DOWN, 40, 100, 10 * SECOND), calls(OK, 100, 90)],
    ],
    ['failing failed CallsFailing maintenance', {}, [calls({ status: 503, page: true }, 9)]],
    ['failing failed CallsFailing call-refused', { status: 500 }, [calls({ status: 500 }, 9)]],
    ['failing abandoned CallsFailing gave-up', {}, [calls({ status: 0, left: 'response' }, 9)]],
    [
      'failing rejected CallsFailing page-relayed',
      { path: 'POST /obs/tasks', status: 200 },
      [calls({ ...OK, ...POSTED, page: true }, 2)],
    ],
    [
      'degraded rejected CallsRefused call-throttled',
      { lostCalls: { part: 5, of: 10 }, status: 429 },
      [calls(OK, 5, 100, 1000), calls({ status: 429 }, 5)],
    ],
    [
      'degraded rejected CallsRefused call-forbidden',
      { status: 403, path: 'POST /obs/records' },
      [calls(OK, 5, 100, 1000), calls(REFUSED, 5)],
    ],
    [
      'degraded declined CallsRefused call-declined',
      { declinedCalls: { part: 6, of: 11 }, status: 404 },
      [calls(OK, 5, 100, 1000), calls({ status: 404 }, 6)],
    ],
    [
      'degraded declined CallsRefused call-result',
      { declinedCalls: { part: 9, of: 9 }, result: '107003', status: 200 },
      [calls({ ...OK, result: '107003' }, 9)],
    ],
    [
      'degraded slow Latency',
      { slowCalls: { part: 20, of: 40 } },
      [calls(OK, 20, 100, 2500), calls({ ...OK, headMs: 2390 }, 20)],
    ],
    ['failing refused CallsFailing double-slash', { path: 'POST //obs/tasks' }, [calls(SLASH, 3)]],
    [
      'failing refused CallsFailing other-host',
      { host: String.raw`proxy.example\x1b` + 'x'.repeat(47) },
      [
        calls(
          {
            ...SLASH,
            refusal: 'other-host',
            host: `proxy.example\u001B${'x'.repeat(100)}`,
          },
          9,
        ),
      ],
    ],
    [
      'failing refused CallsFailing obs-login',
      {},
      [calls({ status: 403, login: 'login', target: '/auth/login' }, 3)],
    ],
    [
      'degraded refused CallsRefused too-large',
      { lostCalls: { part: 5, of: 9 } },
      [calls(OK, 4, 100, 1000), calls({ ...SLASH, refusal: 'body-size' }, 5)],
    ],
    [
      'degraded stray ClientHandshakesRefused tls-to-http',
      { turnedAway: 3 },
      [
        calls(
          { method: '', target: '', status: 400, code: 'bad-request', refusal: 'tls-to-http' },
          3,
        ),
      ],
    ],
    [
      'degraded handshake ClientHandshakesRefused not-trusted',
      { turnedAway: 3 },
      [calls({ method: '', target: '', status: 0, handshake: 'not-trusted' }, 3)],
    ],
    // Strangers, and fewer than one in twenty.
    ['healthy healthy healthy', {}, [MANY, calls({ ...SLASH, method: 'GET' }, 500, 10)]],
    ['healthy healthy healthy', {}, [MANY, calls({ status: 0, handshake: 'plain-http' }, 50, 10)]],
  ])('as %s, with %j', (finding, facts, list) => {
    const found = findingsIn({ calls: list })
    expect(found.map(said)).toEqual([finding])
    expect(factsOf(found[0])).toMatchObject(facts)
  })
})

describe('the token is judged', () => {
  it.each<readonly [string, facts: object, Partial<TokenSnapshot>]>([
    ['healthy healthy no-calls-yet', {}, { request: 'refresh' }],
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
      'login-rejected login AccountRejected password',
      { servesFor: { seconds: 235 } },
      { backoff: 'rejected', lastFailure: failure('password') },
    ],
    [
      'login-rejected login AccountRejected account',
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
      'login-rejected login AccountRejected logins-paused',
      { pausedUntil: { at: '2026-03-02T09:44:05.000Z' } },
      { ...NONE, backoff: 'guarded', refused: true },
    ],
    [
      // The process before was rejected, and the record says why.
      'login-rejected login AccountRejected password',
      { operation: 'login', userFile: '/run/secrets/user' },
      { ...NONE, backoff: 'guarded', refused: true, lastCode: 'password' },
    ],
    [
      'unauthenticated login NotAuthenticated login-timeout',
      {},
      { ...NONE, backoff: 'guarded', lastCode: 'timeout' },
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
    [
      'failing token-rejected CallsRefused token-rejected',
      { tokenHeader: 'Authorization: Bearer {token}' },
      { rejected: true },
    ],
    [
      // After logins that worked, the 500 is a question to the operator of iSales first.
      'login-rejected login AccountRejected business-later',
      { status: 500 },
      { ...NONE, backoff: 'rejected', lastFailure: failure('business', { status: 500 }) },
    ],
    [
      'login-rejected login AccountRejected business',
      {},
      {
        ...NONE,
        backoff: 'rejected',
        lastFailure: failure('business'),
        lastSuccessAt: undefined,
      },
    ],
    [
      'degraded login refreshes-only password',
      { refreshTokenEnds: { at: '2026-03-02T10:40:05.000Z' } },
      { passwordRejected: { code: 'password', refreshEndsAt: NOW + 3_540_000 } },
    ],
  ])('as %s, with %j', (finding, facts, snapshot) => {
    const found = findingsIn({ snapshot })
    expect(found.map(said)).toEqual([finding])
    expect(factsOf(found[0])).toMatchObject(facts)
  })
})

const SHORT = { token: tokenOf({ lifetime: 1000 }) }

const refreshFailed = (status: number) => {
  const failure = authFailure('not-processed', 'path-unknown', { status })
  return failed({ operation: 'refresh', failure })
}

const refreshRefused = () =>
  failed({
    operation: 'refresh',
    failure: authFailure('refused', 'refresh-refused', { status: 403 }),
  })

it.each<readonly [string, Scene]>([
  [
    'degraded lifetime LifetimeDoubtful long-lifetime',
    { events: [granted({ lifetimeDoubt: 'too-long' })] },
  ],
  [
    // Missing in half of the seconds, and no login takes long.
    'degraded lifetime LifetimeDoubtful short-lifetime',
    { events: [granted(SHORT), granted(SHORT)], snapshot: { usable: false, request: 'login' } },
  ],
  [
    'degraded refresh RefreshFailing refresh-path-unknown',
    { events: [refreshFailed(404), granted()] },
  ],
  [
    'degraded refresh RefreshFailing refresh-refused',
    { events: Array.from({ length: 3 }, refreshRefused) },
  ],
  [
    'degraded certificate certificate-expired',
    { calls: [MANY], certificates: { listener: WALL, ca: WALL + 9e9 } },
  ],
  ['degraded store SessionAlone store-unreachable', { sharing: ALONE }],
  [
    'degraded store SessionAlone store-refused',
    { sharing: { ...ALONE, reason: 'refused', code: 'NOAUTH' } },
  ],
  [
    'degraded state StateUnusable disk-full',
    { storageError: { cause: cause('disk-full', 'disk'), detail: 'ENOSPC' } },
  ],
  [
    'draining draining draining',
    { snapshot: { ...NONE, backoff: 'guarded' }, draining: true, calls: [calls(DOWN, 9)] },
  ],
])('is said whatever else there is: %s', (finding, scene) => {
  expect(findingsIn(scene).map(said)).toEqual([finding])
})

it.each<readonly [string, readonly Calls[]]>([
  // Three are needed to take a token for rejected; two of two say the same, if no call was ever answered.
  ['failing token-rejected CallsRefused token-rejected', [calls(REFUSED, 2)]],
  ['failing rejected CallsFailing call-forbidden', [calls(OK, 1, 100, 6000), calls(REFUSED, 9)]],
])('of calls that are rejected from the first one on: %s', (finding, scene) => {
  const [found] = findingsIn({ calls: scene })
  expect(found && said(found)).toBe(finding)
  expect(factsOf(found)).toMatchObject({ status: 403, path: 'POST /obs/records' })
})

it('one short lifetime may be the rest of a long one', () => {
  const rest = granted({ ...SHORT, sameToken: true })
  for (const events of [[granted(SHORT)], [granted(SHORT), rest, rest]])
    expect(findingsIn({ events }).map(said)).toEqual(['healthy healthy no-calls-yet'])
})

it('a refresh that works again, or was refused twice, is not spoken of', () => {
  const twice = [refreshRefused(), refreshRefused()]
  const over = [refreshFailed(404), granted({ operation: 'refresh' })]
  for (const events of [twice, over]) expect(findingsIn({ events })).toHaveLength(1)
})

it('a certificate that ends within 14 days is shown, and is no state', () => {
  const day = 24 * 3_600_000
  const found = (days: number) =>
    findingsIn({ calls: [MANY], certificates: { ca: WALL + days * day } }).map(said)
  expect(found(13)).toEqual([
    'healthy certificate CertificateExpiresSoon',
    'healthy healthy healthy',
  ])
  expect(found(15)).toEqual(['healthy healthy healthy'])
})

describe('calls that are lost for the token', () => {
  const LOST = calls({ status: 503, code: 'no-token' }, 9)
  it.each<readonly [string, readonly string[], Scene]>([
    [
      'add nothing to what is said of the token',
      ['unauthenticated login NotAuthenticated maintenance'],
      {
        snapshot: { ...NONE, backoff: 'transient', lastFailure: failure('maintenance') },
        calls: [LOST, calls({ status: 0, left: 'response' }, 20)],
      },
    ],
    [
      'are said themselves when the token serves again, until calls are answered',
      ['failing failed CallsFailing no-token'],
      { calls: [LOST] },
    ],
    [
      'say nothing of what the proxy refuses meanwhile',
      ['failing refused CallsFailing double-slash', 'starting waiting logging-in'],
      { snapshot: { ...NONE, request: 'login' }, calls: [calls(SLASH, 9)] },
    ],
  ])('%s', (_, expected, scene) => {
    expect(findingsIn(scene).map(said).toSorted()).toEqual(expected.toSorted())
  })
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

it('the most important of all that is wrong gives the state', () => {
  const found = findingsIn({
    snapshot: { conflict: true, backoff: 'transient', lastFailure: failure('expired') },
    calls: [calls(OK, 40, 50, 2500), calls(DOWN, 5), calls({ ...OK, headMs: 2390 }, 20, 50)],
    certificates: { client: WALL - 1 },
  })
  expect(found.map(said)).toEqual([
    'conflict conflict SessionConflict',
    'degraded failed ErrorRatio no-route',
    'degraded slow Latency',
    'degraded certificate certificate-expired',
  ])
})

it('every finding was among them', () => {
  expect(FINDING_NAMES.filter((name) => !seen.has(name))).toEqual([])
})
