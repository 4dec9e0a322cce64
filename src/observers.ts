import type { Records } from './admin/index.ts'
import type { Clock } from './clock.ts'
import {
  isLoopback,
  type Config,
  type ReloadListener,
  type SettingProblem,
} from './config/index.ts'
import type { NodeCall } from './hono.ts'
import {
  refusedRequest,
  type EndedRequest,
  type ObsLoginOutcome,
  type ObsRefreshOutcome,
} from './outcomes.ts'
import { REFUSALS, type Refusal } from './causes.ts'
import type { ListenerOptions } from './listener/index.ts'
import { accessFields, type Log, createThrottledLog } from './log/index.ts'
import { codeOfHandshake } from './causes.ts'
import { en, lineOf } from './words/index.ts'

interface ObserversParts extends Pick<Records, 'metrics' | 'record'> {
  readonly log: Log
  readonly clock: Clock
}

/** Counts, remembers and logs what happens to requests and files: the one place that says which of the three. */
export function createObservers(
  config: Pick<Config, 'listen' | 'logLevel'>,
  parts: ObserversParts,
) {
  const { metrics, record, log, clock } = parts
  const { log: logThrottled, end } = createThrottledLog(clock, log)
  // On loopback the address says nothing.
  const clientToLog = (client?: string) => (isLoopback(config.listen.host) ? undefined : client)
  const logObsLogin = (
    operation: 'login' | 'refresh',
    outcome: ObsLoginOutcome,
    client?: string,
  ): void => {
    if (outcome === 'success') logThrottled('obs-logged-in', outcome, { operation })
    else logThrottled('obs-login-refused', outcome, { operation, client: clientToLog(client) })
  }
  const logRefused = (refusal: Refusal, requestId?: string, client?: string): void =>
    logThrottled('client-refused', refusal, {
      client: clientToLog(client),
      code: REFUSALS[refusal][0],
      detail: REFUSALS[refusal][1],
      requestId,
    })
  const doubtful = (problem: SettingProblem) => ({
    setting: problem.setting,
    detail: lineOf(en, problem),
  })

  const reloads: ReloadListener = {
    onWarning: (warning) => log('setting-doubtful', doubtful(warning)),
    onReloaded(settings) {
      metrics.count('credential_reloads_total', { outcome: 'success' })
      log('files-reloaded', { setting: settings.join(', '), outcome: 'in use' })
    },
    onProblems(part, problems) {
      record.filesRead(part, problems)
      if (problems.length > 0) metrics.count('credential_reloads_total', { outcome: 'failure' })
      for (const problem of problems)
        log('secret-unreadable', { ...doubtful(problem), outcome: 'not used' })
    },
  }

  const requestEnded = (end: EndedRequest): void => {
    metrics.requestEnded(end)
    if (end.isCountedElsewhere !== true) record.callEnded(end)
    const { code, refusal, requestId, replay } = end
    if (replay !== undefined) metrics.count('replays_total', { outcome: replay })
    if (refusal !== undefined) logRefused(refusal, requestId, end.client)
    // Nothing is built for a line of each request that is not written.
    if (code !== undefined || config.logLevel === 'debug') log('access', accessFields(end))
  }

  return {
    /** Writes what would still have been logged at the end of a minute. */
    end,
    reloads,
    requestEnded,

    obsLogin: {
      onLogin(outcome: ObsLoginOutcome, client?: string): void {
        metrics.count('obs_logins_total', { outcome })
        if (outcome !== 'success') record.turnedAway('obs-login')
        logObsLogin('login', outcome, client)
      },
      onRefresh(outcome: ObsRefreshOutcome, client?: string): void {
        metrics.count('obs_refreshes_total', { outcome })
        logObsLogin('refresh', outcome, client)
      },
      onTicketRefused: ({ request, requestId }: NodeCall): void =>
        requestEnded(refusedRequest(request, 'ticket', requestId)),
    },

    /** Of the listener itself. Requests of the admin listener are counted only where they were too many. */
    of(listener: 'proxy' | 'admin') {
      return {
        onRefused(end: EndedRequest): void {
          const { refusal = 'parser', code, requestId, client } = end
          if (listener === 'admin' && refusal !== 'connections') return
          metrics.refused(code, refusal)
          if (listener === 'proxy' && requestId !== '') record.callEnded(end)
          if (refusal === 'connections') logThrottled('connections-full', refusal, { listener })
          else logRefused(refusal, requestId === '' ? undefined : requestId, client)
        },
        onHandshakeFailure(reason) {
          metrics.count('client_handshake_failures_total', { reason })
          if (listener === 'proxy') record.turnedAway(reason)
          // A load balancer that probes the port would write a line a minute.
          if (reason !== 'closed')
            logThrottled('client-handshake-failed', reason, {
              detail: lineOf(en, { code: codeOfHandshake(reason), facts: [] }),
            })
        },
      } satisfies Partial<ListenerOptions>
    },
  }
}
