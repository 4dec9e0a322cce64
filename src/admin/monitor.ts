import type { Clock, Timer } from '../clock.ts'
import type { EndedRequest } from '../http/ended.ts'
import type { Logger } from '../log/logger.ts'
import type { TokenEvent, TokenSnapshot } from '../token/events.ts'
import {
  CALL_FAILURES,
  judgeCalls,
  judgeState,
  mainFailure,
  type CallCounts,
  type CallFailure,
  type JudgedToken,
  type Verdict,
} from './state.ts'

export interface MonitorOptions {
  readonly snapshot: () => TokenSnapshot
  readonly running: { readonly draining: boolean }
  readonly clock: Clock
  readonly log: Logger['log']
}

export type EndedCall = Pick<EndedRequest, 'status' | 'code' | 'durationMs'>

/** Watches the calls of the last minute and the token, and logs when calls begin or cease to fail. */
export interface Monitor {
  readonly onTokenEvent: (event: TokenEvent) => void
  readonly callEnded: (call: EndedCall) => void
  readonly token: () => JudgedToken
  /** Of the last minute. */
  readonly calls: () => CallCounts
  readonly verdict: () => Verdict
  /** When a call last failed, on the monotonic clock. */
  readonly lastFailedAt: () => number | undefined
  /** Calls, and those of them that failed, since it was last called. */
  readonly takeTally: () => Tally
}

export interface Tally {
  readonly requests: number
  readonly errors: number
}

/** Milliseconds. */
const WINDOW = 60_000
const RECENT = 20_000
const SLOT = 1000

export function createMonitor({ snapshot, running, clock, log }: MonitorOptions): Monitor {
  let slots: { readonly at: number; total: number; failures: Map<CallFailure, number> }[] = []
  let rejection: { readonly generation: number; readonly at: number } | undefined
  let lastFailedAt: number | undefined
  let tally = { requests: 0, errors: 0 }
  let timer: Timer | undefined
  /** The present period of failing calls. */
  let episode:
    | { readonly since: number; readonly code: CallFailure; readonly share: number }
    | undefined

  const token = (): JudgedToken => {
    const now = snapshot()
    const rejected = rejection !== undefined && rejection.generation === now.session?.generation
    return rejected ? { ...now, rejected, usable: false, outageBudget: 0 } : { ...now, rejected }
  }

  const forgetOld = (): void => {
    const since = clock.now() - WINDOW
    slots = slots.filter(({ at }) => at > since)
  }

  const callsOf = (window: number): CallCounts => {
    const since = clock.now() - window
    const byFailure: Partial<Record<CallFailure, number>> = {}
    let [total, failed] = [0, 0]
    for (const slot of slots) {
      if (slot.at <= since) continue
      total += slot.total
      for (const [failure, count] of slot.failures) {
        failed += count
        byFailure[failure] = (byFailure[failure] ?? 0) + count
      }
    }
    return { total, failed, byFailure }
  }

  const calls = (): CallCounts => callsOf(WINDOW)
  const recentCalls = (): CallCounts => callsOf(RECENT)

  const logChange = (): void => {
    const now = clock.now()
    const minute = withoutToken(calls())
    if (minute.failed === 0) {
      timer = undefined
      if (episode === undefined) return
      const { since, ...fields } = episode
      const durationSeconds = Math.round(((lastFailedAt ?? since) - since) / 1000)
      log('upstream-recovered', { ...fields, durationSeconds })
      episode = undefined
      return
    }
    // The failures leave the window without an event.
    timer = clock.setTimer(logChange, SLOT)
    const { counts } = judgeCalls(minute, withoutToken(recentCalls()))
    const share = Math.round((counts.failed / counts.total) * 100) / 100
    if (episode !== undefined && (episode.share > 0.5 || share <= 0.5)) return
    const fields = { code: mainFailure(counts.byFailure), share }
    episode = { since: episode?.since ?? now, ...fields }
    log('upstream-failing', fields, share > 0.5 ? 'error' : 'warn')
  }

  return {
    token,
    calls,
    verdict: () =>
      judgeState({
        draining: running.draining,
        token: token(),
        calls: calls(),
        recentCalls: recentCalls(),
      }),
    lastFailedAt: () => lastFailedAt,
    takeTally() {
      const taken = tally
      tally = { requests: 0, errors: 0 }
      return taken
    },

    onTokenEvent(event) {
      if (event.type === 'granted') rejection = undefined
      if (event.type === 'token-rejected' && event.verdict !== 'about-call') rejection = event
    },

    callEnded(call) {
      const outcome = outcomeOf(call)
      if (outcome === undefined) return
      const now = clock.now()
      let slot = slots.at(-1)
      if (slot === undefined || now - slot.at >= SLOT) {
        slot = { at: now, total: 0, failures: new Map() }
        forgetOld()
        slots.push(slot)
      }
      slot.total += 1
      tally.requests += 1
      if (outcome === 'ok') {
        // One that was sent before the rejection proves nothing.
        if (rejection !== undefined && now - (call.durationMs ?? 0) >= rejection.at) {
          rejection = undefined
        }
        return
      }
      tally.errors += 1
      slot.failures.set(outcome, (slot.failures.get(outcome) ?? 0) + 1)
      lastFailedAt = now
      if (timer === undefined) logChange()
    },
  }
}

/** Token requests have lines of their own. */
function withoutToken({ total, byFailure }: CallCounts): CallCounts {
  const { 'no-token': _, rejected: __, ...upstream } = byFailure
  const failed = Object.values(upstream).reduce((sum, count) => sum + count, 0)
  return { total, failed, byFailure: upstream }
}

/** Undefined: the client made a mistake or left, which says nothing of iSales or the proxy. */
function outcomeOf({ status, code }: EndedCall): CallFailure | 'ok' | undefined {
  if (code !== undefined) return CALL_FAILURES.find((failure) => failure === code)
  if (status === 0) return undefined
  if (status === 401 || status === 403) return 'rejected'
  return status >= 500 ? 'isales-error' : 'ok'
}
