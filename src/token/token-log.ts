import { toSeconds } from '../clock.ts'
import { toAuthFailure } from '../causes.ts'
import type { Log, LogThrottle } from '../log/index.ts'
import { en, explained, formatLine, type DiagnosticContext } from '../messages/index.ts'
import type { TokenEvent } from './token.ts'

/** Logs token events. A failed request is logged at `debug`, because a finding reports the failures with cause and remedy. */
export function tokenLog(
  log: Log,
  logThrottle: LogThrottle,
  diagnostics: DiagnosticContext,
): (event: TokenEvent) => void {
  return (event) => {
    switch (event.type) {
      case 'request-started':
        return log('exchange-started', { operation: event.operation })
      case 'granted': {
        const { operation, token, durationMs, sameToken } = event
        return log(operation === 'login' ? 'logged-in' : 'renewed', {
          operation,
          generation: token.generation,
          lifetimeSeconds: toSeconds(token.lifetime.ms),
          durationMs: Math.round(durationMs),
          sameToken: sameToken ? true : undefined,
          failures: event.failuresBefore > 0 ? event.failuresBefore : undefined,
        })
      }
      case 'adopted':
        return log('token-adopted', {
          generation: event.token.generation,
          lifetimeSeconds: toSeconds(event.token.lifetime.ms),
          ageSeconds: toSeconds(event.at - event.token.sentAt),
        })
      case 'failed': {
        const { operation, failure } = event
        const cause = explained(failure, diagnostics, operation)
        return log('token-request-failed', {
          operation,
          reason: toAuthFailure(failure.cause),
          status: failure.status,
          cause: cause.code,
          detail: formatLine(en, cause),
          failures: event.failuresInRow,
          backoff: event.backoff,
          retryInSeconds: toSeconds(event.retryIn),
          budgetSeconds: toSeconds(event.usableFor),
          durationMs: Math.round(event.durationMs),
        })
      }
      case 'token-rejected':
      case 'rejection-relayed': {
        const { type, generation, status } = event
        const count = logThrottle(type)
        return log(type, { generation, status, count }, count === 0 ? 'debug' : undefined)
      }
      case 'deferred':
        return log('token-request-deferred', {
          reason: event.because,
          retryInSeconds: toSeconds(event.ms),
        })
      case 'renew-asked':
        return log('renew-asked', {
          by: 'SIGHUP',
          outcome: event.endsPause ? 'pause-ended' : 'nothing-paused',
        })
      case 'conflict':
        // A finding logs it.
        return
    }
  }
}
