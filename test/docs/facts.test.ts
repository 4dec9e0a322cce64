// Numbers in pages, compared with the program, the alerts, the chart and the units.
import { expect, test } from 'vitest'
import { RULES as CALLS } from '../../src/admin/accounting.ts'
import { MIN_STALL, SHORT_LIFETIME } from '../../src/admin/activity.ts'
import { unreadiness } from '../../src/admin/admin-app.ts'
import { endsSoon } from '../../src/admin/diagnosis.ts'
import { SHORT_LIFETIME as SHORT_AT_CHECK } from '../../src/cli/live-check.ts'
import { EXIT } from '../../src/cli/io.ts'
import { SETTLES } from '../../src/cli/renew.ts'
import { CLASSES, PROBLEMS } from '../../src/codes.ts'
import { derivedSettings, SETTING_LIST, type ParsedSettings } from '../../src/config/settings.ts'
import { SERVED } from '../../src/messages/doc-sections.ts'
import { SLOW } from '../../src/request-summary.ts'
import { COMMAND_TIMEOUT } from '../../src/sharing/valkey.ts'
import { PROPAGATION_DELAY } from '../../src/token/account.ts'
import { MAX_DISK_WAIT } from '../../src/token/attempt-file.ts'
import * as isales from '../../src/token/isales-client.ts'
import * as guard from '../../src/token/login-guard.ts'
import * as tracker from '../../src/token/rejection-tracker.ts'
import * as pool from '../../src/upstream/pool.ts'
import { snapshot } from '../admin/token.ts'
import { authFailure } from '../support/failure.ts'
import { RULES } from '../token/support.ts'
import { ALERTS, ALERTS_FILE, read } from './pages.ts'

const [S, MIN, H, DAY] = [1000, 60_000, 3_600_000, 86_400_000]
const UNIT = 'config/systemd/isales-auth-proxy.service'
const [LOGIN, TICKETS] = ['src/client-auth/login.ts', 'src/client-auth/tickets.ts'] as const
const inOneLine = (page: string) => read(`docs/${page}.md`).replaceAll(/\s+/g, ' ')
/** Returns the numbers that a pattern finds in a file. */
const inFile = (file: string, pattern: RegExp) =>
  pattern.exec(read(file))?.slice(1).map(Number) ?? []
const given = { isalesLoginPath: '/auth/login', clientDeadline: 2800, maxInFlight: 1000 }
const derived = derivedSettings(given as ParsedSettings)
const defaultOf = (name: string) => SETTING_LIST.find((each) => each.name === name)?.default
/** Minutes of pause after so many attempts, or rejections. */
const pause = (attempts: number, rejections = 0, knownGoodUntil = -Infinity) =>
  guard.loginFrom(
    { ...guard.NO_ATTEMPTS, attempts, rejections, pauseFrom: 0, knownGoodUntil },
    RULES,
  ) / MIN
/** Minutes, for a `random` of almost 1. */
const longest = (kind: 'not-processed' | 'unknown') =>
  Math.round(guard.backoffAfter(authFailure(kind, 'timeout'), 'login', 99, 0.999_999) / S) / 60
const least = (found: (count: number) => boolean) => [1, 2, 3, 4, 5].find(found)
const AT = { rejectedAt: 0, unresolvedSince: 0, consecutiveSince: 0 }
const REJECTED = { ...tracker.NO_REJECTIONS, hasResult: true, ...AT }
const isShown = (consecutiveRejections: number, at: number) =>
  tracker.isRejected({ ...REJECTED, consecutiveRejections }, at)
const [inRow, allFor] = [least((count) => isShown(count, MIN)), least((s) => isShown(9, s * S))]
const helped = (count: number) => ({ ...REJECTED, helpedAt: Array<number>(count).fill(0) })
const conflict = least((count) => tracker.isConflict(helped(count), MIN - 1))
const problems = Object.values<{ readonly status: number; readonly failed?: string }>(PROBLEMS)
const refusals = problems.flatMap((each) => (each.failed ? [] : [each.status]))
const refused = refusals.toSorted((one, other) => one - other)
const period = ({ ms, calls, maxAge }: (typeof CALLS)['latest' | 'window']) =>
  [ms / S, calls, calls, maxAge / MIN] as const
const soon = [...Array(30).keys()].findLast((days) => endsSoon(days * DAY, 1))
const lost = CALLS.lost * 100

