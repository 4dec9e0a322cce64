// Properties, checked by the clients' side and the wire. Each property has the tolerance that its text gives.
import type { Outcome } from './clients.ts'
import { concernsAll } from './faults.ts'
import { is, type Sample, type Shown } from './observe.ts'
import type { Record } from './play.ts'
import type { ActiveFault } from './settings.ts'

type Found = Generator<readonly [at: number, text: string]>

/** Milliseconds of the window that a look is compared with, of what the page counts at least, and of the half-second around a stall. */
const WINDOW = 6000
const COUNTED = 4500
const HALF_SECOND = 500

const PROPERTIES: Readonly<{ [name: string]: (record: Record) => Found }> = {
  /** 1. More than 1 in 20 calls lost, also of its last 4.5 s, and at least 10, in a window that ends with one: a finding. */
  *lost(record) {
    yield* inARow(record, [0, record.to], (sample) => {
      const { lost, turned, useless, all } = windowAt(record, sample.at)
      const isLockedOut = all.length >= 5 && lost.length + turned.length === all.length
      const gone = isLockedOut ? all : lost
      const isRecent = gone.some(({ at }) => at >= sample.at - 1000)
      const isShown = sample.state !== 'healthy' && sample.current.length > 0
      const counted = windowAt(record, sample.at, COUNTED)
      // Refused calls alone may be of an unknown client.
      const refused = lost.filter(({ sent, status, code }) =>
        sent === '' ? status === 401 && code === '' : sent === 'no' && status < 500,
      )
      const isUseless = all.length >= 10 && lost.length + useless.length === all.length
      if (isUseless && refused.length < all.length && !is.critical(sample))
        return `${sample.state}: all ${all.length} calls lost or useless`
      const isRare = !isLockedOut && counted.lost.length <= counted.all.length / 20
      if (isShown || isRare || !isRecent || !isMany(gone, all)) return undefined
      return `${sample.state}: ${lost.length} of ${all.length} lost, ${turned.length} turned away`
    })
  },

  /**
   * 2. The cause is one of the faults. From 6 s on, the headline explains a fifth of the lost calls, and no fault is hidden
   * that explains three fifths. After a headline about the token, the next finding may be the one that does.
   */
  *cause(record) {
    const { plan, outcomes, faultsAt, faultsEnd, to } = record
    const areSlow = outcomes.filter(({ at, startedAt }) => at - startedAt > 1900).length > 1
    const isTrue = (each: Shown, now: number): boolean =>
      plan.faults.some(({ codes }) => codes.includes(each.name)) ||
      (is.ofSlow(each) && areSlow) ||
      // The first calls of a fault whose later calls get 503.
      (each.name === 'call-rejected' &&
        windowAt(record, now).lost.some(({ status }) => status === 403))
    yield* inARow(record, [faultsAt, to], (sample) => {
      const wrong = sample.current.find((each) => !isTrue(each, sample.at))
      return wrong && `names ${wrong.name}, which is none of the faults`
    })
    yield* inARow(record, [faultsAt + WINDOW, faultsEnd], ({ at, current: shown }) => {
      const { lost, all } = windowAt(record, at)
      const counted = windowAt(record, at, COUNTED)
      if (!isMany(lost, all) || !isMany(counted.lost, counted.all)) return undefined
      const explained = ({ name }: Shown): number => {
        const by = plan.faults.filter(({ codes }) => codes.includes(name))
        // A call without a fault of its own is lost by any that concerns all.
        const ofAll = by.some(concernsAll)
        return lost.filter(({ fault }) => (fault ? by.includes(fault) : ofAll)).length
      }
      const next = shown.findIndex((each) => !is.ofToken(each))
      const headlines = shown.filter((_, nth) => nth === 0 || nth === next)
      const most = Math.max(0, ...headlines.map(explained))
      const said = `names ${headlines.map(({ name }) => name).join(' ')}`
      if (most < lost.length / 5) return `${said}: explains ${most} of ${lost.length} lost calls`
      const answered = all.filter(({ kind }) => kind === 'answered' || kind === 'declined')
      if (shown.some(is.tokenRejected) && answered.length > 0.2 * all.length)
        return `says "every call" with ${answered.length} of ${all.length} answered`
      const isMost = (by: ActiveFault, of: readonly Outcome[]): boolean =>
        of.filter(({ fault }) => fault === by).length >= 0.6 * of.length
      const hidden = plan.faults
        .filter((fault) => isMost(fault, lost) && isMost(fault, counted.lost))
        .find(({ codes }) => !shown.some(({ name }) => codes.includes(name)))
      return hidden && `${said}: hides ${hidden.name}`
    })
    for (const fault of plan.faults)
      yield* inARow(record, [faultsAt + (fault.shownAfter ?? Infinity), faultsEnd], (sample) => {
        const { shows = fault.codes } = fault
        const { lost, all } = windowAt(record, sample.at, COUNTED)
        // A replay may save every call that a node rejects, and another fault may lose all.
        const its = lost.filter((one) => one.fault === fault)
        const isSaved = fault.side === 'node' && !isMany(its, all)
        const isShown = sample.findings.some(({ name }) => shows.includes(name))
        return isShown || isSaved ? undefined : `does not show ${fault.name}`
      })
  },

  /** 3. While iSales rejects the login: cause and end of the pause are the login's, also while refreshes fail. */
  *pause(record) {
    const { requests, plan, operated, to } = record
    const { at: wrongAt = Infinity, fault } = requests.find(isWrongLogin) ?? {}
    const granted = requests.find((one) => one.at > wrongAt && one.kind === 'login' && !one.fault)
    yield* inARow(record, [wrongAt + 1500, granted?.at ?? to], (sample) => {
      // An operator has just ended the pause.
      const isAsked = operated.some(({ at }) => at < sample.at && at > sample.at - 5000)
      const shown = sample.current.filter(is.ofLogin)
      const other = shown.find(({ name }) => fault?.codes.includes(name) === false)
      if (other !== undefined) return `shows ${other.name} for the login that iSales rejected`
      if (shown.length === 0) return isAsked ? undefined : 'shows no login that iSales rejected'
      const isTold = 'changedAt' in Object.fromEntries(shown[0]?.facts ?? [])
      if (fault?.side === 'file' && !isTold) return 'does not say that the file has changed'
      const paused = (shown[0]?.pausedUntil ?? Infinity) - wrongAt
      if (isAsked || plan.settings.attempts !== '1' || paused >= 60_000) return undefined
      return `says that the pause ends ${seconds(paused)} after the login`
    })
  },

  /** 4. A finding about calls ends, also about the token when a call with a newer one is accepted. An operator's login is sent within 5 s. */
  *ends(record) {
    const { plan, faultsAt, faultsEnd, to, calls, outcomes, requests, operated } = record
    const dead = plan.faults.find(({ rejection }) => rejection)
    const late = outcomes.find(({ code, at }) => code === dead?.name && at > faultsAt + 10_000)
    if (late) yield [late.at, `a call still gets ${late.status} for an ended token`]
    const lastLost = Math.max(faultsEnd, ...outcomes.filter(isLost).map(({ at }) => at))
    yield* inARow(record, [lastLost + 7000, to], (sample) => {
      const still = sample.current.find(is.ofCalls)
      return still && `says ${still.name} still 7 s after the last lost call`
    })
    for (const { at, by } of operated) {
      const before = usable(record).findLast((sample) => sample.at < at)
      const { pausedUntil = 0 } = before?.current.find(is.ofLogin) ?? {}
      // Where a token serves, `renew` sends nothing.
      const isPaused = !before?.authenticated && pausedUntil > at + 5000 && pausedUntil < Infinity
      const isDue = by === 'file' || (isPaused && requests.filter(isWrongLogin).length < 4)
      const sent = requests.find((one) => one.kind === 'login' && one.at > at)?.at ?? Infinity
      const isLate = sent >= at + 5000 && !isStalled(record, at, at + 5000)
      if (isDue && isLate && at + 5000 < to)
        yield [at, `no login within 5 s of the operator's ${by}`]
    }
    const { at: rightAt = Infinity } = operated.findLast(({ by }) => by === 'file') ?? {}
    yield* inARow(record, [rightAt + 5000, to], (sample) => {
      const still = sample.current.find(is.ofLogin)
      return still && `says ${still.name} still 5 s after the right password`
    })
    const last = calls.findLast(({ accepted }) => !accepted) ?? { at: 0, token: Infinity }
    const newer = calls.find((one) => one.accepted && one.at > last.at && one.token > last.token)
    yield* inARow(record, [(newer?.at ?? Infinity) + 1000, to], (sample) => {
      const isSaid = !sample.authenticated && !sample.current.some(is.ofToken)
      if (!isSaid && !sample.current.some(is.tokenRejected)) return undefined
      return 'says that the token is rejected after a call with a newer one is accepted'
    })
  },

  /** 5. No false alarm without faults. */
  *alarm(record) {
    const end = record.plan.faults.length === 0 ? record.to : record.faultsAt
    yield* inARow(record, [0, end], ({ state, findings: [first] }) => {
      if (state === 'healthy' && first === undefined) return undefined
      return `${state}, ${first?.name}, without a fault`
    })
  },

  /** 6. Every request is counted once, in its class. If its client knows no outcome, it may be counted in any. */
  *counted({ outcomes, counted, to }) {
    const mine = outcomes.map(classOf)
    const unsure = mine.filter((each) => each === undefined).length
    for (const [name, ...names] of CLASSES) {
      const rows = counted.filter(({ outcome = '' }) => names.includes(outcome))
      const theirs = rows.reduce((sum, { count }) => sum + count, 0)
      const number = mine.filter((each) => each === name).length
      // Not every connection without a request is counted.
      if ((theirs < number && name !== 'turned') || theirs > number + unsure)
        yield [to, `${theirs} ${name} counted; by the clients ${number} to ${number + unsure}`]
    }
  },

  /** 7. All readers agree, and no secret is in any. */
  *readers({ differences, leaks, to, logged, samples, stalls, plan }) {
    for (const text of differences) yield [to, text]
    for (const [where] of leaks) yield [to, `a secret is in the ${where}`]
    // A fault that comes and goes may be over at every look.
    const shown: string[] = samples.flatMap(({ findings }) => findings.map(({ name }) => name))
    shown.push(...plan.faults.flatMap(({ codes }) => codes))
    for (const logs of stalls.length === 0 ? logged : [])
      if (!shown.includes(logs)) yield [to, `the log names ${logs}, the status never`]
  },

  /** 8. Innocent calls pass: the faults of others, a token that ends, and a port that is closed for 1 s cost none. */
  *innocent(record) {
    const { outcomes, plan, faultsAt, faultsEnd, counted, to } = record
    const deadline = 1000 * Number.parseFloat(plan.settings.deadline)
    for (const { count, cause } of counted)
      if (cause === 'pipelined' && count > 0) yield [to, `${count} requests refused as pipelined`]
    const has = (fault: string): boolean => plan.faults.some(({ name }) => name === fault)
    const mayCost = (fault: ActiveFault): boolean =>
      concernsAll(fault) && fault.side !== 'refresh' && fault.name !== 'port-closed'
    const spares = !plan.faults.some(mayCost)
    for (const each of outcomes) {
      const { kind, detail, status, fault, startedAt, at } = each
      if (isStalled(record, startedAt, at) || fault?.misdeed?.kind === 'leave') continue
      const what = `${detail || each.code} ${status} after ${seconds(at - startedAt)}`
      const isChanged =
        has('obs-password-file') && startedAt > faultsAt && startedAt < faultsEnd + 5000
      if (kind === 'login' && detail !== 'wrong' && status !== 200 && !isChanged)
        yield [at, `a right login of CTI-OBS gets ${status}`]
      if (kind === 'login' || kind === 'turned' || kind === 'stray') continue
      if (status === 0) yield [at, `no response: ${what}`]
      else if (at - startedAt > deadline + HALF_SECOND) yield [at, `too late: ${what}`]
      else if (kind !== 'lost' || fault !== undefined) continue
      else if (at < faultsAt) yield [at, `lost before any fault: ${what}`]
      else if (spares && startedAt > faultsEnd + 5000) yield [at, `lost 5 s after faults: ${what}`]
      else if (!spares || startedAt >= faultsEnd) continue
      // A call that was written when the port closed may have been executed.
      else if (!has('port-closed') || each.sent !== 'unknown')
        yield [at, `innocent, and lost: ${what}`]
    }
  },

  /** 10. At most four wrong logins, and 25 token requests per minute, or 40 if iSales ends tokens; of short tokens any number. */
  *account({ requests, to, plan }) {
    const wrong = requests.filter(isWrongLogin).length
    if (wrong > 4) yield [to, `${wrong} logins with a wrong password`]
    const ends = plan.faults.some(({ name, group }) => name === 'revoked' || group === 'rejects')
    if (requests.length > (ends ? 40 : 25) && plan.settings.life !== '6')
      yield [to, `${requests.length} token requests within 30 s`]
  },
}

