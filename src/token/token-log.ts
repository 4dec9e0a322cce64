import type { LogEventName, LogFields } from '../log/events.ts'
import type { Log } from '../log/logger.ts'
import type { TokenEvent } from './events.ts'
import { isMissing } from './protocol.ts'
import type { SharingEvent } from './sharing.ts'

type Granted = Extract<TokenEvent, { type: 'granted' }>
type Adopted = Extract<TokenEvent, { type: 'adopted' }>
type Failed = Extract<TokenEvent, { type: 'failed' }>
type Rejected = Extract<TokenEvent, { type: 'token-rejected' }>

export interface TokenLogOptions {
  /** The business calls since it was last called, and how many of them failed. Default: they are not logged. */
  readonly takeTally?: () => { readonly requests: number; readonly errors: number }
}

/**
 * Writes one line for each change of state. What only repeats the state (the tenth failed login of an outage, a
 * conflict that goes on) is written at DEBUG.
 */
export function tokenLog(
  log: Log,
  { takeTally }: TokenLogOptions = {},
): (event: TokenEvent) => void {
  /** Failures in a row, whatever secrets they were of. */
  let failures = 0
  /** What was logged of the present outage; timeouts and resets may take turns all night. */
  const said = new Set<string>()
  let refreshRefused = false
  let lifetimeAssumed = false
  /** The generation that was last rejected, by what came of it. */
  const rejected = { replaced: -1, relayed: -1 }
  let conflicting = false

  const onChange = (isChange: boolean, event: LogEventName, fields: LogFields): void => {
    log(event, fields, isChange ? undefined : 'debug')
  }

  /** @returns the failures that the outage had; 0: there was none. */
  const endOutage = (failuresBefore: number): number => {
    const ended = Math.max(failures, failuresBefore)
    failures = 0
    said.clear()
    return ended
  }

  const onGranted = (event: Granted): void => {
    const { session, operation } = event
    const recovered = endOutage(event.failuresBefore)
    if (operation === 'refresh') refreshRefused = false
    const lifetimeSeconds = session.lifetime / 1000
    log(recovered > 0 ? 'recovered' : operation === 'login' ? 'logged-in' : 'renewed', {
      operation,
      generation: session.generation,
      lifetimeSeconds,
      durationMs: Math.round(event.durationMs),
      ...(recovered > 0 ? { failures: recovered } : {}),
      ...(event.sameToken ? { sameToken: true } : {}),
      ...takeTally?.(),
    })
    if (event.lifetimeAssumed) onChange(!lifetimeAssumed, 'lifetime-assumed', { lifetimeSeconds })
    lifetimeAssumed = event.lifetimeAssumed
  }

  const onFailed = (event: Failed): void => {
    const { failure } = event
    const name = nameOf(event)
    const isChange =
      name === 'refresh-refused' ? !refreshRefused : !said.has(`${name} ${failure.reason}`)
    onChange(isChange, name, {
      operation: event.operation,
      reason: failure.reason,
      ...(failure.status === undefined ? {} : { status: failure.status }),
      detail: failure.detail,
      failures: event.failuresInRow,
      backoff: event.backoff,
      retryInSeconds: seconds(event.retryIn),
      budgetSeconds: seconds(event.outageBudget),
      durationMs: Math.round(event.durationMs),
    })
    if (name === 'refresh-refused') refreshRefused = true
    else {
      failures += 1
      said.add(`${name} ${failure.reason}`)
    }
  }

  const onRejected = ({ generation, status, verdict }: Rejected): void => {
    const replacing = verdict === 'replace'
    const outcome = replacing ? 'replaced' : 'relayed'
    // The token before met the same end: nothing has changed.
    const isChange = rejected[outcome] < generation - 1
    if (isChange && replacing) conflicting = false
    rejected[outcome] = generation
    onChange(isChange, replacing ? 'token-rejected' : 'rejection-relayed', { generation, status })
  }

  const onAdopted = ({ session, at, failuresBefore }: Adopted): void => {
    const recovered = endOutage(failuresBefore)
    log(recovered > 0 ? 'recovered' : 'token-adopted', {
      generation: session.generation,
      lifetimeSeconds: session.lifetime / 1000,
      ageSeconds: seconds(at - session.obtainedAt),
      ...(recovered > 0 ? { failures: recovered } : {}),
      ...takeTally?.(),
    })
  }

  return (event) => {
    switch (event.type) {
      case 'request-started':
        log('exchange-started', { operation: event.operation })
        break
      case 'granted':
        onGranted(event)
        break
      case 'failed':
        onFailed(event)
        break
      case 'token-rejected':
        onRejected(event)
        break
      case 'adopted':
        onAdopted(event)
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

/** Writes one line for each change of what is shared. */
export function sharingLog(log: Log): (event: SharingEvent) => void {
  return (event) => {
    switch (event.type) {
      case 'alone':
        log('sharing-alone', { reason: event.reason })
        break
      case 'shared':
        log('sharing-restored')
        break
      case 'unreadable':
        log('shared-token-unreadable')
        break
    }
  }
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
