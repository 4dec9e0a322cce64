// Every fault with its side, and the codes of the status that name it rightly.

/** How the fake iSales answers: with a response, or with something other than a whole response in time. */
type Response = Readonly<{ status: number; body: string; type?: string; location?: string }>
export type Answer = Response | 'late' | 'slow' | 'close' | 'half' | 'hang' | 'drip'

/** Act of a client instead of an innocent call. `ticket`: of CTI-OBS's login; empty for none. */
export type Misdeed = Readonly<{
  kind: 'request' | 'plain' | 'tls' | 'leave' | 'malformed' | 'half' | 'silent' | 'unread'
  host?: string
  origin?: string
  path?: string
  size?: number
  ticket?: string
}>

export type Fault = Readonly<{
  /** `node`: of one of the two nodes of iSales, which takes some attempts. */
  side: 'call' | 'node' | 'login' | 'refresh' | 'client' | 'route' | 'machine' | 'file'
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
  /** Milliseconds after which the status names it, although no call is lost. `shows`: by one of these codes. */
  shownAfter?: number
  shows?: readonly string[]
  /** iSales ends all tokens when it begins, rejects ended ones like this, and does not know a new one at first. */
  revokes?: boolean
  rejection?: Response
  unknownFor?: number
}>

const json = (status: number): Response => ({ status, body: `{"result":${status}}` })
const page = (status: number): Response => ({ status, body: '<html></html>', type: 'text/html' })
const redirect = (status: number): Response => ({ ...page(status), location: '/login' })

/** Codes of calls after the end of the token, and of a login that is under way. */
const NO_TOKEN = ['no-token', 'out-of-time', 'logging-in']
const CUT = ['connection-lost', 'connection-closed', 'upstream-broken']
const FORBIDDEN = [
  'call-rejected',
  'token-rejected',
  'token-unsteady',
  'IsalesProxySessionConflict',
]
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
/** iSales has ended all tokens, and grants none. */
const revoked = (answer: Answer, ...codes: string[]): Fault => {
  return { ...login(answer, ...codes), revokes: true, needs: { refresh: 'off' } }
}
/** iSales rejects ended tokens with another status than 401 and 403. */
const rejection = (rejection: Response, ...codes: string[]): Fault => {
  return { ...machine(codes, { life: '3600' }), group: 'rejects', revokes: true, rejection }
}
/** A 200 without a result. */
const useless = (body: string): Fault => {
  return { ...call({ status: 200, body }, 'not-json'), needs: { methods: 'POST' } }
}
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
  empty: useless(''), 'half-json': useless('{"result":0,"resul'), ok: useless('OK'),
  /** Its client leaves before the end of the body. */
  drips: { ...call('drip', 'upstream-timeout', 'IsalesProxyLatency'), misdeed: { kind: 'leave' } },
  /** A node of two does not know the token. */
  nodes: { ...call(json(401), ...FORBIDDEN.slice(0, 1), 'token-unsteady'), side: 'node', group: 'rejects', fraction: 45, shownAfter: 9000, shows: ['token-unsteady'] },
  'young-token': { ...everybody(call(json(401), 'call-rejected', 'token-unsteady')), side: 'node', group: 'rejects', revokes: true, unknownFor: 1500, needs: { life: '6' }, shownAfter: 9000, shows: ['token-unsteady'] },
  close: call('close', ...CUT), half: call('half', ...CUT),
  down: route('connection-refused'), 'port-closed': route('connection-refused'),
  'bad-certificate': route('untrusted', { isales: 'tls' }),

  'login-401': login(json(401), 'account'), 'login-403': login(json(403), 'password'),
  'login-500': login(json(500), 'business', 'business-later'), 'login-500-plain': login(page(500), 'server-error'),
  'login-hangs': login('hang', 'login-timeout'), 'login-page': login(page(200), 'login-page', 'not-isales'),
  'login-308': revoked(redirect(308), 'not-isales'), 'login-429': revoked(json(429), 'throttled'),
  'login-503': revoked(json(503), 'maintenance'), 'login-result': revoked({ status: 200, body: '{"result":1}' }, 'result'),
  'refresh-403': refresh(json(403), 'refresh-rejected'),
  'refresh-500': refresh(json(500), 'refresh-rejected', 'server-error'),
  'refresh-502': refresh(page(502), 'gateway'), 'refresh-page': refresh(page(200), 'login-page', 'not-isales'),
  /** A refresh is not answered, and iSales has ended the token that it was to replace. */
  'refresh-hangs': everybody(refresh('hang', 'login-timeout', 'connection-lost')),
  /** iSales ends the token once. */
  revoked: { ...machine(), revokes: true },
  'ended-302': rejection(redirect(302), 'call-page', 'other-status'), 'ended-419': rejection(json(419), 'call-declined', 'other-status'),
  /** iSales takes four connections, and now and then more calls at once. */
  'few-places': { ...machine([], { rate: '20' }), group: 'route' },
  /** No call arrives, and every 5 s a balancer completes a TLS handshake. */
  probes: { ...machine([], { listener: 'tls', login: 'open' }), group: 'client' },

  'other-host': client(['other-host'], { kind: 'request', host: 'isales-proxy.example' }),
  /** A gateway adds it. */
  origin: client(['browser'], { kind: 'request', origin: 'https://gateway.example' }),
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
