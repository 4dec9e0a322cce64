import { readUpstreamTls } from '../config/certificates.ts'
import { formatDuration } from '../config/formats.ts'
import type { Config } from '../config/settings.ts'
import { createIsalesClient } from '../token/client.ts'
import { isGrant, type AuthFailure, type Grant } from '../token/protocol.ts'
import { createUpstream } from '../upstream/pool.ts'
import { EXIT } from './exit-codes.ts'
import { endedBy, type Io } from './io.ts'

/** One login, and never another: a wrong password must not come near to locking the account. */
export async function checkLive(config: Config, io: Io): Promise<number> {
  const upstream = createUpstream({ config, tls: readUpstreamTls(config) })
  const isales = createIsalesClient({ ...config, post: upstream.post, wallClock: Date.now })
  const credentials = { user: config.isalesUser, password: config.isalesPassword }
  const outcome = await isales.login(credentials, io.signal)
  await upstream.destroy()
  if (io.signal.aborted) return endedBy(io.signal)
  const text = isGrant(outcome)
    ? success(outcome)
    : `${FAILURES[outcome.reason]}${details(outcome)}`
  const output = isGrant(outcome) ? io.stdout : io.stderr
  output.write(`Login at ${config.isalesUrl} as ${config.isalesUser}: ${text}\n`)
  if (isGrant(outcome)) return EXIT.ok
  return outcome.kind === 'refused' ? EXIT.refused : EXIT.unreachable
}

function success({ lifetime, refreshToken, refreshLifetime }: Grant): string {
  const life = lifetime.assumed
    ? `states no lifetime that can be believed (TOKEN_DEFAULT_LIFETIME is taken)`
    : `lives ${formatDuration(lifetime.ms)}`
  const refresh =
    refreshToken === undefined
      ? 'without a refresh token'
      : refreshLifetime === undefined
        ? 'with a refresh token'
        : `with a refresh token that lives ${formatDuration(refreshLifetime.ms)}`
  return `it works. The token ${life}, ${refresh}.`
}

const FAILURES: Readonly<Record<AuthFailure['reason'], string>> = {
  rejected: 'refused. Check user and password; do not try often, or the account may be locked',
  result:
    'refused by the result in the response. Check user and password, and that the account is in order',
  throttled: 'refused for now, too many calls. Try again later',
  unavailable: 'iSales cannot be reached or is out of order. Check ISALES_URL and the network',
  timeout: 'no whole response within ISALES_LOGIN_TIMEOUT',
  tls: 'TLS failed. Check ISALES_CA_FILE, the host name in ISALES_URL, and the certificate’s dates',
  malformed:
    'the response is not that of an iSales, so it says nothing about user and password.' +
    '  Check ISALES_URL and ISALES_LOGIN_PATH',
}

function details({ status, detail }: AuthFailure): string {
  const known = status === undefined || detail.includes(String(status))
  return ` (${known ? detail : `status ${status}: ${detail}`}).`
}
