// A fake iSales on a real socket. Every response that it means for a call bears the call's number.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import type { Certificate } from '../../simulator/certificates.ts'
import { LOGIN_PATH, REFRESH_PATH } from '../../simulator/index.ts'
import { openServer } from '../../simulator/server.ts'
import type { Answer } from './faults.ts'
import { faultOf, type ActiveFault, type Plan, type Stage } from './settings.ts'

/** A login or refresh on the wire, at a time of `performance.now`; `fault` is undefined if it was granted. */
type TokenRequest = Readonly<{ kind: 'login' | 'refresh'; at: number; fault?: ActiveFault }>
/** A call on the wire. `token`: the number of its token, 0 for an unknown one. */
type WireCall = Readonly<{ at: number; token: number; accepted: boolean }>

export const PASSWORD = 'truth-password-of-isales'
/** Beginning of every token, by which leaks are found. */
export const TOKEN_MARK = 'truthTOKEN'

type Certificates = Readonly<Record<'server' | 'stranger', Certificate>>
export type Isales = Awaited<ReturnType<typeof openIsales>>

export async function openIsales(plan: Plan, stage: Stage, certificates: Certificates) {
  const { life, deadline, latency, isales } = plan.settings
  const tokens = new Map<string, { readonly number: number; endsAt: number }>()
  const requests: TokenRequest[] = []
  const calls: WireCall[] = []
  /** Faults that calls met on the wire, by the call's number. */
  const met = new Map<number, ActiveFault>()
  let forbidden = 0

  const endTokens = (): void => {
    for (const token of tokens.values()) token.endsAt = Math.min(token.endsAt, performance.now())
  }

  function grant(): string {
    const number = tokens.size + 1
    const [token, seconds] = [`${TOKEN_MARK}${number}`, Number(life)]
    tokens.set(token, { number, endsAt: performance.now() + 1000 * seconds })
    const refresh = { refreshToken: `${TOKEN_MARK}R`, refreshExpirationTime: 12 * seconds }
    const resultData = { token, tokenExpirationTime: seconds, ...refresh }
    return JSON.stringify({ result: 0, resultData })
  }

  async function write(out: ServerResponse, answer: Answer, fields = {}): Promise<void> {
    if (answer === 'hang') return
    if (answer === 'half') {
      out.writeHead(200, { 'content-length': 500, ...fields }).write('{"result":0,')
      await delay(20)
    }
    if (answer === 'close' || answer === 'half') return void out.socket?.destroy()
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
    let sent = ''
    for await (const chunk of request) sent += chunk
    const { url, headers } = request
    if (url === LOGIN_PATH) return serveToken('login', out, sent.includes(PASSWORD))
    if (url === REFRESH_PATH) return serveToken('refresh', out)
    const at = performance.now()
    const number = Number(headers['x-truth'])
    const fault = stage.active ? faultOf(plan, number, 'client', 'call') : undefined
    const token = tokens.get(headers.authorization?.replace('Bearer ', '') ?? '')
    const isValid = token !== undefined && at < token.endsAt
    const isForbidden = fault?.name === '403-then-503' && isValid && (forbidden += 1) <= 6
    const accepted = isValid && !isForbidden && fault?.name !== '401' && fault?.name !== '403'
    calls.push({ at, token: token?.number ?? 0, accepted })
    if (!isValid) return write(out, { status: 401, body: '{}' }, { 'x-fault': 'token' })
    await delay(fault?.name === 'leaves' ? 1700 : Number(latency))
    const good = { status: 200, body: `{"result":0,"resultData":{"number":${number}}}` }
    if (fault?.answer === undefined) return write(out, good, { 'x-truth': number })
    met.set(number, fault)
    const answer = isForbidden ? { status: 403, body: '{}' } : fault.answer
    return write(out, answer, { 'x-fault': fault.name, 'x-truth': number })
  }

  async function serveToken(kind: 'login' | 'refresh', out: ServerResponse, isRight = true) {
    const met = stage.active ? faultOf(plan, requests.length, kind) : undefined
    const fault = isRight ? met : plan.faults.find(({ name }) => name === 'password-file')
    requests.push({ kind, at: performance.now(), ...(fault && { fault }) })
    await write(out, fault?.answer ?? { status: 200, body: grant() })
    if (fault?.name !== 'refresh-hangs') return
    await delay(300)
    endTokens()
  }

  const handle = (request: IncomingMessage, out: ServerResponse): void => {
    serve(request, out).catch(() => out.destroy())
  }
  const tls = isales === 'tls' ? certificates.server : undefined
  const { server, port, ...place } = await openServer(handle, { tls, host: '127.0.0.1', port: 0 })
  server.keepAliveTimeout = 60_000
  return {
    url: `http${tls ? 's' : ''}://127.0.0.1:${port}`,
    requests,
    calls,
    met,
    endTokens,
    /** Nothing listens any more, and all connections are cut. */
    down: () => place.down(),
    up: () => place.up(),
    /** Presents another certificate to new connections, and cuts all others. */
    present(which: keyof Certificates): void {
      if ('setSecureContext' in server) server.setSecureContext(certificates[which])
      place.disconnect()
    },
  }
}
