import type { Timer } from '../clock.ts'
import type { EndedRequest } from '../http/ended.ts'
import type { TokenEvent } from '../token/events.ts'
import type { AuthFailureReason, Operation } from '../token/protocol.ts'
import type { AdminSources } from './sources.ts'
import {
  CALL_FAILURES,
  judgeCalls,
  judgeState,
  mainFailure,
  type CallCounts,
  type CallFailure,
  type JudgedToken,
} from './state.ts'

export type EndedCall = Pick<EndedRequest, 'status' | 'code' | 'durationMs'>

/** One login or refresh that ended. */
export interface TokenRequest {
  readonly operation: Operation
  /** When it ended, on the monotonic clock. */
  readonly at: number
  readonly durationMs: number
  /** Undefined: it succeeded. */
  readonly reason: AuthFailureReason | undefined
}

interface Slot {
  readonly at: number
  total: number
  readonly failures: Partial<Record<CallFailure, number>>
}

/** Milliseconds. */
const MINUTE = 60_000
const RECENT = 20_000
const SLOT = 1000
/** Four hours at a token lifetime of five minutes. */
const MOST_TOKEN_REQUESTS = 60

export type Monitor = ReturnType<typeof createMonitor>

/**
 * Remembers what the counters do not hold: the calls of the last minute, and the last events of the token. Logs when
 * calls begin or cease to fail. Bounded in memory.
 */
export function createMonitor(sources: Pick<AdminSources, 'token' | 'running' | 'clock' | 'log'>) {
  const { running, clock, log } = sources
  const startedAt = clock.now()
  let slots: Slot[] = []
  let rejection: { readonly generation: number; readonly at: number } | undefined
  let lastFailedAt: number | undefined
  let tally = { requests: 0, errors: 0 }
  let timer: Timer | undefined
  /** The present period of failing calls. */
  let episode:
    | { readonly since: number; readonly code: CallFailure; readonly share: number }
    | undefined
  const tokenRequests: TokenRequest[] = []
  const lastAt: Partial<Record<TokenEvent['type'], number>> = {}

  const token = (): JudgedToken => {
    const now = sources.token()
    const rejected = rejection !== undefined && rejection.generation === now.session?.generation
    return rejected ? { ...now, rejected, usable: false, outageBudget: 0 } : { ...now, rejected }
  }

  /** The calls of so many milliseconds. */
  const calls = (window = MINUTE, kinds?: readonly CallFailure[]): CallCounts => {
    const since = clock.now() - window
    return countCalls(
      slots.filter(({ at }) => at > since),
      kinds,
    )
  }

  const logChange = (): void => {
    const now = clock.now()
    const minute = calls(MINUTE, LOGGED)
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
    const { counts } = judgeCalls(minute, calls(RECENT, LOGGED))
    const share = Math.round((counts.failed / counts.total) * 100) / 100
    if (episode !== undefined && (episode.share > 0.5 || share <= 0.5)) return
    const fields = { code: mainFailure(counts.byFailure), share }
    episode = { since: episode?.since ?? now, ...fields }
    log('upstream-failing', fields, share > 0.5 ? 'error' : 'warn')
  }

  return {
    /** On the monotonic clock. */
    startedAt,
    token,
    /** Of the last minute. */
    calls: () => calls(),
    verdict: () =>
      judgeState({
        draining: running.draining,
        token: token(),
        calls: calls(),
        recentCalls: calls(RECENT),
      }),
    /** When a call last failed, on the monotonic clock. */
    lastFailedAt: () => lastFailedAt,
    /** The last 60 logins and refreshes, the newest last. */
    tokenRequests: (): readonly TokenRequest[] => tokenRequests,
    /** When this kind of event was last seen, on the monotonic clock. */
    lastAt: (type: TokenEvent['type']) => lastAt[type],
    /** Calls, and those of them that failed, since it was last called. */
    takeTally() {
      const taken = tally
      tally = { requests: 0, errors: 0 }
      return taken
    },

    onTokenEvent(event: TokenEvent): void {
      lastAt[event.type] = event.at
      if (event.type === 'granted') rejection = undefined
      if (event.type === 'token-rejected' && event.verdict !== 'about-call') rejection = event
      if (event.type !== 'granted' && event.type !== 'failed') return
      const { operation, at, durationMs } = event
      const reason = event.type === 'failed' ? event.failure.reason : undefined
      tokenRequests.push({ operation, at, durationMs, reason })
      if (tokenRequests.length > MOST_TOKEN_REQUESTS) tokenRequests.shift()
    },

    callEnded(call: EndedCall): void {
      const outcome = outcomeOf(call)
      if (outcome === undefined) return
      const now = clock.now()
      let slot = slots.at(-1)
      if (slot === undefined || now - slot.at >= SLOT) {
        slot = { at: now, total: 0, failures: {} }
        slots = [...slots.filter(({ at }) => at > now - MINUTE), slot]
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
      slot.failures[outcome] = (slot.failures[outcome] ?? 0) + 1
      lastFailedAt = now
      if (timer === undefined) logChange()
    },
  }
}

/** Token requests have lines of their own. */
const LOGGED = CALL_FAILURES.filter((kind) => kind !== 'no-token' && kind !== 'rejected')

/** @param kinds what counts as a failure. */
function countCalls(slots: readonly Slot[], kinds: readonly CallFailure[] = CALL_FAILURES) {
  const byFailure: Partial<Record<CallFailure, number>> = {}
  let [total, failed] = [0, 0]
  for (const slot of slots) {
    total += slot.total
    for (const kind of kinds) {
      const count = slot.failures[kind]
      if (count === undefined) continue
      failed += count
      byFailure[kind] = (byFailure[kind] ?? 0) + count
    }
  }
  return { total, failed, byFailure }
}

/** Undefined: the client made a mistake or left, which says nothing of iSales or the proxy. */
function outcomeOf({ status, code }: EndedCall): CallFailure | 'ok' | undefined {
  if (code !== undefined) return CALL_FAILURES.find((failure) => failure === code)
  if (status === 0) return undefined
  if (status === 401 || status === 403) return 'rejected'
  return status >= 500 ? 'isales-error' : 'ok'
}
