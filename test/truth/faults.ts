// Every fault with its side, and the codes of the status that name it rightly.

/** How the fake iSales answers: with a response, or with something other than a whole response in time. */
type Response = Readonly<{ status: number; body: string; type?: string }>
export type Answer = Response | 'late' | 'slow' | 'close' | 'half' | 'hang'

/** Act of a client instead of an innocent call. `ticket`: of CTI-OBS's login; empty for none. */
export type Misdeed = Readonly<{
  kind: 'request' | 'plain' | 'tls' | 'leave' | 'malformed' | 'half' | 'silent' | 'unread'
  host?: string
  path?: string
  size?: number
  ticket?: string
}>

export type Fault = Readonly<{
  side: 'call' | 'login' | 'refresh' | 'client' | 'route' | 'machine' | 'file'
  /** Codes of the status that say what happened: of the cause, or of a headline without one. */
  codes: readonly string[]
  answer?: Answer
  misdeed?: Misdeed
  /** Settings without which it cannot happen. */
  needs?: Readonly<Record<string, string>>
  /** Percentage of the calls, unless it is drawn. */
  fraction?: number
  /** Two faults with a group in common exclude each other. Default: its name. */
  group?: string
  /** Milliseconds after which the status names it, although no call is lost. */
  shownAfter?: number
}>

const json = (status: number): Response => ({ status, body: `{"result":${status}}` })
const page = (status: number): Response => ({ status, body: '<html></html>', type: 'text/html' })

/** Codes of calls after the end of the token, and of a login that is under way. */
const NO_TOKEN = ['no-token', 'out-of-time', 'logging-in']
const LOST = ['connection-lost', 'connection-closed', 'upstream-broken']
/** Without TLS, the page of `tls-expected` names it. */
const CUT = ['tls-expected', ...LOST]
const FORBIDDEN = ['call-rejected', 'token-rejected', 'IsalesProxySessionConflict']
const SILENT = ['half-sent', 'request-timeout']
// oxfmt-ignore
const DISK = ['disk-full', 'disk-denied', 'disk-readonly', 'disk-no-links', 'disk-slow', 'disk-failed', 'disk-foreign']

const call = (answer: Answer, ...codes: string[]): Fault => ({ side: 'call', answer, codes })
const ofToken = (side: 'login' | 'refresh', answer: Answer, codes: readonly string[]): Fault => {
  const needs = { life: '6', ...(side === 'refresh' && { refresh: 'on' }) }
  return { side, group: side, answer, codes: [...codes, ...NO_TOKEN], needs }
}
const login = (answer: Answer, ...codes: string[]): Fault =>
  everybody(ofToken('login', answer, codes))
const refresh = (answer: Answer, ...codes: string[]): Fault => ofToken('refresh', answer, codes)
const client = (codes: readonly string[], misdeed: Misdeed, needs = {}): Fault => {
  return { side: 'client', group: 'client', misdeed, codes, needs }
}
/** Of all callers at once. */
const everybody = (fault: Fault): Fault => ({ ...fault, fraction: 100 })
const route = (code: string, needs = {}): Fault =>
  everybody({ side: 'route', group: 'route', codes: [code, ...CUT, ...NO_TOKEN], needs })
const machine = (codes: readonly string[] = [], needs = {}): Fault =>
  everybody({ side: 'machine', codes, needs })
const REQUIRED = { login: 'required' }

