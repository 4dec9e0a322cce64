import type { ActivityRecorder, AdminSources, Metrics } from './admin/index.ts'
import {
  isLoopback,
  type Config,
  type ReloadListener,
  type SettingProblem,
} from './config/index.ts'
import type { HandshakeFailure } from './causes.ts'
import { REFUSALS } from './codes.ts'
import type { ListenerOptions } from './listener/index.ts'
import { accessFields, type LogEventName, type LogFields } from './log/index.ts'
import { classifyRequest, type RequestSummary } from './request-summary.ts'
import { en, formatLine } from './messages/index.ts'

type ObserverParts = Pick<AdminSources, 'log' | 'logThrottle'> &
  Readonly<{ metrics: Metrics; activity: ActivityRecorder }>

/** Results of a login of CTI-OBS, by the response's status. */
const LOGINS: Readonly<Record<number, string>> = {
  200: 'success',
  403: 'rejected',
  429: 'throttled',
}

/** Counts, records and logs the events of requests and files. Only this file decides which of the three an event needs. */
export function createObservers(
  config: Pick<Config, 'listen' | 'logLevel'>,
  { metrics, activity, log, logThrottle }: ObserverParts,
) {
  /** Logs at most once per minute and `reason`, which is from a closed set. */
  const logThrottled = (event: LogEventName, reason: string, fields: LogFields): void => {
    const count = logThrottle(`${event} ${reason} ${fields.operation ?? fields.listener ?? ''}`)
    if (count > 0) log(event, { reason, ...fields, count })
  }

  const doubtful = (problem: SettingProblem) => ({
    setting: problem.setting,
    detail: formatLine(en, problem),
  })

  const reloads: ReloadListener = {
    onWarning: (warning) => log('setting-doubtful', doubtful(warning)),
    onReloaded(group, settings) {
      activity.filesChanged(group, settings.join(', '))
      metrics.count('credential_reloads_total', { outcome: 'success' })
      log('files-reloaded', { setting: settings.join(', '), outcome: 'in use' })
    },
    onProblems(part, problems) {
      activity.filesRead(part, problems)
      if (problems.length > 0) metrics.count('credential_reloads_total', { outcome: 'failure' })
      for (const problem of problems)
        log('secret-unreadable', { ...doubtful(problem), outcome: 'not used' })
    },
  }

  const logRefused = (summary: RequestSummary): void => {
    const { handshake, login, refusal, status, requestId, isCaller } = summary
    // Every client on loopback has the same address.
    const client = isLoopback(config.listen.host) ? undefined : summary.client
    if (login !== undefined && status > 0) {
      const fields = { operation: login, client: status === 200 ? undefined : client }
      const reason = LOGINS[status] ?? 'malformed'
      logThrottled(status === 200 ? 'obs-logged-in' : 'obs-login-refused', reason, fields)
    } else if (refusal === 'connections' || refusal === 'descriptors') {
      logThrottled('connections-full', refusal, { listener: 'proxy' })
    } else if (refusal !== undefined) {
      const { problem: code, detail } = REFUSALS[refusal]
      logThrottled('client-refused', refusal, {
        client,
        code,
        detail,
        requestId: requestId || undefined,
      })
      // A load balancer's probe closes the connection, and must not cause a line per minute.
    } else if (handshake !== undefined && handshake !== 'half-sent' && isCaller !== false) {
      logThrottled('client-handshake-failed', handshake, {
        detail: formatLine(en, { code: handshake, facts: [] }),
      })
    }
  }

  const requestEnded = (summary: RequestSummary): void => {
    const { refusal, login, handshake, replay } = summary
    metrics.requestEnded(summary)
    activity.requestEnded(summary, classifyRequest(summary))
    if (replay !== undefined) metrics.count('replays_total', { outcome: replay })
    if ((refusal ?? login ?? handshake) !== undefined) logRefused(summary)
    // Avoids building the fields of a line that is not written.
    if (config.logLevel === 'debug') log('access', accessFields(summary))
  }

  return {
    reloads,
    requestEnded,

    ofProxyListener: {
      onRefused: requestEnded,
      onHandshakeFailure: (handshake: HandshakeFailure, isCaller?: boolean): void =>
        requestEnded({ method: '', target: '', status: 0, requestId: '', handshake, isCaller }),
    } satisfies Partial<ListenerOptions>,

    /** Requests of the admin listener are not counted, except for calls. */
    ofAdminListener: {
      onRefused({ refusal }: RequestSummary): void {
        if (refusal === 'connections')
          logThrottled('connections-full', refusal, { listener: 'admin' })
      },
    } satisfies Partial<ListenerOptions>,
  }
}