/** A page, a sentence with numbers, and their values. */
type Fact = readonly [page: string, pattern: RegExp, ...values: unknown[]]
// oxfmt-ignore
const FACTS: readonly Fact[] = [
  ['operations', /see the state (\d) s later/, SETTLES / S],
  ['operations', /costs up to (\d) more logins/, defaultOf('LOGIN_REJECTED_ATTEMPTS')],
  ['operations', /calls get (400) to (431) or (501)/, refused[0], refused.at(-2), refused.at(-1)],
  ['operations', /no complete response within (\d) s/, pool.LIMITS.loginTimeout / S],
  ['operations', /open connections for at most (\d) min/, pool.MAX_AGE / MIN],
  ['operations', /tries again within (\d+) s.*? up to (\d) min after (\d+) logins/, longest('not-processed') * 60, longest('unknown'), guard.MANY_FAILURES],
  ['operations', /\| (1) rejection, (2) rejections.*?\| (\d) s, (\d+) s \|/, 1, 2, pause(1, 1) * 60, pause(2, 2) * 60],
  ['operations', /\| (\d) rejections \(`LOGIN.*?\| (\d+) min, then every (\d) h/, RULES.loginRejectedAttempts, pause(3, 3), pause(4, 4) / 60],
  ['operations', /\| (\d) s, (\d+) s \((\d+) s if .*?\), ([\d.]+) min, ([\d.]+) min, then every (\d) min/, pause(1) * 60, pause(2) * 60, pause(2, 0, DAY) * 60, pause(3), pause(4), pause(5)],
  ['operations', /never cause more than (\d) logins in (\d+) min/, guard.MAX_ATTEMPTS, pause(3, 3)],
  ['operations', /its target within the last (60) min.*?silence the alert for (\d) h/, 60, ...inFile(ALERTS_FILE, /up\{[^}]*\}\[(\d)h\]/)],
  ['operations', /Fires\*\* after (\d) restarts within (\d+) min/, ...inFile(ALERTS_FILE, /\[(15)m\]\) >= (\d)/).toReversed()],
  ['operations', /The token expires within (\d) min\..*?within (\d) min before the token expires/, ...inFile(ALERTS_FILE, /usable_seconds < (\d+)[^]*?usable_seconds < (\d+)/).map((each) => each / 60)],
  ['operations', /when (\d) refreshes failed/, ...inFile('src/admin/diagnosis.ts', /MIN_REFRESHES = (\d)/)],
  ['operations', /when (\d) renewals within (\d) min each.*? for (\d+) min afterwards/, conflict, 1, ...inFile(ALERTS_FILE, /session_conflicts_total\[(\d+)m\]/)],
  ['operations', /At least (\d) % of the calls got no usable.*?(\d) % of the calls take longer than (\d) s.*?less than (\d) % of the calls were lost/, lost, CLASSES.slow.share * 100, SLOW / S, lost],
  ['operations', /all calls take longer than (\d) s/, SLOW / S],
  ['operations', /calls took longer than (\d) s.\*\* CTI-OBS stops waiting after (\d) s/, SLOW / S, ...inFile('src/config/rules.ts', /clientDeadline >= (\d)000/)],
  ['operations', /The next login, within (\d+) s/, longest('not-processed') * 60],
  ['operations', /more than (\d+) h, or less than (\d) s for (2) tokens.*?warns below (\d+) s/, isales.MAX_LIFETIME / H, SHORT_LIFETIME / S, 2, SHORT_AT_CHECK / S],
  ['operations', /no call was answered within the last (\d+) s/, CALLS.lockedOut.ms / S],
  ['operations', /certificate expires within (\d+) days.*?expires within (\d) days/, soon, ...inFile(ALERTS_FILE, /< (\d) \* 86400/)],
  ['metrics', /assumed_total.*?: (\d) min are assumed/, isales.DEFAULT_LIFETIME / MIN],
  ['metrics', /Alerts begin (\d+) days ahead/, soon],
  ['metrics', /CTI-OBS stops waiting after (\d) s/, ...inFile('src/config/rules.ts', /clientDeadline >= (\d)000/)],
  ['metrics', /An operation fails after ([\d.]+) s/, COMMAND_TIMEOUT / S],
  ['metrics', /not be written within (\d) s/, MAX_DISK_WAIT / S],
  ['metrics', /calls hold (\d+) .*?Up to (\d) more are for/, derived.isalesMaxConnections, pool.AUTH_CONNECTIONS],
  ['metrics', /began more than (\d) s after/, SLOW / S],
  ['metrics', /of the last (\d) s; if these are fewer than (\d), the last (\d) calls, none older than (\d+) min. .*? last (\d+) s; if these are fewer than (\d+), the last (\d+) calls, none older than (\d+) min/, ...period(CALLS.latest), ...period(CALLS.window)],
  ['metrics', /`healthy` \| Less than (\d) %.*?At least (\d) calls are lost, and these are (\d) %.*? or (\d+) % are declined/, lost, CALLS.least, lost, CLASSES.declined.share * 100],
  ['metrics', /loses at least (\d+) % of the lost calls/, CALLS.part * 100],
  ['metrics', /gets through: (\d) connections .*? within (\d+) s\. Or at least (\d) calls and connections ended in the last (\d) s/, CALLS.turnedAway.count, CALLS.turnedAway.noAnswer / S, CALLS.lockedOut.count, CALLS.lockedOut.ms / S],
  ['metrics', /stood still for more than (\d) s within the last (60) s/, MIN_STALL / S, 60],
  ['metrics', /at least (\d) are declined, and (\d+) % lost/, CALLS.least, CALLS.every * 100],
  ['metrics', /At least (\d) latest calls are lost, and more than (\d+) %.*? the last (\d) calls.*? the last (\d) s/, CALLS.least, CALLS.failing * 100, inRow, allFor],
  ['metrics', /Refused calls alone .*? for (\d+) min, or if (\d+) were refused within (60) s/, CALLS.refused.ms / MIN, CALLS.refused.calls, 60],
  ['metrics', /count for at most (\d+) min\. .*? after (\d+) s without a call/, tracker.REJECTED_FOR / MIN, tracker.UNUSED_FOR / S],
  ['metrics', /user: (\d) tokens within (\d+) s/, conflict, 60],
  ['commands', /lives for less than (\d+) s/, SHORT_AT_CHECK / S],
  ['errors', /exceed (\d+) MiB in total/, ...inFile('src/proxy/body.ts', /= (\d+) \* 1024 \* 1024/)],
  ['configuration', /in flight have (\d+) s to finish/, derived.drainTimeout / S],
  ['log', /exits with (\d), or with (\d) if the socket unit/, EXIT.failed, EXIT.usage],
  ['reliability', /up to (\d+) s, or (\d) min after (\d+) logins/, longest('not-processed') * 60, longest('unknown'), guard.MANY_FAILURES],
  ['reliability', /the next renewal, up to (\d+) s later/, ...inFile('src/token/rejection-tracker.ts', /MAX_RENEWAL_INTERVAL = (\d+)_000/)],
  ['reliability', /again until (\d+) % of its deadline/, ...inFile('src/proxy/forward.ts', /SEND_WITHIN = 0\.(\d+)/)],
  ['reliability', /at most (\d) logins in any (\d+) minutes/, guard.MAX_ATTEMPTS, pause(3, 3)],
  ['reliability', /less than (\d) % of the/, lost],
  ['reliability', /It takes no memory beyond (\d+) MiB/, ...inFile(UNIT, /MemoryMax=(\d+)M/)],
  ['security', /at most (\d) wrong passwords per second.*? at most (\d) KiB of a login/, ...inFile(LOGIN, /RATE = (\d)/), ...inFile('src/client-auth/index.ts', /MAX_BODY = (\d)048/)],
  ['security', /Refreshes end (\d+) h after/, ...inFile(TICKETS, /MAX_SESSION = (\d+) /)],
  ['security', /if (\d) MiB, or the rest, take more than (\d) s/, ...inFile('src/proxy/relay.ts', /PIECE = (\d) [^]*MAX_WAIT = (\d) /)],
  ['security', /stays open until ([\d,]+) are open/, derived.listenMaxConnections.toLocaleString('en')],
  ['cti-obs', /valid for (\d) h, .*? ticket for (\d+) h.*? than (\d+) h after/, ...inFile(TICKETS, /ACCESS_SECONDS = (\d+)/).map((each) => each / 3600), ...inFile(TICKETS, /FACTOR = (\d+)/), ...inFile(TICKETS, /MAX_SESSION = (\d+) /)],
  ['cti-obs', /at most (\d) wrong passwords.*? while (\d+) others wait/, ...inFile(LOGIN, /RATE = (\d)[^]*MAX_WAITING = (\d+)/)],
  ['sharing', /After (\d) s without a renewal of the lease.*? within ([\d.]+) s of its grant/, ...inFile('src/token/account.ts', /LEASE_DURATION = (\d)/), PROPAGATION_DELAY / S],
  ['sharing', /write more than (\d+) KiB/, ...inFile('src/sharing/sealer.ts', /MAX_VALUE = (\d+) /)],
  ['endpoints', /the last (\d+) kinds of/, ...inFile('src/admin/activity.ts', /MAX_FAILED = (\d+)/)],
  ['kubernetes-operating', /`DRAIN_DELAY` \((\d) s\)/, ...inFile('helm/isales-auth-proxy/templates/_settings.tpl', /DRAIN_DELAY: (\d)s/)],
  ['vm-advanced', /restarts the service after (\d) s. After (\d) starts within (\d+) s/, ...inFile(UNIT, /\nRestartSec=(\d)/), ...inFile(UNIT, /Burst=(\d)/), ...inFile(UNIT, /IntervalSec=(\d+)/)],
  ['dev/architecture', /the rarer they become, up to (\d+) s apart/, ...inFile('src/token/rejection-tracker.ts', /MAX_RENEWAL_INTERVAL = (\d+)_000/)],
  ...ALERTS.filter((rule) => rule.for !== undefined).map((rule): Fact => [
    'operations',
    new RegExp(`### ${rule.alert} (?:(?!###).)*?\\*\\*Fires\\*\\* (?:(?!###).)*?(?:after|lasted) (\\d+ (?:s|min))`),
    rule.for?.replace('m', ' min').replace('s', ' s'),
  ]),
]

