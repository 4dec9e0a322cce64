import { secondsOf } from '../clock.ts'
import type { LogEventName, LogFields, Log } from '../log/index.ts'
import type { TokenEvent } from './events.ts'
import { en, explained, lineOf, type Places } from '../words/index.ts'
import { isMissing, isRefusal, type Lifetime } from './protocol.ts'

type Obtained = Extract<TokenEvent, { type: 'granted' | 'adopted' }>
type Failed = Extract<TokenEvent, { type: 'failed' }>
type Rejected = Extract<TokenEvent, { type: 'token-rejected' | 'rejection-relayed' }>

/** A conflict that has not been seen for so many milliseconds is news. */
const CONFLICT_OVER = 60_000

/**
 * Writes one line for each change of state. What only repeats the state (the tenth failed login of an outage, a
 * conflict that goes on) is written at DEBUG.
 *
 * @param places what its sentences name.
 * @param takeTally the business calls since it was last called, and how many of them failed. Default: they are not
 *   logged.
 */
export function tokenLog(
  log: Log,
  places: Places,
  takeTally?: () => { readonly requests: number; readonly errors: number },
): (event: TokenEvent) => void {
  /** Failures in a row, whatever secrets they were of. */
  let failures = 0
  /** What was logged of the present outage; timeouts and resets may take turns all night. */
  const said = new Set<string>()
  let refreshRefused = false
  let lifetimeDoubt: Lifetime['doubt']
  /** The generation that was last rejected, by what came of it. */
  const rejected = { 'token-rejected': -1, 'rejection-relayed': -1 }
  let conflictAt = -Infinity

  const onChange = (isChange: boolean, event: LogEventName, fields: LogFields): void => {
    log(event, fields, isChange ? undefined : 'debug')
  }

  /** @param own what only the line of an own token says, or only that of one of another replica. */
  const obtained = (event: Obtained, name: LogEventName, own: LogFields): void => {
    // What failed was a login, and it still does.
    const isOver = event.type === 'adopted' || !event.loginDue
    const recovered = isOver ? Math.max(failures, event.failuresBefore) : 0
    if (isOver) {
      failures = 0
      said.clear()
    }
    log(recovered > 0 ? 'recovered' : name, {
      operation: event.type === 'granted' ? event.operation : undefined,
      generation: event.token.generation,
      lifetimeSeconds: event.token.lifetime / 1000,
      ...own,
      failures: recovered > 0 ? recovered : undefined,
      ...takeTally?.(),
    })
  }

  const onFailed = (event: Failed): void => {
    const { failure } = event
    const { cause } = failure
    const why = explained(failure, places, event.operation)
    const name = nameOf(event)
    const outage = `${name} ${cause.code}`
    const isRefresh = name === 'refresh-refused'
    const isNews = isRefresh ? !refreshRefused : !said.has(outage)
    onChange(isNews, name, {
      operation: event.operation,
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
    if (isRefresh) refreshRefused = true
    else {
      failures += 1
      said.add(outage)
    }
  }

  const onRejected = ({ type, generation, status }: Rejected): void => {
    // The token before met the same: nothing has changed.
    const isChange = rejected[type] < generation - 1
    rejected[type] = generation
    onChange(isChange, type, { generation, status })
  }

  return (event) => {
    switch (event.type) {
      case 'request-started':
        log('exchange-started', { operation: event.operation })
        break
      case 'granted': {
        const { operation, token } = event
        if (operation === 'refresh') refreshRefused = false
        obtained(event, operation === 'login' ? 'logged-in' : 'renewed', {
          durationMs: Math.round(event.durationMs),
          sameToken: event.sameToken ? true : undefined,
        })
        const { lifetimeDoubt: doubt } = event
        if (doubt !== undefined) {
          const name = doubt === 'missing' ? 'lifetime-assumed' : 'lifetime-too-long'
          onChange(doubt !== lifetimeDoubt, name, { lifetimeSeconds: token.lifetime / 1000 })
        }
        lifetimeDoubt = doubt
        break
      }
      case 'adopted':
        obtained(event, 'token-adopted', {
          ageSeconds: secondsOf(event.at - event.token.obtainedAt),
        })
        break
      case 'failed':
        onFailed(event)
        break
      case 'token-rejected':
      case 'rejection-relayed':
        onRejected(event)
        break
      case 'deferred': {
        const fields = { reason: event.because, retryInSeconds: secondsOf(event.ms) }
        log('token-request-deferred', fields)
        break
      }
      case 'renew-asked':
        log('renew-asked', {
          by: 'SIGHUP',
          outcome: event.endsPause ? 'pause-ended' : 'nothing-paused',
        })
        break
      case 'conflict':
        onChange(event.at - conflictAt > CONFLICT_OVER, 'conflict', {})
        conflictAt = event.at
        break
      case 'credentials-changed':
        said.clear()
        log('secret-reloaded')
        break
    }
  }
}

function nameOf({ operation, failure, backoff, outageBudget }: Failed): LogEventName {
  const { kind } = failure
  if (operation === 'refresh' && (isRefusal(failure) || isMissing(failure))) {
    return 'refresh-refused'
  }
  // An attempt that did not touch the account leaves it as it was.
  const isCounted = kind !== 'untouched' && kind !== 'egress'
  if (isCounted && backoff === 'guarded') return 'guarded'
  if (isCounted && backoff === 'rejected') return 'login-rejected'
  return outageBudget > 0 ? 'renewal-failed' : 'login-failed'
}
