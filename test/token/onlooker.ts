import type { AuthFailure, Operation } from '../../src/token/protocol.ts'
import { BACKOFF_STATES } from '../../src/token/events.ts'
import { judgeRejection, type RejectionVerdict } from '../../src/token/rejection.ts'
import { next, step } from '../../src/token/renewal.ts'
import { firstRenewal, outageBudget, sendable, type RenewalEvent } from '../../src/token/state.ts'
import type { Happening } from './happenings.ts'
import { answered, grant, RULES, START, type GrantOptions } from './support.ts'

/** The token that was granted last. */
interface Token {
  /** It may be sent until then. */
  readonly until: number
  accepted: boolean
  /** A rejection of it counted. */
  reported: boolean
  /** That rejection ended it. */
  ended: boolean
}

const DAY = 24 * 3_600_000
const LONGEST_WAIT = Math.max(DAY, RULES.rejectedPause)

/**
 * Drives the rules as the keeper does and looks on, knowing only what was granted, what was reported and the time;
 * says in other words than the rules what must hold, and notes what does not.
 */
export function onlook() {
  const broken: string[] = []
  let state = firstRenewal(START)
  let now = START
  /** The attempt that began last. */
  let attempt = { operation: 'login' as Operation, startedAt: START, credentials: 0 }
  let credentials = 0
  let token: Token | undefined
  let generation = 0
  /** When logins with the present credentials were refused, since the last grant. */
  let refusedAt: number[] = []
  /** No refresh until the next login has succeeded. */
  let noRefresh = true
  let refreshUntil = 0
  let pathMissing = false
  let boughtAt = -Infinity
  let conflictUntil = -Infinity
  let reports: number[] = []
  let heldUntil = 0
  /** When a login with credentials that had been refused last ended. */
  let sparedAt = 0

  const must = (holds: boolean, sentence: string): void => {
    if (!holds) broken.push(`${sentence} (after ${now - START} ms)`)
  }

  const apply = (event: RenewalEvent, random: number): void => {
    state = step(state, event, RULES, { now, random })
  }

  /** Begins an exchange when the rules say that one is due, as the keeper's timer does. */
  const beginWhenDue = (): void => {
    const action = next(state, RULES, now)
    if (action.do === 'wait') return
    const { operation } = action
    must(state.exchange === undefined, 'at most one exchange is under way')
    if (operation === 'refresh') {
      must(!noRefresh && !pathMissing, 'no refresh after one that failed, before a login')
      must(now < refreshUntil, 'no refresh with a token that has ended')
    } else {
      const lately = refusedAt.filter((at) => now - at < RULES.rejectedPause)
      must(lately.length < RULES.rejectedAttempts, 'refused credentials are spared')
      must(now - sparedAt >= 5000, 'refused credentials are not tried again soon')
    }
    must(now >= heldUntil, 'a hold-off is not cut short')
    attempt = { operation, startedAt: now, credentials }
    apply({ type: 'started', operation }, 0)
  }

  const granted = (options: GrantOptions, random: number): void => {
    const before = state.session
    apply(answered(grant(options)), random)
    if (state.session === before) {
      const same = before?.token.reveal() === options.token && token?.reported === true
      must(attempt.operation === 'refresh' && same, 'a grant is taken')
      noRefresh = true
      return
    }
    if (token?.reported === true) boughtAt = now
    const life = (options.lives ?? 300) * 1000
    const until = attempt.startedAt + life - Math.min(5000, life / 10)
    token = { until, accepted: false, reported: false, ended: false }
    generation += 1
    refusedAt = []
    sparedAt = 0
    heldUntil = 0
    const keepsOld = options.refreshToken === null && attempt.operation === 'refresh'
    noRefresh = (options.refreshToken === null && !keepsOld) || attempt.credentials !== credentials
    if (!keepsOld) refreshUntil = attempt.startedAt + (options.refreshLives ?? Infinity) * 1000
    const soonest = attempt.credentials === credentials ? attempt.startedAt + 1000 : now
    must(state.nextAt >= soonest, 'at most one exchange a second')
    must(state.nextAt <= Math.max(until, soonest), 'renewed before its last use')
  }

  const failed = (failure: AuthFailure, random: number): void => {
    apply(answered(failure), random)
    const own = attempt.credentials === credentials
    if (attempt.operation === 'refresh') {
      noRefresh = true
      if (own && (failure.status === 404 || failure.status === 405)) pathMissing = true
    } else if (own && (failure.reason === 'rejected' || failure.reason === 'result')) {
      refusedAt.push(now)
    }
    if (refusedAt.length > 0) sparedAt = now
    must(own || state.nextAt <= Math.max(now, heldUntil), 'new credentials are tried at once')
  }

  const verdictOn = (reported: number): RejectionVerdict => {
    if (token === undefined || reported !== generation || now >= token.until) return 'stale'
    if (token.reported) return 'known'
    const early = reports.filter((at) => now - at < 60_000).length
    if (!token.accepted && now - boughtAt < 30_000) {
      return now < conflictUntil ? 'hold' : 'relay'
    }
    return early >= 2 ? 'hold' : 'replace'
  }

  const rejected = (reported: number, random: number): void => {
    const expected = verdictOn(reported)
    must(judgeRejection(state, reported, RULES, now) === expected, `the verdict is ${expected}`)
    const { nextAt, backoff } = state
    apply({ type: 'rejected', generation: reported }, random)
    if (token === undefined || (expected !== 'replace' && expected !== 'hold')) {
      must(state.nextAt === nextAt, 'a rejection that does not count changes no plan')
      return
    }
    token.reported = true
    token.ended = expected === 'replace'
    if (expected === 'hold') {
      heldUntil = state.nextAt
      conflictUntil = now + 5000 + random * 55_000 + 60_000
    }
    reports = [...reports.slice(-5), now]
    const protects = backoff !== 'none' && backoff !== 'conflict'
    must(state.nextAt >= nextAt || !protects, 'a rejection cuts no back-off short')
    // Not a difference: it is rounded, and the shortest hold-off is exact.
    must(expected === 'replace' || state.nextAt >= now + 5000, 'a conflict is held off')
  }

  const accepted = (random: number): void => {
    if (token !== undefined) token.accepted = true
    apply({ type: 'accepted', generation }, random)
  }

  const check = (): void => {
    const good = token !== undefined && now < token.until && !token.ended
    const sent = sendable(state, now)?.generation
    must(sent === undefined || good, 'no token is sent that has ended or was rejected')
    must(!good || sent === generation, 'a good token is always sent')
    const budget = good && token !== undefined ? token.until - now : 0
    must(Math.abs(outageBudget(state, now) - budget) < 1e-3, 'the outage budget is right')
    must(BACKOFF_STATES.includes(state.backoff), 'the back-off has a name')
    const planned = state.exchange !== undefined || state.nextAt <= now + LONGEST_WAIT
    must(planned, 'something is under way or planned')
    must(state.earlyRejections.length <= 60, 'nothing grows without end')
  }

  return {
    broken: broken as readonly string[],

    begin: beginWhenDue,

    happen: (happening: Happening, random: number): void => {
      const underWay = state.exchange !== undefined
      if (happening.kind === 'time') now += happening.ms
      else if (happening.kind === 'due') now = underWay ? now : Math.max(now, state.nextAt)
      else if (happening.kind === 'almost over') now = Math.max(now, (token?.until ?? 0) - 1)
      else if (happening.kind === 'granted' && underWay) granted(happening.grant, random)
      else if (happening.kind === 'failed' && underWay) failed(happening.failure, random)
      else if (happening.kind === 'rejected') rejected(generation - happening.behind, random)
      else if (happening.kind === 'accepted') accepted(random)
      else if (happening.kind === 'revoked') {
        accepted(random)
        rejected(generation, random)
        beginWhenDue()
        if (state.exchange !== undefined) granted(happening.grant, random)
      } else if (happening.kind === 'credentials') {
        credentials += 1
        refusedAt = []
        sparedAt = 0
        heldUntil = 0
        noRefresh = true
        apply({ type: 'credentials-changed' }, random)
      }
      beginWhenDue()
      check()
    },
  }
}