const facts = FACTS.map(([page, pattern, ...values]) => ({ page, pattern, values }))

test.each(facts)('docs/$page.md says $pattern', ({ page, pattern, values }) => {
  expect(pattern.exec(inOneLine(page))?.slice(1)).toEqual(values.map(String))
})

const PAGES = ['operations', 'metrics']
/** Numbers, except for statuses of HTTP, 0 and 1 of gauges, and 1970. */
const NUMBER =
  /(?<![\w.])(?!(?:[01]|[45]\d\d|[45]xx|200|1970)(?![\w.]*\d))\d[\d.,]*(?<=\d)|\b(?:two|three|ten|twenty)\b/g

test.each(PAGES)('docs/%s.md has no other number outside of backquotes and labels', (page) => {
  const text = inOneLine(page)
  const known = facts.flatMap(({ page: on, pattern }) => {
    const { indices = [] } = (on === page && new RegExp(pattern, 'd').exec(text)) || {}
    return indices.slice(1).map((each) => each?.[0])
  })
  const code = /`[^`]*`(?:: [\w, -]+)?|\]\([^)]*\)/g
  const plain = text.replaceAll(code, (each) => ' '.repeat(each.length))
  const others = [...plain.matchAll(NUMBER)].filter(({ index }) => !new Set(known).has(index))
  expect(others.map(({ index }) => plain.slice(index - 30, index + 20))).toEqual([])
})

test.each(PAGES)('docs/%s.zh-CN.md has the numbers of the English page', (page) => {
  const numbersOf = (file: string) =>
    Array.from(read(file).split(/^(?=#+ |\| )/m), (part) => part.match(/\d[\d.]*(?<=\d)/g)?.sort())
  expect(numbersOf(`docs/${page}.zh-CN.md`)).toEqual(numbersOf(`docs/${page}.md`))
})

test('docs/endpoints.md names the paths and pages of the admin port, and says when the proxy is ready', () => {
  const page = read('docs/endpoints.md')
  const found = (text: string, pattern: RegExp) =>
    Array.from(text.matchAll(pattern), ([, path = '']) => path.replace(/PAGE.md$/, ':page')).sort()
  const routes = found(read('src/admin/admin-app.ts'), /app\.get\('([^']+)'/g)
  expect(found(page, /^\| `(\/[^`]*)` \|/gm)).toEqual(routes)
  expect(page).toContain(`documentation: ${SERVED.join(', ')};`)

  expect(page).toContain('a token that has not expired, even if iSales rejects it; otherwise, and')
  const open = { listening: true, draining: false }
  expect(unreadiness(open, snapshot({ usable: true, rejected: true }))).toBeUndefined()
})
