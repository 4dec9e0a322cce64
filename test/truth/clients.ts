// The clients. Each sends one request after the other, two without a pause, and knows what became of each.
import http from 'node:http'
import https from 'node:https'
import { connect as connectTcp } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import { INTERFACE_PATHS, LOGIN_PATH } from '../../simulator/index.ts'
import { call, type Calling } from '../support/call.ts'
import type { Misdeed } from './faults.ts'
import type { Isales } from './isales.ts'
import { faultOf, isPosted, type ActiveFault, type Stage } from './settings.ts'

/** Outcome of a request, by its client. Times are milliseconds of `performance.now`. */
export type Outcome = Readonly<{
  number: number
  isPost: boolean
  startedAt: number
  at: number
  /** The fault that the call met; undefined for an innocent call. */
  fault: ActiveFault | undefined
  /** `declined`: iSales's answer about the call. `turned`: a connection without a request. `stray`: an incomplete one. */
  kind: 'answered' | 'declined' | 'lost' | 'turned' | 'stray' | 'login'
  /** Status 0 without a response. Code of the proxy's own error, or name of iSales's fault. */
  status: number
  code: string
  sent: string
  /** Why there is no response, or the password of a login. */
  detail: string
}>

export const OBS = { OBS_USER: 'cti-obs', OBS_PASSWORD: 'truth-password-of-cti-obs' } as const
const POST = { method: 'POST', headers: { 'Content-Type': 'application/json' } } as const
/** Faults whose response is iSales's answer: the one that it means, or one about the call. */
// oxfmt-ignore
const MEANT = { '': 'answered', nested: 'answered', slow: 'answered', 404: 'declined', result: 'declined', empty: 'declined', 'half-json': 'declined', ok: 'declined', 'ended-419': 'declined' } as const

