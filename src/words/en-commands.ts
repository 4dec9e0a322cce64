// What people read of the command line: help, what a command prints, and how a start failed.

export const help = {
  intro: 'Logs in to CC-iSales, keeps the token fresh, and puts it on every request.',
  usage: (line: string) => `Usage: ${line}`,
  help: 'Explain a command',
  version: 'Print the version',
  settings:
    'Everything is set by environment variables, three of them required: ISALES_URL, ISALES_USER and ISALES_PASSWORD (the last two also with _FILE). docs/configuration.md has all of them, example.env is a file to fill in.',
  exitCodes: 'Exit codes:',
  more: '"isales-auth-proxy help COMMAND" says more. --instance takes the settings of the service isales-auth-proxy@NAME, or without a name (-) those of isales-auth-proxy.',
  self: 'Print this',
}

interface CommandWords {
  /** One line for the overview. */
  readonly summary: string
  /** What `--help` says besides; paragraphs. */
  readonly text: string
  readonly flags?: Readonly<Record<string, string>>
}

export const commands: Readonly<Record<'serve' | 'check' | 'status' | 'renew', CommandWords>> = {
  serve: {
    summary: 'Run the proxy (the default)',
    text: 'SIGHUP: secrets and certificates are read again, and a login is tried now. SIGTERM, SIGINT, SIGQUIT or SIGUSR2: readiness goes off, requests in flight are finished, exit 0. A second of these signals ends the process immediately.',
  },
  check: {
    summary: 'Check the configuration, and with --live the conversation with iSales',
    text: 'Prints every setting with its value (secrets redacted) and where it came from, and everything that is wrong with what to do about it.\n\nWith --live it logs in once, never twice: a wrong password costs one attempt, which STATE_DIR counts. With the token it calls business/interface, which changes nothing, sees how iSales refuses a token that is not valid, and refreshes: first as configured, then in the forms that the editions of the interface describe. It ends with "It works", or with "Set NAME=value" for each setting that has to differ. Where iSales allows a user one session only, that login may end the session of a running proxy, which then logs in again; with SESSION_STORE_URL the replicas take the new token.',
    flags: {
      '--live': 'Log in to iSales once, and say what came of it',
      '--quiet': 'Print no settings, only what is wrong and the verdict',
    },
  },
  status: {
    summary: 'Print what the status page of a running proxy shows',
    text: 'Asks the proxy that runs here (ADMIN_LISTEN) how it is, what is wrong, and what to do about it. It exits 0 when the process responds, whatever its state is: for HEALTHCHECK.',
    flags: {
      '--json': 'Print it as JSON',
      '--wait T': 'Wait until the proxy is ready to forward requests, at most T such as 60s',
    },
  },
  renew: {
    summary: 'Read files again and end a pause of logins',
    text: 'Sends SIGHUP to the proxy that runs here (ADMIN_LISTEN): it reads its files again and, if logins are paused, ends the pause once, where fewer than four attempts are open. Where a token serves it asks iSales for nothing. Shows the status three seconds later: for after a password was corrected or an account unlocked. It has to run as root or as the user of the proxy, on its machine or in its container.',
  },
}

export const exitCodes: readonly (readonly [codes: string, meaning: string])[] = [
  ['0', 'Done. serve: stopped by a signal. check: sound; --live: it works. status: it responds.'],
  ['1', 'serve: an address is taken, or an unexpected error.'],
  ['2', 'Configuration or command line are wrong. check --live: settings have to differ.'],
  ['3', 'check --live, renew: iSales refuses the user or password.'],
  ['4', 'check --live: no login, or no form of a call works. renew: no token serves yet.'],
  ['5', 'status: no response; --wait: not ready in time. renew: no proxy here, or no permission.'],
  ['130, 131, 140, 143', 'A signal ended the command; of serve, the second one.'],
]

/** What is wrong with a command line, or with its environment. */
export const command = {
  misused: (problem: string) => `${problem}\n"isales-auth-proxy help" lists commands and flags.`,
  unknown: (given: string, near: string | undefined) =>
    `Unknown command or flag ${given}.${near === undefined ? '' : ` Did you mean ${near}?`}`,
  noArgument: 'Unexpected argument: only flags are accepted here.',
  noValue: (flag: string) => `${flag} takes no value.`,
  needsValue: (flag: string, example: string) =>
    `${flag} needs a value, such as ${flag} ${example}.`,
  notInstance: '--instance is the name of a service, as north of isales-auth-proxy@north, or -.',
  noInstance: (file: string) =>
    `${file} cannot be read: there is no such service (\`ls -d /etc/isales-auth-proxy*\`), or you are not root.`,
  anyPort: 'ADMIN_LISTEN has port 0: the port that was taken is not known here.',
  notReady: (waited: string) => `Not ready within ${waited}.`,
  notStarted: 'Nothing was started. "isales-auth-proxy check" shows all settings.',
  unforeseen: (name: string) => `isales-auth-proxy: an error that was not foreseen (${name})`,
}

