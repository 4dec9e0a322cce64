// What people read of the command line: help, what a command prints, and how a start failed.

/** Of the overview, of a command, of a setting. */
export const help = {
  intro: 'Logs in to CC-iSales, keeps the token fresh, and puts it on every request.',
  usage: (line: string) => `Usage: ${line}`,
  commands: 'Commands:',
  help: 'Explain a command or a setting',
  version: 'Print the version',
  required: 'Everything is set by environment variables. Required:',
  all: 'docs/configuration.md has all of them (of a package, in /usr/share/doc/isales-auth-proxy), and example.env is one to fill in.',
  examples: 'Examples:',
  exitCodes: 'Exit codes:',
  more: '"isales-auth-proxy help COMMAND" or "COMMAND --help" says more. --instance takes the settings of the service isales-auth-proxy@NAME, or without a name (-) those of isales-auth-proxy.',
  flags: 'Flags:',
  self: 'Print this',
  or: (variables: readonly string[]) => variables.join(' or '),
  such: (example: string) => `such as ${example}`,
  type: 'Type',
  limits: 'Limits',
  default: 'Default',
  example: 'Example',
  isRequired: 'required',
  unset: 'unset',
  empty: 'empty',
}

interface CommandWords {
  /** One line for the overview. */
  readonly summary: string
  /** What `--help` says besides; paragraphs. */
  readonly text: readonly string[]
  readonly flags: Readonly<Record<string, string>>
}

export const commands = {
  serve: {
    summary: 'Run the proxy (the default)',
    text: [
      'Logs in to CC-iSales, keeps the token fresh, and puts it on every request that comes in at LISTEN. Everything is set by environment variables; see docs/configuration.md, and "check" for what is in force.',
      'SIGHUP: secrets and certificates are read again, and a login is tried now. SIGTERM, SIGINT, SIGQUIT or SIGUSR2: readiness goes off, requests in flight are finished, exit 0. A second of these signals ends the process immediately.',
    ],
    flags: {},
  },
  check: {
    summary: 'Check the configuration, the login, or a running proxy',
    text: [
      'Prints every setting with its value (secrets redacted), where it came from and its default, and everything that is wrong with what to do about it.',
      'With --live it then logs in once, never twice: a wrong password costs one attempt. With STATE_DIR that attempt counts, and none is made while the account is spared. With the token it calls business/interface, which changes nothing, refreshes it, and sees how iSales refuses a token that is not valid. Where iSales allows a user one session only, that login may end the session of a running proxy, which then logs in again. With SESSION_STORE_URL it logs in under the lease of the store, and running replicas take the new token.',
    ],
    flags: {
      live: 'Log in to iSales once, have the conversation with it, and say what came of it',
      quiet: 'Print no settings, only what is wrong and the verdict',
      health: 'Ask the proxy that runs here (ADMIN_LISTEN, /livez) instead; for HEALTHCHECK',
    },
  },
  status: {
    summary: 'Print what the status page of a running proxy shows',
    text: [
      'Asks the proxy that runs here (ADMIN_LISTEN) how it is, what is wrong, and what to do about it. In Chinese where the locale is Chinese (LC_ALL, LC_MESSAGES, LANG).',
    ],
    flags: { output: 'text or json (default text)' },
  },
  wait: {
    summary: 'Wait until a running proxy is ready',
    text: [
      'Asks the proxy that runs here (ADMIN_LISTEN, /readyz) until it is ready to forward requests, so that what depends on it can be started after it.',
    ],
    flags: { timeout: 'Give up after this time (default 60s)' },
  },
  discover: {
    summary: 'Find the settings that suit your iSales',
    text: [
      'Logs in once with the configured user and password, then calls business/interface, which changes nothing, in each form that the editions of the interface describe, and refreshes the token. Prints an env file: what it found as comments, and the settings to use, those that were given, but for secrets, and those that have to differ from the defaults.',
      'It never tries a wrong password, and stops at the first refusal. Where iSales allows a user one session only, the login may end the session of a running proxy, which then logs in again.',
    ],
    flags: { 'second-login': 'Log in twice, to see whether that ends the first token' },
  },
  renew: {
    summary: 'Log in now, ignoring the back-off',
    text: [
      'Sends SIGHUP to the proxy that runs here (ADMIN_LISTEN): it reads its secrets again and logs in, once. Waits for the end of the login and says how it ended: for after a password was corrected or an account unlocked. It has to run as root or as the user of the proxy, on its machine or in its container.',
    ],
    flags: { timeout: 'Wait so long for the login (default 60s)' },
  },
} satisfies Readonly<Record<string, CommandWords>>

