import { expect, it } from 'vitest'
import { cause, type CauseCode } from '../../src/causes.ts'
import { FINDING_NAMES } from '../../src/codes.ts'
import type { Finding } from '../../src/admin/diagnosis.ts'
import type { Value } from '../../src/messages/index.ts'
import type { SharingSnapshot } from '../../src/sharing/index.ts'
import type { AuthFailure } from '../../src/token/isales-client.ts'
import type { TokenSnapshot } from '../../src/token/snapshot.ts'
import { adminOf, calls, type Calls, type Scene } from '../browser/states.ts'
import { authFailure } from '../support/failure.ts'
import { granted, loginOf, NOW, tokenOf, WALL } from './token.ts'

const DAY = 24 * 3_600_000
const OK = { status: 200, headMs: 8 } as const
const SLOW = { ...OK, headMs: 2390 } as const
const NO_ROUTE = { cause: cause('no-route') }
const DOWN = { status: 502, code: 'upstream-unreachable', failure: NO_ROUTE } as const
const FORBIDDEN = { status: 403, target: '/obs/records?id=7' } as const
const REFUSED = {
  status: 403,
  code: 'not-allowed',
  refusal: 'double-slash',
  target: '//a',
} as const
const BYTES = { method: '', target: '', status: 400, code: 'bad-request' } as const
const RENEW = { type: 'renew-asked', at: NOW, endsPause: true } as const
const NO_TOKEN = { status: 503, code: 'no-token' } as const
const UNREPLACED = { status: 403, rejected: 'unreplaced' } as const
const LONG_HOST = `proxy.example\u001B${'x'.repeat(100)}`

/** Calls 100 ms apart: first answered ones, then others. */
const mixed = (answered: number, call: Calls['call'], count: number): readonly Calls[] => [
  calls(OK, answered, 100, 100 * count),
  calls(call, count),
]

const seen = new Set<string>()
function findingsIn(scene: Scene): readonly Finding[] {
  const findings = adminOf(scene).findings()
  for (const { finding } of findings) seen.add(finding)
  return findings
}

/** `degraded login AuthenticationFailing expired`: the code without `IsalesProxy`. */
const textOf = ({ state, finding, code, cause: of, isOver }: Finding): string =>
  [state, finding, code.replace('IsalesProxy', ''), of?.code ?? '', isOver ? 'over' : '']
    .filter((part) => part !== '')
    .join(' ')

/** `3/5`, seconds, or the time of a date. */
function plain(value: Value): string | number | boolean {
  if (typeof value !== 'object') return value
  if ('part' in value) return `${value.part}/${value.of}`
  return 'seconds' in value ? value.seconds : value.at.slice(11, 19)
}
const factsOf = (finding: Finding | undefined) =>
  Object.fromEntries(
    [...(finding?.cause?.facts ?? []), ...(finding?.facts ?? [])].map(([name, value]) => [
      name,
      plain(value),
    ]),
  )

it.each<readonly [string, facts: object, readonly Calls[]]>([
  ['healthy healthy no-calls-yet', {}, []],
  ['healthy healthy healthy', { callsInMinute: 500, lastAnswered: '09:41:05' }, [calls(OK, 500)]],
  [
    'failing failed CallsFailing no-route',
    { lostCalls: '20/30', isales: 'isales.example:443' },
    mixed(10, DOWN, 20),
  ],
  ['degraded failed CallsLost no-route', { within: 5 }, mixed(10, DOWN, 10)],
  [
    'degraded failed CallsLost no-route over',
    { lostCalls: '40/140', within: 60, endedAt: '09:40:55' },
    [calls(DOWN, 40, 100, 10_000), calls(OK, 100, 90)],
  ],
  ['failing abandoned CallsFailing gave-up', {}, mixed(0, { status: 0, left: 'response' }, 9)],
  ['failing failed CallsFailing no-token', { loginTook: 4 }, mixed(0, NO_TOKEN, 9)],
  [
    'degraded declined CallsRejected call-declined',
    { declinedCalls: '6/11' },
    mixed(5, { status: 404 }, 6),
  ],
  [
    'degraded rejected CallsRejected call-rejected',
    { path: 'POST /obs/records' },
    mixed(5, FORBIDDEN, 5),
  ],
  // Every class has its finding, with its part of the lost calls.
  [
    'failing failed CallsFailing no-route, failing rejected CallsFailing call-rejected',
    { lostCalls: '15/20', failed: '9/20' },
    [calls(OK, 5, 100, 1500), calls(FORBIDDEN, 6, 100, 900), calls(DOWN, 9)],
  ],
  // Before the first answer: rejections next to another failure are not every call.
  [
    'failing rejected CallsFailing call-rejected, failing failed CallsFailing no-route',
    { rejected: '6/10' },
    [calls(FORBIDDEN, 6, 100, 400), calls(DOWN, 4)],
  ],
  ['failing declined CallsFailing not-json', {}, mixed(0, { ...OK, notJson: true }, 9)],
  ['degraded slow Latency', { slowCalls: '20/40' }, mixed(20, SLOW, 20)],
  ['failing refused CallsFailing double-slash', { path: 'POST //a' }, mixed(0, REFUSED, 3)],
  [
    'failing refused CallsFailing other-host',
    { host: String.raw`proxy.example\x1b` + 'x'.repeat(47) },
    mixed(0, { ...REFUSED, refusal: 'other-host', host: LONG_HOST }, 9),
  ],
  [
    'degraded stray NoClientGetsThrough tls-to-http',
    { turnedAway: 3 },
    mixed(0, { ...BYTES, refusal: 'tls-to-http' }, 3),
  ],
  [
    'degraded handshake NoClientGetsThrough not-trusted',
    { turnedAway: 3 },
    mixed(0, { ...BYTES, status: 0, handshake: 'not-trusted' }, 3),
  ],
  // Until the first call is answered, rejections concern the token.
  ['failing token-rejected CallsRejected token-rejected', { status: 403 }, mixed(0, FORBIDDEN, 2)],
])('calls are reported as %s, with %j', (finding, facts, list) => {
  const found = findingsIn({ calls: list })
  expect(found.map(textOf)).toEqual(finding.split(', '))
  expect(factsOf(found[0])).toMatchObject(facts)
})

