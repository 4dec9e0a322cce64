import { connect, type AddressInfo, type Server } from 'node:net'
import type { TlsOptions } from 'node:tls'
import { setTimeout as delay } from 'node:timers/promises'
import type { TlsFiles } from '../../src/config/certificates.ts'
import { systemClock, type Clock } from '../../src/clock.ts'
import type { Config } from '../../src/config/index.ts'
import { Exchange } from '../../src/upstream/exchange.ts'
import type { Resolve } from '../../src/upstream/connector.ts'
import { createUpstream, type UpstreamOptions } from '../../src/upstream/pool.ts'
import { configOf } from '../support/config.ts'
import { makeCertificates } from '../support/certificates.ts'
import { responseBytes, startRawUpstream } from '../support/raw-upstream.ts'
import type { RawUpstream, RawUpstreamOptions } from '../support/raw-upstream.ts'
import { closing, listen } from '../support/tcp-server.ts'

export const certificates = makeCertificates()
export const portOf = (server: Server): number => (server.address() as AddressInfo).port

interface Changes extends Partial<Config> {
  readonly tls?: TlsFiles
  readonly clock?: Clock
  readonly resolve?: Resolve
  readonly onConnect?: UpstreamOptions['onConnect']
  readonly limits?: UpstreamOptions['limits']
}

export function openUpstream({
  tls,
  clock = systemClock,
  resolve,
  onConnect,
  limits,
  ...changes
}: Changes) {
  const upstream = createUpstream({
    config: {
      ...configOf({ ISALES_URL: 'http://127.0.0.1:1', ISALES_USER: 'u', ISALES_PASSWORD: 'p' }),
      isalesConnectTimeout: 500,
      isalesMaxConnections: 4,
      ...changes,
    },
    limits: { bodyIdleTimeout: 2000, loginTimeout: 2000, ...limits },
    tls: tls ?? { ca: certificates.ca.cert },
    clock,
    ...(resolve === undefined ? {} : { resolve }),
    ...(onConnect === undefined ? {} : { onConnect }),
  })
  closing.push(() => upstream.destroy())
  return upstream
}

/** Starts a proxy that answers CONNECT with `reply`, and opens a tunnel to the port `to`. */
export async function egress(reply: string, to?: number) {
  const asked: string[] = []
  const server = await listen((socket) => {
    socket.once('data', (chunk) => {
      asked.push(chunk.toString())
      socket.write(reply)
      if (to === undefined) return void socket.end()
      const tunnel = connect(to, '127.0.0.1')
      closing.push(() => tunnel.destroy())
      socket.pipe(tunnel).pipe(socket)
    })
  })
  return { asked, port: portOf(server) }
}

/** Waits until the pool can reuse a connection, which is one turn after the end of its response. */
export const free = (): Promise<void> => delay(20)

export async function dispatch(
  upstream: ReturnType<typeof openUpstream>,
  headers: readonly string[] = [],
  method = 'POST',
) {
  const body = method === 'POST' ? Buffer.from('abc') : null
  const exchange = new Exchange({ method, path: '/x', headers: [...headers], body })
  upstream.dispatch(exchange)
  const outcome = await exchange.outcome
  const collected = typeof outcome === 'string' ? 'cut' : await exchange.collect()
  return {
    status: typeof outcome === 'string' ? 0 : outcome.status,
    ...(collected === 'cut' ? upstream.classify(exchange.error) : {}),
    text: exchange.collected().toString(),
    written: exchange.written,
  }
}

/** Starts an iSales. Default: 200 with `ok`, without TLS. */
export async function startIsales(
  respond: RawUpstreamOptions['respond'] = () => responseBytes('ok'),
  tls?: TlsOptions,
): Promise<RawUpstream> {
  const upstream = await startRawUpstream({ respond, ...(tls && { tls }) })
  closing.push(() => upstream.close())
  return upstream
}
