// A fake iSales on a real socket. Every response that it means for a call bears the call's number.
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { Server } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { LOGIN_PATH, REFRESH_PATH } from '../../simulator/index.ts'
import { cut } from '../../simulator/response.ts'
import { openServer } from '../../simulator/server.ts'
import { hashOf } from '../simulation/loop.ts'
import type { Certificates } from '../support/certificates.ts'
import { freePort } from '../support/free-port.ts'
import type { Answer } from './faults.ts'
import { faultOf, type ActiveFault, type Stage } from './settings.ts'

export const PASSWORD = 'truth-password-of-isales'
/** Beginning of every token, by which leaks are found. */
export const TOKEN_MARK = 'truthTOKEN'

const isOfPlaces = ({ name }: ActiveFault): boolean => name === 'few-places'
/** Connections of `few-places`. */
const PLACES = 4

export type Isales = Awaited<ReturnType<typeof openIsales>>

export async function openIsales(stage: Stage, certificates: Certificates) {
  const { life, deadline, latency, isales } = stage.plan.settings
  /** When each token was granted, and ends, by its number. */
  const [grants, ends] = [[0], [0]]
  /** Logins and refreshes on the wire, at a time of `performance.now`; `fault` is undefined if it was granted. */
  const requests: { kind: 'login' | 'refresh'; at: number; fault?: ActiveFault }[] = []
  /** Calls on the wire. `token`: the number of its token, 0 for an unknown one. */
  const calls: { at: number; token: number; accepted: boolean }[] = []
  /** Faults that calls met on the wire, by the call's number. */
  const met = new Map<number, ActiveFault>()
  let forbidden = 0
  const isBusy = (): boolean => stage.active && stage.plan.faults.some(isOfPlaces)
  const endTokens = (): void => void ends.fill(0)

  function grant(): string {
    const seconds = Number(life)
    grants.push(performance.now())
    const token = `${TOKEN_MARK}${ends.push(performance.now() + 1000 * seconds) - 1}`
    const refresh = { refreshToken: `${TOKEN_MARK}R`, refreshExpirationTime: 12 * seconds }
    const resultData = { token, tokenExpirationTime: seconds, ...refresh }
    return JSON.stringify({ result: 0, resultData })
  }

  async function write(out: ServerResponse, answer: Answer, fields = {}): Promise<void> {
    if (answer === 'hang') return
    if (answer === 'close') return void out.socket?.destroy()
    const whole = { status: 200, headers: fields, body: Buffer.from('{"result":0}') }
    if (answer === 'half') return cut(out, whole, 'mid-body')
    if (answer === 'late' || answer === 'slow') {
      await delay(answer === 'slow' ? 2300 : 1000 * Number.parseFloat(deadline) + 700)
      return write(out, { status: 200, body: '{"result":0}' }, fields)
    }
    if (answer === 'drip') {
      out.writeHead(200, fields)
      for (let nth = 0; nth < 30 && !out.destroyed; nth += 1) await delay(100, out.write(' '))
      return void out.end('{"result":0}')
    }
    const { status, body, type = 'application/json', location } = answer
    const length = { 'content-length': body.length, ...(location && { location }) }
    out.writeHead(status, { 'content-type': type, ...length, ...fields }).end(body)
  }

  async function serve(request: IncomingMessage, out: ServerResponse): Promise<void> {
    out.on('error', () => undefined)
    const sent = await text(request)
    const { url, headers } = request
    if (url === LOGIN_PATH) return serveToken('login', out, sent.includes(PASSWORD))
    if (url === REFRESH_PATH) return serveToken('refresh', out)
    const at = performance.now()
    const number = Number(headers['x-truth'])
    const token = Number(headers.authorization?.replace(`Bearer ${TOKEN_MARK}`, '')) || 0
    const isValid = at < (ends[token] ?? 0)
    const node = faultOf(stage, calls.length, 'node')
    const isUnknown = at < (grants[token] ?? 0) + (node?.unknownFor ?? Infinity)
    const fault = faultOf(stage, number, 'client', 'call') ?? (isUnknown ? node : undefined)
    const isForbidden = fault?.name === '403-then-503' && isValid && (forbidden += 1) <= 6
    const accepted =
      isValid && !isForbidden && !/^40[13]$/.test(fault?.name ?? '') && fault?.side !== 'node'
    calls.push({ at, token, accepted })
    const ended = stage.plan.faults.find(({ rejection }) => rejection)
    if (!isValid)
      return write(out, ended?.rejection ?? { status: 401, body: '{}' }, {
        'x-fault': ended?.name ?? 'token',
      })
    await delay(
      fault?.name === 'leaves' ? 1700 : isBusy() ? hashOf(`${number}`) % 350 : Number(latency),
    )
    const good = { status: 200, body: `{"result":0,"resultData":{"number":${number}}}` }
    if (fault?.answer === undefined) return write(out, good, { 'x-truth': number })
    met.set(number, fault)
    const answer = isForbidden ? { status: 403, body: '{}' } : fault.answer
    return write(out, answer, { 'x-fault': fault.name, 'x-truth': number })
  }

  async function serveToken(kind: 'login' | 'refresh', out: ServerResponse, isRight = true) {
    const met = faultOf(stage, requests.length, kind)
    const fault = isRight ? met : stage.plan.faults.find(({ name }) => name === 'password-file')
    requests.push({ kind, at: performance.now(), ...(fault && { fault }) })
    await write(out, fault?.answer ?? { status: 200, body: grant() })
    if (fault?.name === 'refresh-hangs') setTimeout(endTokens, 300)
  }

  const handle: RequestListener = (request, out) =>
    void serve(request, out).catch(() => out.destroy())
  const tls = isales === 'tls' ? certificates.server : undefined
  // While nothing listens, no proxy of another run takes this port.
  const address = { host: '127.0.0.1', port: await freePort() }
  const { server, port, ...place } = await openServer(handle, { tls, ...address })
  server.keepAliveTimeout = 60_000
  const isFull = (): boolean => isBusy() && place.sockets.size >= PLACES
  server.on('connection', () => isFull() && Server.prototype.close.call(server))
  /** Listens again when a connection has ended. */
  async function keepPlaces(): Promise<void> {
    for (; !stage.over; await delay(5))
      if (!isFull() && stage.plan.faults.some(isOfPlaces)) await place.up()
  }
  void keepPlaces()
  const url = `http${tls ? 's' : ''}://127.0.0.1:${port}`
  /** Presents another certificate to new connections, and cuts all others. */
  function present(which: 'server' | 'stranger'): void {
    if ('setSecureContext' in server) server.setSecureContext(certificates[which])
    place.disconnect()
  }
  // After `down`, nothing listens until `up`, and all connections are cut.
  return { ...place, url, requests, calls, met, endTokens, present }
}