const UNFIT = { detail: 'unfit-host' }
it.each([
  ['isales-proxy.example:8080', { host: 'isales-proxy.example' }],
  ['Obs_1.example.', { host: 'Obs_1.example.' }],
  // A part of the name would not match.
  [`${'x'.repeat(99)}.example`, { host: `${'x'.repeat(99)}.example` }],
  ['a,b', { host: 'a,b', ...UNFIT }],
  ['-a', { host: '-a', ...UNFIT }],
  ['a..b', { host: 'a..b', ...UNFIT }],
  ['x'.repeat(254), { host: 'x'.repeat(64), ...UNFIT }],
])('the refused host %s is shown for ALLOWED_HOSTS as %j', (host, facts) => {
  const refused = { ...REFUSED, refusal: 'other-host', target: '/a', host } as const
  const [found] = findingsIn({ calls: mixed(0, refused, 9) })
  const { detail, host: shown } = factsOf(found)
  expect({ host: shown, ...(detail !== undefined && { detail }) }).toEqual(facts)
})

const NONE = { token: undefined, usable: false } as const
type Backoff = TokenSnapshot['login']['kind']

const after = (backoff: Backoff, code: CauseCode, more?: Partial<AuthFailure>) => {
  const failure = authFailure('not-processed', code, more)
  return { login: loginOf(backoff, failure) }
}
const without = (backoff: Backoff, code: CauseCode) => ({ ...NONE, ...after(backoff, code) })
const EARLY = { certificate: { name: 'service.example', from: WALL + DAY, to: WALL + 9 * DAY } }
/** No refresh replaces a login. */
const DUE = { refreshable: false } as const

it.each<readonly [string, facts: object, Partial<TokenSnapshot>]>([
  ['healthy healthy no-calls-yet', {}, { request: 'refresh' }],
  ['starting waiting logging-in', {}, { ...NONE, request: 'login' }],
  ['unauthenticated waiting logging-in', {}, { usable: false, request: 'login' }],
  [
    'degraded login AuthenticationFailing connection-lost',
    { servesFor: 235 },
    after('transient', 'connection-lost'),
  ],
  [
    'unauthenticated login NotAuthenticated connection-lost',
    { nextAttempt: '09:44:05' },
    without('transient', 'connection-lost'),
  ],
  [
    'login-rejected login LoginRejected password',
    { servesFor: 235 },
    { ...DUE, ...after('rejected', 'password') },
  ],
  [
    'login-rejected login LoginRejected account',
    { rejectedToo: true },
    { rejected: true, usableFor: 0, ...after('rejected', 'account') },
  ],
  // The login-attempt record of the previous process.
  [
    'login-rejected login LoginRejected password',
    { operation: 'login', userFile: '/run/secrets/user' },
    {
      ...NONE,
      login: loginOf('login-pause', { cause: cause('password') }, { failures: 0, until: NOW }),
    },
  ],
  [
    'degraded clock ClockWrong not-yet-valid',
    { failedInRow: 4 },
    after('transient', 'not-yet-valid', EARLY),
  ],
  [
    'conflict conflict SessionConflict',
    { servesFor: 235 },
    { conflict: true, ...after('transient', 'connection-lost') },
  ],
  ['unauthenticated waiting logging-in', {}, { rejected: true, replacing: true }],
  [
    'failing token-rejected CallsRejected token-rejected',
    { tokenHeader: 'Authorization: Bearer {token}' },
    { rejected: true },
  ],
  // After a success, the operator of iSales explains the 500.
  [
    'login-rejected login LoginRejected business-later',
    {},
    { usable: false, ...after('rejected', 'business') },
  ],
  ['login-rejected login LoginRejected business', {}, without('rejected', 'business')],
  [
    'degraded refreshes-only refreshes-only password',
    { refreshTokenEnds: '10:40:05', pausedUntil: '09:44:05' },
    after('login-pause', 'password'),
  ],
])('the token is reported as %s, with %j', (finding, facts, snapshot) => {
  const found = findingsIn({ snapshot })
  expect(found.map(textOf)).toEqual(finding.split(', '))
  expect(factsOf(found[0])).toMatchObject(facts)
})

