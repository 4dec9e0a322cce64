// Sentences that stay in English in every language: programs search for them, and they stand beside names that are an
// interface. Log, problem responses and metrics are read by people who have the pages of docs/ beside them.

/** `msg` of each line of the log. A sentence never varies, so that it can be searched for. docs/log.md explains each. */
export const messages = {
  starting: 'Starting',
  listening: 'Listening',
  'setting-wrong': 'A setting is wrong: nothing was started',
  'cannot-listen': 'A listener cannot be opened: nothing was started',
  'setting-doubtful': 'Check this setting',
  'parser-doubtful':
    'This Node has an HTTP parser in which a request can hide another; use a newer one',
  draining: 'Shutting down: requests in flight are finished',
  stopped: 'Stopped',
  unexpected: 'An error that was not foreseen',
  'exchange-started': 'Asking iSales for a token',
  'logged-in': 'Logged in',
  renewed: 'Token renewed',
  recovered: 'Logged in again after failures',
  'renewal-failed': 'The token could not be renewed; the current one is still used',
  'login-failed': 'No usable token: requests get 503',
  'refresh-refused': 'iSales refused to refresh; logging in instead',
  'login-rejected': 'iSales refused the login',
  guarded: 'Logins failed again and again; attempts are rare now so that the account is not locked',
  'token-rejected': 'A business call found the token rejected before its end; replacing it',
  'rejection-relayed':
    'A call was rejected, and a login would not cure it: the response is relayed to the client',
  conflict:
    'Somebody else logs in as this user and ends our sessions: let replicas share one token, give each instance a user of its own, or run only one',
  'token-adopted': 'Using a token that another replica obtained',
  'token-request-deferred': 'Not asking iSales for a token now',
  'sharing-alone': 'The shared store cannot be used; this replica renews its token alone',
  'sharing-restored': 'The shared store can be used; the token is shared',
  'shared-token-unreadable': 'What is in the shared store cannot be read and is replaced',
  'lifetime-assumed': 'iSales gave no lifetime that can be believed; the default is taken',
  'lifetime-too-long': 'iSales gave a lifetime over 24 h, probably milliseconds for seconds',
  'secret-reloaded': 'The secret changed; logging in with the new one',
  'state-in-memory':
    'STATE_DIR is not set: attempts to log in are counted in memory only, and a restart forgets them',
  'state-unusable':
    'STATE_DIR cannot be used: attempts to log in are counted in memory, and a restart forgets them',
  'state-restored': 'The book of logins is in STATE_DIR again',
  'renew-asked': 'SIGHUP: files are read again, and a pause of logins ends once',
  'files-reloaded': 'Changed files are in use',
  'secret-unreadable': 'A file changed and cannot be used; what it held before stays in use',
  'upstream-failing': 'Calls to iSales fail',
  'upstream-recovered': 'Calls to iSales succeed again',
  'client-refused': 'A client was refused',
  'client-handshake-failed': 'The TLS handshake of a client failed',
  'obs-logged-in': 'CTI-OBS logged in to the proxy',
  'connections-full': 'Too many connections',
  'obs-login-refused': 'A login of CTI-OBS was refused',
  'request-failed': 'The proxy responded to a request with an error of its own',
  access: 'Request',
}

/** `detail` of the log, where it is no sentence of a setting or of a cause. */
export const details = {
  exposed: 'others may write to this directory, and so end the protection of the account',
  fewDescriptors: (wanted: number, descriptors: number | undefined, room: number) =>
    `is ${wanted}, and ${descriptors} descriptors are enough for ${room}: raise the limit (ulimit -n)`,
}