/** Returns what is wrong, in milliseconds since the faults began. Texts that differ in their numbers only are one finding. */
export function judge(record: Record) {
  const found = new Map<string, Readonly<{ property: string; at: number; text: string }>>()
  for (const [property, check] of Object.entries(PROPERTIES))
    for (const [at, text] of check(record)) {
      const key = `${property} ${text.replaceAll(/[\d.]+/g, '#')}`
      if (!found.has(key)) found.set(key, { property, at: at - record.faultsAt, text })
    }
  return [...found.values()]
}

/** Looks that count: none near a stall. */
export const usable = (record: Record): Sample[] =>
  record.samples.filter(({ at }) => !isStalled(record, at, at))

type Check = (sample: Sample) => string | undefined
/** Yields what is wrong at two looks in a row: a call may end while a look is on its way. */
function* inARow(record: Record, [from, to]: readonly [number, number], check: Check): Found {
  let before: string | undefined
  for (const sample of usable(record).filter(({ at }) => at >= from && at <= to)) {
    const text = check(sample)
    if (text !== undefined && before !== undefined) yield [sample.at, text]
    before = text
  }
}

const isStalled = ({ stalls }: Record, from: number, to: number): boolean =>
  stalls.some((at) => at > from - HALF_SECOND && at < to + HALF_SECOND)
