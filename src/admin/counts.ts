import { PROBLEM_CODES, type ProblemCode } from '../http/problem.ts'
import { createCounter, type Counter } from './counter.ts'
import { OUTCOMES, createSessionTally, type Outcome, type SessionTally } from './session-tally.ts'
import { createRequestTally, type RequestTally } from './tally.ts'

/**
 * What became of a request whose first answer was a rejection.
 *
 * - `healed`: sent again with a newer token, and not rejected this time.
 * - `rejected`: sent again, and rejected again.
 * - `failed`: sent again, and no answer came.
 * - `no-token`: not sent again, no newer token came in time.
 * - `not-kept`: not sent again, the body was larger than what is kept for it.
 */
const REPLAY_OUTCOMES = ['healed', 'rejected', 'failed', 'no-token', 'not-kept'] as const
type ReplayOutcome = (typeof REPLAY_OUTCOMES)[number]
const OBS_LOGIN_OUTCOMES = ['success', 'rejected', 'throttled', 'malformed'] as const
type ObsLoginOutcome = (typeof OBS_LOGIN_OUTCOMES)[number]

/**
 * All that is counted since the start, in plain numbers, for whoever asks: the metrics page and the status page. No
 * path, user, or anything that a client can make up is ever a label value.
 */
export interface Counts {
  readonly session: SessionTally
  readonly requests: RequestTally
  /** Requests that the proxy itself answered with an error. */
  readonly errors: Counter<ProblemCode>
  readonly replays: Counter<ReplayOutcome>
  /** Logins of CTI-OBS that were answered here. */
  readonly obsLogins: Counter<ObsLoginOutcome>
  /** Times the secret files changed and were read anew. */
  readonly credentialReloads: Counter<Outcome>
}

/** @param rejectionStatuses the statuses that may be a rejection. */
export function createCounts(rejectionStatuses: readonly number[]): Counts {
  return {
    session: createSessionTally(rejectionStatuses),
    requests: createRequestTally(),
    errors: createCounter(PROBLEM_CODES),
    replays: createCounter(REPLAY_OUTCOMES),
    obsLogins: createCounter(OBS_LOGIN_OUTCOMES),
    credentialReloads: createCounter(OUTCOMES),
  }
}
