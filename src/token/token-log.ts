import { secondsOf } from '../clock.ts'
import type { LogEventName, LogFields, Log } from '../log/index.ts'
import { en, explained, lineOf, type Places } from '../words/index.ts'
import { isMissing, isRefusal } from './protocol.ts'
import type { TokenEvent } from './token.ts'

type EventOf<Type extends TokenEvent['type']> = Extract<TokenEvent, { readonly type: Type }>
type Obtained = EventOf<'granted'> | EventOf<'adopted'>

/**
 * Writes one line for what happens to the token. What only repeats (the tenth failed login of an outage) is written at DEBUG.
 *
 * @param places what its sentences name.
 */
export function tokenLog(log: Log, places: Places): (event: TokenEvent) => void {
  /** Failures in a row, whatever secrets they were of. */
  let failures = 0
  /** What has been logged and goes on; timeouts and resets may take turns all night. */
  const goesOn = new Set<string>()
  /** The generation that was last rejected, by what came of it. */
  const rejected = { 'token-rejected': -1, 'rejection-relayed': -1 }

  const logNews = (isNews: boolean, event: LogEventName, fields: LogFields): void =>
    log(event, fields, isNews ? undefined : 'debug')

  /** @param what it is news of, until that is over. */
  const logOnce = (what: string, event: LogEventName, fields: LogFields): void => {
    logNews(!goesOn.has(what), event, fields)
    goesOn.add(what)
  }

  const isOver = (topic: 'outage' | 'refresh' | 'lifetime'): void => {
    for (const what of goesOn) if (what.startsWith(topic)) goesOn.delete(what)
  }

  /** @param own what only the line of an own token says, or only that of one of another replica. */
  const onObtained = (event: Obtained, name: LogEventName, own: LogFields): void => {
    // A refresh says nothing of a login that still fails.
    const isRecovery = event.type === 'adopted' || !event.loginDue
    const recovered = isRecovery ? Math.max(failures, event.failuresBefore) : 0
    if (isRecovery) {
      failures = 0
      isOver('outage')
    }
    log(recovered > 0 ? 'recovered' : name, {
      operation: event.type === 'granted' ? event.operation : undefined,
      generation: event.token.generation,
      lifetimeSeconds: event.token.lifetime / 1000,
      ...own,
      failures: recovered > 0 ? recovered : undefined,
    })
  }

  const onGranted = (event: EventOf<'granted'>): void => {
    const { operation, token, durationMs, sameToken, lifetimeDoubt } = event
    if (operation === 'refresh') isOver('refresh')
    onObtained(event, operation === 'login' ? 'logged-in' : 'renewed', {
      durationMs: Math.round(durationMs),
      sameToken: sameToken ? true : undefined,
    })
    // A finding says that it is too long.
    if (lifetimeDoubt !== 'missing') return isOver('lifetime')
    logOnce('lifetime', 'lifetime-assumed', { lifetimeSeconds: token.lifetime / 1000 })
  }

  const onFailed = (event: EventOf<'failed'>): void => {
    const { failure, operation } = event
    const why = explained(failure, places, operation)
    const name = nameOf(event)
    const isRefresh = name === 'refresh-refused'
    if (!isRefresh) failures += 1
    logOnce(isRefresh ? 'refresh' : `outage ${name} ${failure.cause.code}`, name, {
      operation,
      reason: failure.reason,
      status: failure.status,
      cause: why.code,
      detail: lineOf(en, why),
      failures: event.failuresInRow,
      backoff: event.backoff,
      retryInSeconds: secondsOf(event.retryIn),
      budgetSeconds: secondsOf(event.outageBudget),
      durationMs: Math.round(event.durationMs),
    })
  }

  return (event) => {
    switch (event.type) {
      case 'request-started':
        return log('exchange-started', { operation: event.operation })
      case 'granted':
        return onGranted(event)
      case 'adopted':
        return onObtained(event, 'token-adopted', {
          ageSeconds: secondsOf(event.at - event.token.obtainedAt),
        })
      case 'failed':
        return onFailed(event)
      case 'token-rejected':
      case 'rejection-relayed': {
        const { type, generation, status } = event
        // Not where the token before met the same.
        logNews(rejected[type] < generation - 1, type, { generation, status })
        rejected[type] = generation
        return
      }
      case 'deferred':
        return log('token-request-deferred', {
          reason: event.because,
          retryInSeconds: secondsOf(event.ms),
        })
      case 'renew-asked':
        return log('renew-asked', {
          by: 'SIGHUP',
          outcome: event.endsPause ? 'pause-ended' : 'nothing-paused',
        })
      case 'conflict':
        // A finding says it.
        return
      case 'credentials-changed':
        isOver('outage')
        return
    }
  }
}

function nameOf({ operation, failure, backoff, outageBudget }: EventOf<'failed'>): LogEventName {
  const { kind } = failure
  const isOfRefresh = isRefusal(failure) || isMissing(failure)
  if (operation === 'refresh' && isOfRefresh) return 'refresh-refused'
  // An attempt that did not touch the account leaves it as it was.
  const isCounted = kind !== 'untouched' && kind !== 'egress'
  if (isCounted && backoff === 'guarded') return 'guarded'
  if (isCounted && backoff === 'rejected') return 'login-rejected'
  return outageBudget > 0 ? 'renewal-failed' : 'login-failed'
}