/** Starts the clients of a run, of a proxy at `origin`. */
export function createClients(stage: Stage, isales: Isales, origin: string, ca: string) {
  const { listener, login, clients, connections, rate, deadline } = stage.plan.settings
  const outcomes: Outcome[] = []
  const isRequired = login === 'required'
  let last = 0
  const { hostname, port, host } = new URL(origin)
  const place = { host: hostname, port: Number(port) }
  const { Agent } = listener === 'tls' ? https : http

  function note(one: Partial<Outcome> & Pick<Outcome, 'kind' | 'startedAt'>): void {
    const none = {
      number: 0,
      isPost: true,
      fault: undefined,
      status: 0,
      code: '',
      sent: '',
      detail: '',
    }
    outcomes.push({ ...none, at: performance.now(), ...one })
  }

  async function logIn(passwd: string): Promise<string> {
    const startedAt = performance.now()
    const body = JSON.stringify({ user: OBS.OBS_USER, passwd })
    const options = { ...POST, body, agent: new Agent({ ca }), signal: AbortSignal.timeout(5000) }
    const response = await call(origin + LOGIN_PATH, options).catch(() => undefined)
    note({ kind: 'login', startedAt, status: response?.status ?? 0, detail: passwd })
    return /"token":"([^"]+)"/.exec(response?.text ?? '')?.[1] ?? ''
  }

  async function sendCall(agent: http.Agent, ticket: string): Promise<void> {
    const number = (last += 1)
    const drawn = faultOf(stage, number, 'client', 'call')
    const wrong: Partial<Misdeed> = drawn?.misdeed ?? {}
    const { kind: deed, host, origin: Origin, ticket: shown = ticket } = wrong
    let startedAt = performance.now()
    const isPost = isPosted(stage.plan, number)
    const end = (kind: Outcome['kind'], more: Partial<Outcome> = {}): void =>
      note({
        number,
        isPost,
        startedAt,
        fault: deed ? drawn : isales.met.get(number),
        kind,
        ...more,
      })
    const path = wrong.path ?? INTERFACE_PATHS[isPost ? 'pushTaskStatus' : 'getTask']
    const body = `{"number":${number}}`.padEnd(wrong.size ?? 0)
    const own: Calling = isPost ? { ...POST, body } : {}
    const headers = {
      ...own.headers,
      'X-Truth': String(number),
      ...(host && { Host: host }),
      ...(Origin && { Origin }),
    }
    if (isRequired && shown) Object.assign(headers, { Authorization: `Bearer ${shown}` })
    if (deed !== undefined && deed !== 'request' && deed !== 'leave') {
      const fields = Object.entries(headers).map((field) => field.join(': '))
      await misbehave(deed, [`POST ${path} HTTP/1.1`, ...fields].join('\r\n'))
      if (deed === 'malformed') return end('lost', { status: 400, sent: 'no' })
      return end(deed === 'plain' || deed === 'tls' ? 'turned' : 'stray')
    }
    const signal = AbortSignal.timeout(deed === 'leave' ? 1000 : 3000 * Number.parseFloat(deadline))
    try {
      const onSocket = (): void => void (startedAt = performance.now())
      const options = { ...own, headers, signal, agent, onSocket }
      const { status, header, json } = await call(origin + path, options)
      const [of = '', isMeant] = [header('x-fault'), header('x-truth') === String(number)]
      const problem = isMeant || of !== '' ? { code: of } : (json as Partial<Outcome>)
      end(((isMeant || of) && MEANT[of as keyof typeof MEANT]) || 'lost', { ...problem, status })
    } catch (error) {
      // Node's word for a response that is cut after its head.
      end('lost', { detail: String(error), status: String(error) === 'Error: aborted' ? 200 : 0 })
    }
  }

  /** Does something other than a call, on a connection of its own. */
  async function misbehave(deed: Misdeed['kind'] | 'hold' | 'probe', head = ''): Promise<void> {
    const isTls = deed === 'tls' || (listener === 'tls' && deed !== 'plain' && deed !== 'hold')
    const trusted = { ...place, ca: deed === 'tls' ? undefined : ca }
    const socket = isTls ? connectTls(trusted) : connectTcp(place)
    const whole = `${head}\r\nHost: ${host}\r\nContent-Length: 2\r\n\r\n{}`
    const [half, malformed] = [whole.slice(0, -1), 'POST / HTTP/1.1\r\nno\r\n\r\n']
    const sent = { silent: '', hold: '', probe: '', half, malformed }[deed as 'half'] ?? whole
    const closed = new Promise((resolve) => void socket.on('close', resolve))
    socket.on('error', () => undefined).write(sent)
    if (deed !== 'half' && deed !== 'unread') socket.resume()
    if (deed === 'probe') socket.once('secureConnect', () => socket.end())
    const isHeld = (): boolean => deed === 'hold' && stage.active && !socket.closed
    do await Promise.race([closed, delay(deed === 'hold' ? 500 : 1500)])
    while (isHeld())
    socket.destroy()
  }

  async function lane(index: number): Promise<void> {
    const isKept = connections === 'kept' || (connections === 'mixed' && index % 2 === 0)
    const interval = (2000 * Number(clients)) / Number(rate)
    // With one connection, the second call follows the first response. Its certificate bears this name, not the Host.
    const agent = new Agent({ keepAlive: isKept, maxSockets: 1, ca, servername: 'localhost' })
    const ticket = isRequired ? await logIn(OBS.OBS_PASSWORD) : ''
    await delay((interval * index) / Number(clients))
    while (!stage.over)
      await Promise.all([delay(interval), sendCall(agent, ticket), sendCall(agent, ticket)])
    agent.destroy()
  }

  /** CTI-OBS logs in repeatedly, and another client with a wrong password. `every`: milliseconds. */
  async function logins(password: string, every: number): Promise<void> {
    for (; !stage.over; await delay(every))
      if (password !== 'wrong' || stage.active) await logIn(password)
  }

  /** Holds a connection without a byte while faults happen; 1 to 3 s after its end, opens another one. */
  async function hold(): Promise<void> {
    for (; !stage.over; await delay(1000 + 2000 * Math.random())) {
      if (!stage.active) continue
      const startedAt = performance.now()
      await misbehave('hold')
      note({ kind: 'turned', startedAt })
    }
  }

  /** A balancer's health check. */
  async function probe(): Promise<void> {
    for (; !stage.over; await delay(5000)) {
      const startedAt = performance.now()
      await misbehave('probe')
      note({ kind: 'turned', startedAt })
    }
  }

  const has = (name: string): boolean => stage.plan.faults.some((fault) => fault.name === name)
  const lanes = has('probes') ? 0 : Number(clients)
  const running = Array.from({ length: lanes }, (_, index) => lane(index))
  if (has('probes')) running.push(probe())
  if (isRequired) running.push(logins(OBS.OBS_PASSWORD, 700))
  if (has('wrong-logins')) running.push(logins('wrong', 125))
  // The limit is 1,024.
  if (has('over-limit')) running.push(...Array.from({ length: 1100 }, hold))
  return { outcomes: outcomes as readonly Outcome[], stopped: Promise.all(running) }
}