// oxfmt-ignore
export const FAULTS: Readonly<Record<string, Fault>> = {
  500: call(json(500), 'call-failed'), 502: call(page(502), 'gateway'), 503: call(json(503), 'maintenance'),
  504: call(page(504), 'gateway'), 429: call(json(429), 'call-throttled'), 404: call(json(404), 'call-declined'),
  401: { ...call(json(401), ...FORBIDDEN), group: 'rejects' },
  403: { ...call(json(403), ...FORBIDDEN), group: 'rejects' },
  /** The first six attempts get 403, all others 503. */
  '403-then-503': { ...everybody(call(json(503), 'maintenance')), group: 'rejects' },
  result: call({ status: 200, body: '{"result":7,"resultData":{}}' }, 'call-result'),
  /** A good response with another object that has a `result`. */
  nested: call({ status: 200, body: '{"resultData":[{"result":"busy"}],"result":0}' }),
  page: call(page(200), 'call-page'), late: call('late', 'upstream-timeout', 'out-of-time'),
  slow: { ...call('slow', 'IsalesProxyLatency'), needs: { deadline: '4s' } },
  close: call('close', ...CUT), half: call('half', ...LOST),
  down: route('connection-refused'), 'port-closed': route('connection-refused'),
  'bad-certificate': route('untrusted', { isales: 'tls' }),

  'login-401': login(json(401), 'account'), 'login-403': login(json(403), 'password'),
  'login-500': login(json(500), 'business', 'business-later'), 'login-500-plain': login(page(500), 'server-error'),
  'login-hangs': login('hang', 'login-timeout'), 'login-page': login(page(200), 'login-page', 'not-isales'),
  'refresh-403': refresh(json(403), 'refresh-rejected'),
  'refresh-500': refresh(json(500), 'refresh-rejected', 'server-error'),
  'refresh-502': refresh(page(502), 'gateway'), 'refresh-page': refresh(page(200), 'login-page', 'not-isales'),
  /** A refresh is not answered, and iSales has ended the token that it was to replace. */
  'refresh-hangs': everybody(refresh('hang', 'login-timeout', 'connection-lost')),
  /** iSales ends the token once. */
  revoked: machine(),

  'other-host': client(['other-host'], { kind: 'request', host: 'isales-proxy.example' }),
  'other-path': client(['other-path'], { kind: 'request', path: '/elsewhere' }),
  'too-large': client(['too-large'], { kind: 'request', size: 1_100_000 }),
  'no-ticket': client(['not-logged-in'], { kind: 'request', ticket: '' }, REQUIRED),
  'wrong-ticket': client(['not-logged-in'], { kind: 'request', ticket: 'wrong' }, REQUIRED),
  malformed: client(['bad-request'], { kind: 'malformed' }), leaves: client(['gave-up'], { kind: 'leave' }),
  'plain-to-tls': everybody(client(['plain-http'], { kind: 'plain' }, { listener: 'tls' })),
  'tls-to-plain': everybody(client(['tls-to-http'], { kind: 'tls' }, { listener: 'plain' })),
  distrust: everybody(client(['own-certificate', 'half-sent', 'not-trusted'], { kind: 'tls' }, { listener: 'tls' })),
  'half-sent': client(SILENT, { kind: 'half' }), silent: client(SILENT, { kind: 'silent' }),
  unread: client(['gave-up', ...SILENT], { kind: 'unread' }),
  /** Another client of the same address sends eight wrong passwords a second. */
  'wrong-logins': machine(['obs-login'], REQUIRED),
  'state-dir': { ...machine(DISK, { life: '3600' }), shownAfter: 12_000 },
  /** The value of ISALES_REFRESH_HEADER_TOKEN is a token. */
  'pasted-token': machine(),
  /** A client holds more connections than the proxy allows, and sends nothing. */
  'over-limit': machine(['overloaded', ...SILENT]),
  /** The operator writes another password into the file, and the right one at the end. */
  'password-file': { ...login(json(403), 'password'), side: 'file', group: 'login route', needs: {}, shownAfter: 5000 },
  /** The proxy names the most frequent cause of refused calls. */
  'obs-password-file': { ...machine(['obs-login', 'not-logged-in'], REQUIRED), side: 'file', group: 'client', shownAfter: 5000 },
  /** SIGHUP. The fraction is of the time with faults. */
  renew: { side: 'machine', codes: [] },
}

/** True for a fault that concerns calls other than those that meet it. */
export const concernsAll = ({ side, group }: Fault): boolean =>
  ['login', 'refresh', 'route', 'file'].includes(side) || group === 'rejects'