/** Why a listener could not start: completes `NAME: ...`. */
export const listening = {
  cannot: (where: string, why: string) => `cannot listen on ${where}: ${why}`,
  causes: {
    EADDRINUSE: 'in use by another process: stop it (`ss -ltnp` names it), or take another address',
    EACCES:
      'no permission: ports below 1024 are for root. Take a higher port, or give the capability CAP_NET_BIND_SERVICE (AmbientCapabilities= of the unit)',
    EADDRNOTAVAIL: 'not an address of this machine',
    ENOTFOUND: 'the host name is not known',
  },
  elsewhere: (bound: string, wanted: string) =>
    `the socket unit listens on ${bound}, not on ${wanted}: give both the same address`,
  several: (count: number) => `the socket unit has ${count} addresses, and LISTEN is one`,
}

/** What `check` says, of the configuration and of the conversation with iSales. */
export const check = {
  sound: 'The configuration is sound.',
  head: ['SETTING', 'VALUE', 'FROM'],
  wrong: '(error, see below)',
  error: 'Error',
  warning: 'Warning',
  labelled: (label: string, line: string) => `${label}: ${line}`,
  verdicts: {
    works: 'It works.',
    blind:
      'It works, but the proxy cannot notice when a token ends early: calls then fail until the token is renewed.',
    differs: 'The login works. Set what is listed above, then check again.',
    refused: 'iSales refused the login. One attempt was spent; nothing else was tried.',
    unreachable: 'Login was not possible, so nothing else could be tried.',
    'no-header': 'The login works, but business calls do not, in none of the known forms.',
  },
  topics: {
    login: 'login',
    store: 'store',
    call: 'business call',
    invalid: 'an invalid token',
    refresh: 'refresh',
    conversation: 'conversation',
    lifetime: 'lifetime',
    interface: 'interface',
    state: 'STATE_DIR',
  },
  blind:
    'Ask the vendor how iSales refuses a token that is not valid; ISALES_REJECTED tells the proxy',
  carrier: 'Check ISALES_TOKEN_HEADER and ISALES_LOGIN_PATH',
  set: (name: string, text: string) => `Set ${name}=${text}`,
  at: (url: string, user: string) => `at ${url} as ${user}`,
  uncounted: (what: string) => `${what}. The login is not counted there`,
  notTried: (where: string, why: string) => `${where} was not tried: ${why}`,
  failed: (where: string, what: string) => `${where}: ${what}`,
  loggedIn: (where: string, ms: number, grant: string) =>
    `${where} works, took ${ms} ms; the token ${grant}`,
  deferred: {
    busy: () => 'a replica logs in just now. Try again in some seconds',
    guarded: (minutes: number) =>
      `logins with these credentials failed before, and the account is spared; the next attempt is in ${minutes} min. Correct user and password if they are wrong, else try again then`,
  },
  grant: (life: string, isStated: boolean, refresh: string | undefined) =>
    `${isStated ? `lives ${life}` : `states no lifetime that can be believed (${life} is taken)`}, with${refresh === undefined ? 'out' : ''} a refresh token${refresh ? ` that lives ${refresh}` : ''}`,
  forReplicas: 'was not tried: the token is for the replicas that share it',
  worksSo: 'works with these settings',
  notAccepted: 'the token at hand is not accepted',
  works: (how: string) => `${how}: works`,
  as: (text: string, works: boolean) => `${text}, as a call that ${works ? 'works' : 'fails'}`,
  foreign: 'not a response of iSales',
  otherHost: (origin: string) => `gives URLs of ${origin}: CTI-OBS would call it there`,
  wholeUrls: 'gives whole URLs, which the proxy rewrites to itself',
  closedPaths: (count: number) => `names ${count} paths outside of ALLOWED_PATHS`,
  refreshPath: (path: string) => `names ${path} as the refresh path`,
  refreshOff: 'is off (ISALES_REFRESH_PATH); the proxy logs in instead',
  noRefresh: 'the login gives no refresh token; the proxy logs in instead',
  bodyAlone: 'body alone',
  withHeader: (form: string) => `Authentication with the ${form}, and body`,
  refreshed: (how: string, rotates: boolean, lives: boolean) =>
    `${how}: works; the refresh token ${rotates ? 'rotates' : 'stays'}, the old token ${lives ? 'lives on' : 'ends'}`,
  refreshFails: 'does not work; the proxy logs in instead',
  storeAlone: (what: string) => `${what}. A login may end the session of running replicas`,
  storeWorks: 'works: running replicas take the new token',
  noStore:
    'is not shared (SESSION_STORE_URL): where iSales allows this user one session, replicas would end each other’s tokens',
}

/** How a running proxy responded to a command. */
export const running = {
  silent: (at: string, code: string) =>
    `The proxy did not respond at ${at} (${code}). Check that it runs (systemctl status isales-auth-proxy, kubectl get pod), and ADMIN_LISTEN`,
  late: 'no response in time',
  other: (at: string) => `The proxy responded 404: another program listens at ${at} (ADMIN_LISTEN)`,
  status: (status: number, reason: string) =>
    `The proxy responded ${status}${reason && ` (${reason})`}`,
}

/** What came of the signal that `renew` sends; the status follows it. */
export const renew = {
  nothing: (why: string) => `Nothing was done: ${why}`,
  elsewhere: (pid: string) =>
    `process ${pid} here does not run this program, so the proxy is elsewhere: send it SIGHUP there`,
  notSent: (pid: number, code: string) =>
    `SIGHUP could not be sent to process ${pid}: ${code}; run the command as the user of the proxy, or as root`,
  sent: 'The proxy reads its files again, and ends a pause of logins. Where a token serves it asks iSales for nothing. Its status three seconds later:',
}
