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
    'Somebody else logs in as this user and ends our sessions: give each instance a user of its own, or run only one',
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
  'renew-asked': 'An operator asked for a login now',
  'renew-ended': 'The login that an operator asked for has ended',
  'files-reloaded': 'Changed files are in use',
  'secret-unreadable': 'A file changed and cannot be used; what it held before stays in use',
  'upstream-failing': 'Calls to iSales fail',
  'upstream-recovered': 'Calls to iSales succeed again',
  'client-refused': 'A client was refused',
  'client-handshake-failed': 'The TLS handshake of a client failed',
  'obs-logged-in': 'CTI-OBS logged in to the proxy',
  'slow-client-closed': 'A client that took nothing of its response was closed',
  'connections-full': 'Too many connections',
  'obs-login-refused': 'A login of CTI-OBS was refused',
  'request-failed': 'The proxy responded to a request with an error of its own',
  access: 'Request',
}

/** `detail` of the log, where it is no sentence of a setting or of a cause. */
export const details = {
  exposed: 'others may write to this directory, and so end the protection of the account',
  fewDescriptors: (wanted: number, descriptors: number | undefined, room: number) =>
    `is ${wanted}, and ${descriptors} descriptors leave room for ${room}: raise the limit (ulimit -n)`,
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
  pipelined: 'More than 32 KiB of requests came on one connection before the response to the first',
  ticket: 'The request has no valid ticket of this proxy',
  tls: 'The client spoke TLS, and this port speaks plain HTTP: use http there, or set LISTEN_TLS_CERT_FILE',
  parser:
    'A line, header, length, coding or chunk is malformed, or the method is not known: the HTTP parser does not accept it',
  'chunk-extensions': 'The chunk extensions are too long',
  timeout: 'The request did not arrive in time',
  'in-flight': 'More requests than MAX_IN_FLIGHT are in flight',
}
