/** Settings of earlier versions, and what holds in their place: a clause that follows `NAME is no longer a setting: `. */
export const REMOVED: Readonly<Record<string, string>> = {
  ADMIN_HOSTS: 'ALLOWED_HOSTS names the hosts of both listeners',
  HEADER_TIMEOUT: 'a client has 15 s for the head of a request',
  ISALES_CONNECTION_MAX_AGE: 'a connection to iSales is replaced after 5 min',
  ISALES_CONNECT_TIMEOUT: 'connecting may take a third of CLIENT_DEADLINE',
  ISALES_INTERFACE_PATH: 'it stands beside ISALES_LOGIN_PATH',
  ISALES_REFRESH_HEADER: 'it is Authentication, and ISALES_REFRESH_HEADER_TOKEN=off sends none',
  LISTEN_KEEP_ALIVE: 'a connection of a client stays open for 65 s without a request',
  LOGIN_BACKOFF:
    'a login that did not touch the account is tried again after 0.5 s, doubling to 30 s',
  LOGIN_BACKOFF_MAX: 'a login that did not touch the account is tried again after 30 s at most',
  LOGIN_REJECTED_BACKOFF: 'a refused login is tried again after 5 s, then after 10 s',
  LOGIN_REJECTED_BACKOFF_MAX: 'a refused login is tried again after 5 s, then after 10 s',
  LOGIN_REJECTED_PAUSE: 'from LOGIN_REJECTED_ATTEMPTS refusals on the pause is 15 min, then 4 h',
  LOGIN_REPLACE_PAUSE: 'rejected calls ask for a newer token at a pace of their own',
  OBS_REWRITE_INTERFACE: 'URLs that name iSales are always rewritten',
  OBS_SESSION_MAX_AGE: 'a client logs in again 24 h after its login',
  OBS_TICKET_LIFETIME: 'a ticket is good for 1 h',
  RETRY_AFTER_MAX: 'a client is told to come back after 5 s at most',
  SESSION_STORE_PREFIX: 'keys begin with isales-auth-proxy',
  SESSION_STORE_TIMEOUT: 'an operation of the store has 500 ms',
  SESSION_STORE_USER: 'SESSION_STORE_URL holds the user',
  TOKEN_DEFAULT_LIFETIME: 'a token without a lifetime that can be believed lives 5 min',
  TOKEN_WAIT: 'a request waits for a token for nine tenths of CLIENT_DEADLINE',
  TOKEN_WAITERS: 'at most 1000 requests wait for a token',
}

/** What `check`, the start and the schema of the chart say of one. Undefined: it was none. */
export function removedText(name: string): string | undefined {
  return Object.hasOwn(REMOVED, name) ? `is no longer a setting: ${REMOVED[name]}` : undefined
}
