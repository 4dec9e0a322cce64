import type { RenewOutcome } from './listener/control.ts'
import type { Log } from './log/logger.ts'
import type { TokenEvent } from './token/events.ts'
import type { TokenSource } from './token/source.ts'

type LoginEnd = Omit<RenewOutcome, 'guarded'>

interface RenewalsParts {
  readonly tokens: Pick<TokenSource, 'snapshot' | 'renew'>
  /** Secrets and certificates are read again. */
  readonly reread: () => void
  readonly log: Log
}

/** Logins that an operator asks for: `renew` begins one, and `onTokenEvent` brings its end. */
export function createRenewals({ tokens, reread, log }: RenewalsParts) {
  const waiting = new Set<(end: LoginEnd) => void>()
  return {
    renew(by: string): Promise<RenewOutcome> {
      const guarded = tokens.snapshot().backoff === 'guarded'
      log('renew-asked', { by })
      const ended = new Promise<RenewOutcome>((resolve) => {
        waiting.add((end) => {
          log('renew-ended', { by, ...end })
          resolve({ ...end, guarded })
        })
      })
      reread()
      tokens.renew()
      return ended
    },

    onTokenEvent(event: TokenEvent): void {
      const end = endOf(event)
      if (end === undefined) return
      for (const resolve of waiting) resolve(end)
      waiting.clear()
    },
  }
}

/** Undefined: not the end of a login. */
function endOf(event: TokenEvent): LoginEnd | undefined {
  if (event.type === 'adopted' || (event.type === 'granted' && event.asked))
    return { outcome: 'granted', lifetimeSeconds: event.token.lifetime / 1000 }
  if (event.type === 'held' && event.asked)
    return { outcome: 'held', reason: event.because, retryInSeconds: seconds(event.ms) }
  if (event.type !== 'failed' || !event.asked) return undefined
  const { failure, retryIn } = event
  const outcome = failure.kind === 'refused' ? 'refused' : 'failed'
  return { outcome, reason: failure.reason, retryInSeconds: seconds(retryIn) }
}

function seconds(ms: number): number {
  return Math.round(ms / 100) / 10
}