const SHARING = { reason: 'unreachable', since: NOW, code: undefined } as const
const ALONE: SharingSnapshot = { ...SHARING, state: 'local' }
const SHORT = granted({ token: tokenOf({ lifetime: { ms: 1000 } }) })
const SAME = granted({ token: tokenOf({ lifetime: { ms: 1000 } }), sameToken: true })
const refreshes = (failures: number, code: CauseCode = 'refresh-rejected') => {
  const last = { at: NOW, failure: authFailure('rejected', code) }
  return { refresh: { failures, notBefore: NOW, last } } as const
}
const unreadable = (setting: string) => ({ setting, code: 'empty-file', facts: [] }) as const
const NO_CALLS = 'healthy healthy no-calls-yet'
const DISK = { cause: cause('disk-full', 'disk'), detail: 'ENOSPC' }

const REPORTED: Readonly<Record<string, Scene>> = {
  'degraded lifetime LifetimeDoubtful long-lifetime': {
    events: [granted({ token: tokenOf({ lifetime: { ms: 300_000, doubt: 'too-long' } }) })],
  },
  // A token with a lifetime of 1 s is missing half of the time. A single one may be the rest of a longer one.
  'degraded lifetime LifetimeDoubtful short-lifetime': {
    events: [SHORT, SHORT],
    snapshot: { usable: false, request: 'login' },
  },
  'degraded refresh RefreshFailing refresh-path-unknown': {
    snapshot: refreshes(1, 'path-unknown'),
  },
  'degraded refresh RefreshFailing refresh-rejected': { snapshot: refreshes(3) },
  // Logins and refreshes fail by themselves, and the operator sees both.
  'login-rejected login LoginRejected password, degraded refresh RefreshFailing refresh-rejected': {
    snapshot: { ...after('login-pause', 'password'), ...refreshes(3) },
  },
  // A refused login explains more than a conflict.
  'login-rejected login LoginRejected password, conflict conflict SessionConflict': {
    snapshot: { ...after('login-pause', 'password'), ...DUE, conflict: true },
  },
  'degraded certificate certificate-expired': {
    certificates: { listener: WALL, ca: WALL + 99 * DAY },
  },
  'healthy certificate CertificateExpiresSoon, healthy healthy no-calls-yet': {
    certificates: { ca: WALL + 13 * DAY },
  },
  'degraded store SessionAlone store-unreachable': { sharing: ALONE },
  'degraded state StateUnusable disk-full': { storageError: DISK },
  'degraded lifetime LifetimeDoubtful other-status': { snapshot: { endingStatus: 419 } },
  'degraded rejected CallsRejected token-unsteady': {
    snapshot: { unsteady: true },
    calls: mixed(9, FORBIDDEN, 4),
  },
  // A stall is the cause of calls that end until 3 s later, and hides no other cause.
  'degraded process impaired stood-still, degraded abandoned CallsLost stood-still': {
    stall: 20_000,
    calls: mixed(9, { status: 0, left: 'response' }, 4),
  },
  // Calls may end before the late beat.
  'failing abandoned CallsFailing stood-still, degraded process impaired stood-still': {
    stall: 20_000,
    late: true,
    calls: mixed(0, { status: 0, left: 'response' }, 4),
  },
  'failing failed CallsFailing maintenance, degraded process impaired stood-still': {
    stall: 2001,
    calls: mixed(0, { status: 503 }, 9),
  },
  'degraded process impaired no-descriptors, degraded slow Latency': {
    calls: [
      calls(SLOW, 20),
      calls({ ...BYTES, code: 'overloaded', refusal: 'descriptors', isCaller: false }, 1),
    ],
  },
  'draining draining draining': {
    snapshot: { ...NONE, login: loginOf('login-pause') },
    draining: true,
    calls: mixed(0, DOWN, 9),
  },
  // The token is the headline of calls that are lost because of it.
  'unauthenticated login NotAuthenticated maintenance, degraded abandoned CallsLost gave-up, degraded failed CallsLost no-token':
    {
      snapshot: without('transient', 'maintenance'),
      calls: [calls(NO_TOKEN, 9), calls({ status: 0, left: 'response' }, 20)],
    },
  // Also calls that iSales rejects because no newer token comes, while the token is not yet known to be bad, and afterwards.
  'failing rejected CallsFailing no-token, degraded login AuthenticationFailing maintenance': {
    snapshot: { ...after('transient', 'maintenance') },
    calls: mixed(2, UNREPLACED, 9),
  },
  'unauthenticated login NotAuthenticated maintenance, degraded failed CallsLost no-token': {
    snapshot: { rejected: true, ...after('transient', 'maintenance') },
    calls: [calls(UNREPLACED, 9), calls(NO_TOKEN, 20)],
  },
  'degraded rejected CallsRejected no-token over': {
    calls: [calls(UNREPLACED, 9, 100, 6000), calls(OK, 9)],
  },
  'starting waiting logging-in, failing refused CallsFailing double-slash': {
    snapshot: { ...NONE, request: 'login' },
    calls: [calls(REFUSED, 9)],
  },
  // After `renew`, earlier rejections no longer count; calls that were lost otherwise do.
  'failing failed CallsFailing maintenance': {
    calls: [calls(FORBIDDEN, 9), calls({ status: 503 }, 2)],
    events: [RENEW],
  },
  // Replicas share the token, but not every one.
  'conflict conflict SessionConflict other-key-or-program': {
    snapshot: { conflict: true },
    sharing: { ...SHARING, state: 'shared' },
  },
  'conflict conflict SessionConflict, degraded certificate certificate-expired': {
    snapshot: { conflict: true },
    certificates: { client: WALL - 1 },
  },
}