/** Kinds of outcomes at the clients, each with the outcomes of `requests_total` for it. */
// oxfmt-ignore
const CLASSES: readonly (readonly string[])[] = [
  ['answered', 'answered', 'slow'], ['declined', 'declined'], ['granted', 'granted'],
  ['lost', 'failed', 'rejected', 'refused', 'abandoned'], ['turned', 'handshake', 'stray'],
]
function classOf(outcome: Outcome): string | undefined {
  const { kind, status } = outcome
  if (isStranger(outcome) || (status === 0 && kind !== 'turned')) return undefined
  return kind !== 'login' ? kind : status === 200 ? 'granted' : 'lost'
}
/** Excluded: an unknown client may have sent a GET that the proxy refuses. */
const isStranger = ({ status, code, isPost }: Outcome): boolean =>
  status === 401 && code === '' && !isPost
const isLost = (one: Outcome): boolean => one.kind === 'lost' && !isStranger(one)
const isMany = (lost: readonly Outcome[], all: readonly Outcome[]): boolean =>
  lost.length >= 10 && lost.length > all.length / 20
const isWrongLogin = ({ kind, fault }: Record['requests'][number]): boolean =>
  kind === 'login' && /^(?:login-(?:401|403|500|result)|password-file)$/.test(fault?.name ?? '')
const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`

/** Calls of the window that ends at an instant, with the callers who were turned away. */
function windowAt({ outcomes, operated, requests }: Record, now: number, ms = WINDOW) {
  const during = outcomes.filter(({ at }) => at > now - ms && at <= now)
  const all = during.filter(({ kind }) => kind !== 'login' && kind !== 'stray')
  // Excluded: calls that iSales rejected before `renew`, or before the token that follows it.
  const renewed = operated.findLast(({ by, at }) => by === 'SIGHUP' && at <= now) ?? { at: 0 }
  const { at: end } = requests.find(({ at, fault }) => !fault && at > renewed.at) ?? renewed
  const isForgotten = ({ fault, at }: Outcome): boolean => fault?.group === 'rejects' && at < end
  const lost = all.filter((one) => isLost(one) && !isForgotten(one))
  const of = (name: Outcome['kind']) => all.filter(({ kind }) => kind === name)
  return { all, lost, turned: of('turned'), useless: of('declined') }
}