export const exitCodes = {
  ok: 'Done. For serve: stopped by SIGTERM, SIGINT, SIGQUIT or SIGUSR2, and every request in flight was finished or cut after DRAIN_TIMEOUT.',
  failed:
    'It failed while running: an address is taken, or an unexpected error. check --live, discover: iSales names another host than ISALES_URL.',
  usage: 'The configuration or the command line is wrong; nothing was started.',
  refused: 'check --live, discover, renew: iSales refused the user or password.',
  unreachable:
    'check --live, discover, renew: login was not possible (unreachable, TLS, timeout, throttled, or a response of another kind). check --live, discover: or iSales rejects calls with the token.',
  notReady:
    'wait: not ready in time. check --health, status: the running process does not respond. renew: no proxy runs here, or it may not be signalled.',
  signal:
    'A second SIGINT, SIGQUIT, SIGUSR2 or SIGTERM ended the process immediately; wait, check, discover and renew end so at the first.',
}

/** What is wrong with a command line, or with its environment. */
export const command = {
  misused: (problem: string) => `${problem}\n"isales-auth-proxy help" lists commands and flags.`,
  unknown: {
    command: (given: string) => `Unknown command ${given}.`,
    flag: (given: string) => `Unknown flag ${given}.`,
    setting: (given: string) => `Unknown setting ${given}.`,
  },
  near: (problem: string, near: string) => `${problem} Did you mean ${near}?`,
  noArgument: 'Unexpected argument: only flags are accepted here.',
  noValue: (flag: string) => `${flag} takes no value.`,
  needsValue: (flag: string, example: string) =>
    `${flag} needs a value, such as ${flag} ${example}.`,
  twice: (flag: string) => `${flag} is given twice.`,
  wrongValue: (flag: string, problem: string) => `${flag} ${problem}.`,
  output: '--output is text or json.',
  health: '--health asks a running proxy: it excludes --live and --quiet.',
  notInstance: '--instance is the name of a service, as north of isales-auth-proxy@north, or -.',
  noInstance: (file: string, missing: boolean) =>
    missing
      ? `There is no ${file}. \`ls -d /etc/isales-auth-proxy*\` lists the directories of all services.`
      : `${file} cannot be read. Only root may read it.`,
  anyPort: 'ADMIN_LISTEN has port 0: the port that was taken is not known here.',
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

/** What `check --live` and `discover` say of the conversation with iSales. */
export const check = {
  sound: 'The configuration is sound.',
  head: ['SETTING', 'VALUE', 'FROM', 'DEFAULT'],
  wrong: '(error, see below)',
  empty: '(empty)',
  byDefault: 'default',
  error: 'Error',
  warning: 'Warning',
  labelled: (label: string, line: string) => `${label}: ${line}`,
  verdicts: {
    works: 'It works.',
    blind:
      'It works, but the proxy cannot notice when a token ends early: calls then fail until the token is renewed.',
    refused: 'iSales refused the login. One attempt was spent; nothing else was tried.',
    unreachable: 'Login was not possible, so nothing else could be tried.',
    'no-header': 'The login works, but business calls do not.',
    elsewhere:
      'Calls work, but iSales names another host than ISALES_URL: CTI-OBS would call it there.',
  },
  topics: {
    login: 'login',
    store: 'store',
    call: 'business call',
    invalid: 'an invalid token',
    refresh: 'refresh',
    conversation: 'conversation',
    numbers: 'numbers',
    lifetime: 'lifetime',
    interface: 'interface',
    second: 'second login',
    state: 'STATE_DIR',
  },
  blind:
    'Ask the vendor how iSales refuses a token that is not valid; ISALES_REJECTED_STATUSES and ISALES_REJECTED_RESULTS tell the proxy',
  carrier:
    'Check ISALES_TOKEN_HEADERS, ISALES_TOKEN_SCHEME, ISALES_TOKEN_FIELD and ISALES_LOGIN_PATH; `discover` finds them',
  refreshForm: '`discover` finds the form, or set ISALES_REFRESH_PATH=off',
  set: (assignments: readonly string[]) => `Set ${assignments.join(' and ')}`,
  at: (url: string, user: string) => `at ${url} as ${user}`,
  uncounted: (what: string) => `${what}. The login is not counted there`,
  asOwner: 'Run the command as the user of the proxy, or as root',
  notTried: (where: string, why: string) => `${where} was not tried: ${why}`,
  failed: (where: string, what: string) => `${where}: ${what}`,
  loggedIn: (where: string, ms: number, grant: string) =>
    `${where} works, took ${ms} ms; the token ${grant}`,
  deferred: {
    busy: () => 'a replica logs in just now. Try again in some seconds',
    paused: () => 'the replicas wait after a failure. See the status page of one of them',
    guarded: (minutes: number) =>
      `logins with these credentials failed before, and the account is spared; the next attempt is in ${minutes} min. Correct user and password if they are wrong, else try again then`,
  },
  noLifetime: (taken: string) => `states no lifetime that can be believed (${taken} is taken)`,
  lives: (life: string) => `lives ${life}`,
  noRefreshToken: (life: string) => `${life}, without a refresh token`,
  withRefreshToken: (life: string, refresh: string) =>
    `${life}, with a refresh token${refresh && ` that lives ${refresh}`}`,
  forReplicas: 'was not tried: the token is for the replicas that share it',
  worksSo: 'works with these settings',
  notAccepted: 'the token at hand is not accepted',
  asText: 'result or lifetimes are written as text',
  works: (how: string) => `${how}: works`,
  as: (text: string, works: boolean) => `${text}, as a call that ${works ? 'works' : 'fails'}`,
  foreign: 'not a response of iSales',
  otherHost: (origin: string) => `gives URLs of ${origin}, which is not ISALES_URL`,
  tryHost: (origin: string) => `Try ${origin} as ISALES_URL`,
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
  outlives: 'the first token lives on: several replicas may share a user',
  ends: 'it ends the first token: one user allows one session only',
  sameToken: 'gives the same token',
  storeAlone: (what: string) => `${what}. A login may end the session of running replicas`,
  noListener: 'works. No replica listens with this key: none runs, or theirs is another',
  listeners: (count: number) => `works. ${count} running with this key take the new token`,
  addSecret: (name: string) => `${name} is a secret: add it`,
  setByHand: (name: string) => `${name} has a value that no env file can hold: set it by hand`,
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
  notReady: (waited: string, what: string) => `Not ready within ${waited}: ${what}`,
}

/** How the login ended that `renew` asked for. */
export const renew = {
  nothing: (why: string) => `Nothing was done: ${why}`,
  elsewhere: (pid: string) =>
    `process ${pid} here does not run this program, so the proxy is elsewhere: send it SIGHUP there`,
  notSent: (pid: number, code: string) =>
    `SIGHUP could not be sent to process ${pid}: ${code}; run the command as the user of the proxy, or as root`,
  ended: 'The proxy ended before the login did.',
  late: (waited: string) => `The login was asked for, and did not end within ${waited}.`,
  anyway: 'The account was guarded, and iSales was asked anyway',
  granted: (until: string) => `Logged in: a token until ${until}`,
  failed: (what: string) => `The login failed: ${what}`,
  deferred: (why: string) => `iSales was not asked: ${why}`,
  askedBefore: 'a login that was asked for ended a pause less than a minute ago',
  next: (time: string) => `The next attempt is in ${time}`,
}