it.each<readonly [expected: string, Scene]>([
  ...Object.entries(REPORTED),
  [NO_CALLS, { events: [SHORT, SAME, SAME] }],
  [NO_CALLS, { snapshot: refreshes(0, 'path-unknown') }],
  [NO_CALLS, { snapshot: refreshes(2) }],
  [NO_CALLS, { certificates: { ca: WALL + 15 * DAY } }],
  [NO_CALLS, { stall: 2000 }],
  ['healthy healthy healthy', { calls: mixed(9, FORBIDDEN, 9), events: [RENEW] }],
  ['healthy healthy healthy', { calls: mixed(9, UNREPLACED, 9), events: [RENEW] }],
])('%s is reported (row %#)', (expected, scene) => {
  expect(findingsIn(scene).map(textOf)).toEqual(expected.split(', '))
})

it('“every call” is said of the latest calls only', () => {
  const isEvery = (...list: readonly Calls[]) => findingsIn({ calls: list })[0]?.isEvery
  const rejected = calls(FORBIDDEN, 400, 100, 5100)
  expect(isEvery(calls(OK, 1, 100, 20_000), calls(FORBIDDEN, 90))).toBe(true)
  expect(isEvery(rejected, calls(OK, 49, 100))).toBe(false)
  expect(isEvery(rejected, calls(OK, 40, 100, 900), calls(FORBIDDEN, 1, 100, 100))).toBe(false)
})

it('the facts are about the last request, however frequent another one was', () => {
  const last = calls({ status: 403, target: '/obs/new' }, 9)
  const { findings } = adminOf({ calls: [calls(FORBIDDEN, 90, 10, 5100), last] })
  expect(factsOf(findings()[0])).toMatchObject({ path: 'POST /obs/new' })
})

it('each file has a finding with its setting', () => {
  const fileErrors = ['ISALES_PASSWORD_FILE', 'OBS_USER_FILE'].map(unreadable)
  const found = findingsIn({ fileErrors })
  expect(found.map(textOf)).toEqual(fileErrors.map(() => 'degraded files ReloadFailed empty-file'))
  expect(found.map(factsOf)).toEqual(fileErrors.map(({ setting }) => ({ setting })))
})

it('the tables above have every finding', () => {
  expect(FINDING_NAMES.filter((name) => !seen.has(name))).toEqual([])
})
