// A fake iSales on a real socket. Every response that it means for a call bears the call's number.
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { LOGIN_PATH, REFRESH_PATH } from '../../simulator/index.ts'
import { cut } from '../../simulator/response.ts'
import { openServer } from '../../simulator/server.ts'
import type { Certificates } from '../support/certificates.ts'
import { freePort } from '../support/free-port.ts'
import type { Answer } from './faults.ts'
import { faultOf, type ActiveFault, type Stage } from './settings.ts'

export const PASSWORD = 'truth-password-of-isales'
/** Beginning of every token, by which leaks are found. */
export const TOKEN_MARK = 'truthTOKEN'

export type Isales = Awaited<ReturnType<typeof openIsales>>

export async function openIsales(stage: Stage, certificates: Certificates) {
  const { life, deadline, latency, isales } = stage.plan.settings
  /** When each token ends, by its number. */
  const ends = [0]
  /** Logins and refreshes on the wire, at a time of `performance.now`; `fault` is undefined if it was granted. */
  const requests: { kind: 'login' | 'refresh'; at: number; fault?: ActiveFault }[] = []
  /** Calls on the wire. `token`: the number of its token, 0 for an unknown one. */
  const calls: { at: number; token: number; accepted: boolean }[] = []
  /** Faults that calls met on the wire, by the call's number. */
  const met = new Map<number, ActiveFault>()
  let forbidden = 0
  const endTokens = (): void => void ends.fill(0)

  function grant(): string {
    const seconds = Number(life)
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
    const { status, body, type = 'application/json' } = answer
    const head = { 'content-type': type, 'content-length': body.length, ...fields }
    out.writeHead(status, head).end(body)
  }

  async function serve(request: IncomingMessage, out: ServerResponse): Promise<void> {
    out.on('error', () => undefined)
    const sent = await text(request)
    const { url, headers } = request
    if (url === LOGIN_PATH) return serveToken('login', out, sent.includes(PASSWORD))
    if (url === REFRESH_PATH) return serveToken('refresh', out)
    const at = performance.now()
    const number = Number(headers['x-truth'])
    const fault = faultOf(stage, number, 'client', 'call')
    const token = Number(headers.authorization?.replace(`Bearer ${TOKEN_MARK}`, '')) || 0
    const isValid = at < (ends[token] ?? 0)
    const isForbidden = fault?.name === '403-then-503' && isValid && (forbidden += 1) <= 6
    const accepted = isValid && !isForbidden && fault?.name !== '401' && fault?.name !== '403'
    calls.push({ at, token, accepted })
    if (!isValid) return write(out, { status: 401, body: '{}' }, { 'x-fault': 'token' })
    await delay(fault?.name === 'leaves' ? 1700 : Number(latency))
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
  const url = `http${tls ? 's' : ''}://127.0.0.1:${port}`
  /** Presents another certificate to new connections, and cuts all others. */
  function present(which: 'server' | 'stranger'): void {
    if ('setSecureContext' in server) server.setSecureContext(certificates[which])
    place.disconnect()
  }
  // After `down`, nothing listens until `up`, and all connections are cut.
  return { ...place, url, requests, calls, met, endTokens, present }
}
