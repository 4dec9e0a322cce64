import type { LogEventName, LogFields } from '../log/events.ts'
import type { Log } from '../log/logger.ts'
import type { TokenEvent } from './events.ts'
import { isMissing } from './protocol.ts'
import type { SharingEvent } from './sharing.ts'

type Obtained = Extract<TokenEvent, { type: 'granted' | 'adopted' }>
type Failed = Extract<TokenEvent, { type: 'failed' }>
type Rejected = Extract<TokenEvent, { type: 'token-rejected' }>

/**
 * Writes one line for each change of state. What only repeats the state (the tenth failed login of an outage, a
 * conflict that goes on) is written at DEBUG.
 *
 * @param takeTally the business calls since it was last called, and how many of them failed. Default: they are not
 *   logged.
 */
export function tokenLog(
  log: Log,
  takeTally?: () => { readonly requests: number; readonly errors: number },
): (event: TokenEvent) => void {
  /** Failures in a row, whatever secrets they were of. */
  let failures = 0
  /** What was logged of the present outage; timeouts and resets may take turns all night. */
  const said = new Set<string>()
  let refreshRefused = false
  let lifetimeAssumed = false
  /** The generation that was last rejected, by what came of it. */
  const rejected = { 'token-rejected': -1, 'rejection-relayed': -1 }
  let conflicting = false

  const onChange = (isChange: boolean, event: LogEventName, fields: LogFields): void => {
    log(event, fields, isChange ? undefined : 'debug')
  }

  /** @param own what only the line of an own token says, or only that of one of another replica. */
  const obtained = (event: Obtained, name: LogEventName, own: LogFields): void => {
    const recovered = Math.max(failures, event.failuresBefore)
    failures = 0
    said.clear()
    log(recovered > 0 ? 'recovered' : name, {
      operation: event.type === 'granted' ? event.operation : undefined,
      generation: event.session.generation,
      lifetimeSeconds: event.session.lifetime / 1000,
      ...own,
      failures: recovered > 0 ? recovered : undefined,
      ...takeTally?.(),
    })
  }

  const onFailed = (event: Failed): void => {
    const { failure } = event
    const name = nameOf(event)
    const outage = `${name} ${failure.reason}`
    const isRefresh = name === 'refresh-refused'
    onChange(isRefresh ? !refreshRefused : !said.has(outage), name, {
      operation: event.operation,
      reason: failure.reason,
      status: failure.status,
      detail: failure.detail,
      failures: event.failuresInRow,
      backoff: event.backoff,
      retryInSeconds: seconds(event.retryIn),
      budgetSeconds: seconds(event.outageBudget),
      durationMs: Math.round(event.durationMs),
    })
    if (isRefresh) refreshRefused = true
    else {
      failures += 1
      said.add(outage)
    }
  }

  const onRejected = ({ generation, status, verdict }: Rejected): void => {
    const name = verdict === 'replace' ? 'token-rejected' : 'rejection-relayed'
    // The token before met the same end: nothing has changed.
    const isChange = rejected[name] < generation - 1
    if (isChange && verdict === 'replace') conflicting = false
    rejected[name] = generation
    onChange(isChange, name, { generation, status })
  }

  return (event) => {
    switch (event.type) {
      case 'request-started':
        log('exchange-started', { operation: event.operation })
        break
      case 'granted': {
        const { operation, session } = event
        if (operation === 'refresh') refreshRefused = false
        obtained(event, operation === 'login' ? 'logged-in' : 'renewed', {
          durationMs: Math.round(event.durationMs),
          sameToken: event.sameToken ? true : undefined,
        })
        const lifetimeSeconds = session.lifetime / 1000
        if (event.lifetimeAssumed) {
          onChange(!lifetimeAssumed, 'lifetime-assumed', { lifetimeSeconds })
        }
        lifetimeAssumed = event.lifetimeAssumed
        break
      }
      case 'adopted':
        obtained(event, 'token-adopted', {
          ageSeconds: seconds(event.at - event.session.obtainedAt),
        })
        break
      case 'failed':
        onFailed(event)
        break
      case 'token-rejected':
        onRejected(event)
        break
      case 'held':
        log('token-request-held', { reason: event.because, retryInSeconds: seconds(event.ms) })
        break
      case 'conflict':
        onChange(!conflicting, 'conflict', { holdOffSeconds: seconds(event.holdOff) })
        conflicting = true
        break
      case 'credentials-changed':
        said.clear()
        log('secret-reloaded')
        break
    }
  }
}

const SHARING_EVENTS = {
  alone: 'sharing-alone',
  shared: 'sharing-restored',
  unreadable: 'shared-token-unreadable',
} as const satisfies Record<SharingEvent['type'], LogEventName>

/** Writes one line for each change of what is shared. */
export function sharingLog(log: Log): (event: SharingEvent) => void {
  return (event) =>
    log(SHARING_EVENTS[event.type], event.type === 'alone' ? { reason: event.reason } : {})
}

function nameOf({ operation, failure, backoff, outageBudget }: Failed): LogEventName {
  const refused = failure.kind === 'refused'
  if (operation === 'refresh' && (refused || isMissing(failure))) return 'refresh-refused'
  if (refused) return backoff === 'guarded' ? 'guarded' : 'login-rejected'
  return outageBudget > 0 ? 'renewal-failed' : 'login-failed'
}

function seconds(ms: number): number {
  return Math.round(ms / 100) / 10
}