/** `detail` of a problem response (RFC 9457), for each reason why a request is refused. */
export const refusals = {
  'http-version': 'Only HTTP/1.0 and HTTP/1.1 are spoken here',
  method: 'CONNECT and TRACE are not forwarded',
  host: 'Host is missing, repeated or malformed',
  'content-length': 'Content-Length is repeated, not a number, or beside a Transfer-Encoding',
  'transfer-encoding':
    'Transfer-Encoding is repeated, empty, beside a Content-Length, or in a request of HTTP/1.0',
  coding: 'The only transfer coding known here is chunked',
  expectation: 'The only expectation known here is 100-continue',
  headers: 'There are too many headers, or they are too long',
  'body-size': 'The body is longer than MAX_BODY_SIZE',
  browser: 'Origin and Sec-Fetch headers are of a browser, which must not use the token',
  target: 'The request target is malformed',
  scheme: 'The request target has another scheme than the listener',
  'other-host': 'Host is not this proxy, nor in ALLOWED_HOSTS',
  loop: 'Via names this proxy: ISALES_URL leads back to it',
  'double-slash':
    'The path has an empty segment (//), as an obsUrl that ends with a slash makes it',
  'ambiguous-path':
    'Segments of a path are made of letters, digits and . _ ~ -, and neither begin nor end with a dot',
  'other-path': 'The path is outside ALLOWED_PATHS',
  'auth-path': 'The path is like that of login or refresh, whose response would be the real token',
  connections: 'There were too many connections, and this one was idle for longest',
  pipelined: 'More than 16 requests came on one connection before the response to the first',
  ticket: 'The request has no valid ticket of this proxy',
  tls: 'The client spoke TLS, and this port speaks plain HTTP: use http there, or set LISTEN_TLS_CERT_FILE',
  parser:
    'A line, header, length, coding or chunk is malformed, or the method is not known: the HTTP parser does not accept it',
  'chunk-extensions': 'The chunk extensions are too long',
  timeout: 'The request did not arrive in time',
  'in-flight':
    'More requests than MAX_IN_FLIGHT are in flight, or their bodies take more than 32 MiB',
}

/** What each metric shows, as Prometheus has it in `# HELP`. */
export const helps = {
  auth_attempts_total: 'Logins and refreshes that ended, by outcome',
  auth_failures_total:
    'Logins and refreshes that gave no token, by reason and status of the response',
  auth_lifetime_assumed_total:
    'Tokens whose lifetime could not be believed, so that the default was taken',
  client_handshake_failures_total: 'TLS handshakes of clients that failed, by reason',
  credential_reloads_total: 'Times the secret files changed and were read anew, by outcome',
  obs_logins_total: 'Logins of CTI-OBS to the proxy, by outcome',
  obs_refreshes_total: 'Refreshes of CTI-OBS at the proxy, by outcome',
  replays_total: 'Requests whose token iSales rejected, by what became of them',
  request_errors_total: 'Requests to which the proxy itself responded with an error, by code',
  requests_refused_total: 'Requests that were refused before they were forwarded, by reason',
  session_conflicts_total:
    'Times tokens were rejected so often that somebody else must be logging in as this user',
  session_store_failures_total: 'Operations that the shared store did not do, by reason',
  session_store_operations_total: 'Operations of the shared store that ended, by outcome',
  state_failures_total:
    'Times the book of logins in STATE_DIR could not be read, or not be written within a second',
  token_rejections_total:
    'Tokens that a business call found rejected, by the status of its response',
  tokens_adopted_total: 'Tokens that another replica obtained and this one uses',
  upstream_connect_failures_total:
    'Connections to iSales that could not be opened, by the stage at which that failed',
  upstream_connections_opened_total: 'Connections to iSales that were opened',
  authenticated: '1 while a usable token is there that iSales is not known to reject, else 0',
  outage_budget_seconds: 'How long requests would go on working if every login failed from now',
  token_expiry_timestamp_seconds: 'When the token ends; 0: there is none',
  token_next_renewal_timestamp_seconds: 'When the next login or refresh begins; 0: none is planned',
  token_last_success_timestamp_seconds: 'When a token was last obtained; 0: never',
  refresh_token_expiry_timestamp_seconds:
    'When the refresh token ends; 0: there is none, or its end is not known',
  token_waiters: 'Requests that wait for a token',
  requests_in_flight: 'Requests in flight',
  upstream_connections: 'Connections to iSales that are open',
  finding: 'What the status page says: 1 while it does, else 0',
  certificate_expiry_timestamp_seconds:
    'When a certificate ends; 0: none is configured, or it cannot be read',
  info: 'Always 1; the name of the instance is a label',
  build_info: 'Always 1; the version is a label',
  state: 'What CTI-OBS gets: 1 for the present state, 0 for the others',
  auth_backoff_state: 'What delays the next login: 1 for the present state, 0 for the others',
  session_sharing_state:
    'Whether replicas share one token: 1 for the present state, 0 for the others',
  auth_duration_seconds: 'How long logins and refreshes took',
  session_store_duration_seconds: 'How long operations of the shared store took',
  log_lines_dropped_total: 'Lines of the log that could not be written',
  requests_total: 'Requests that ended, by method and status class of the response',
  request_duration_seconds: 'From the head of the request to the end of the response',
  upstream_duration_seconds: 'From sending to iSales to the head of its response',
}
export type MetricName = keyof typeof helps
