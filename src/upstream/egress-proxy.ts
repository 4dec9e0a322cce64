import { request as requestHttp, type ClientRequest } from 'node:http'
import { request as requestHttps } from 'node:https'
import type { Socket } from 'node:net'
import type { Config } from '../config/settings.ts'
import { CODES, ConnectError } from './errors.ts'

const DEFAULT_PORTS: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443 }

/** The scheme's own port when the URL names none. */
export function portOf({ protocol, port }: Pick<URL, 'protocol' | 'port'>): number {
  return port === '' ? (DEFAULT_PORTS[protocol] ?? 0) : Number(port)
}

/** The egress proxy for this origin, by the rules of curl and Go; undefined: connect directly. */
export function egressFor({
  isalesUrl,
  httpsProxy,
  noProxy = '',
}: Pick<Config, 'isalesUrl' | 'httpsProxy' | 'noProxy'>): URL | undefined {
  const url = new URL(isalesUrl)
  if (httpsProxy === undefined || url.protocol !== 'https:') return undefined
  const port = String(portOf(url))
  const direct = noProxy
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .some((entry) => entry === '*' || covers(entry.toLowerCase(), url.hostname, port))
  return direct ? undefined : new URL(httpsProxy.reveal())
}

/** A name covers itself and its subdomains; a name with a leading dot covers only its subdomains. */
function covers(entry: string, hostname: string, port: string): boolean {
  const [, name = `[${entry}]`, only] = /^(\[.*\]|[^:]*)(?::(\d+))?$/.exec(entry) ?? []
  if (only !== undefined && only !== port) return false
  return hostname === name || hostname.endsWith(name.startsWith('.') ? name : `.${name}`)
}

/** Opens a tunnel to `host:port`. `opened` is called once; destroy the request to cancel. */
export type OpenTunnel = (
  target: string,
  opened: (outcome: Socket | Error) => void,
) => ClientRequest

/**
 * Tunnels by CONNECT (RFC 9110 section 9.3.6).
 *
 * @throws {URIError} when user or password cannot be decoded.
 */
export function createTunnels(egress: URL): OpenTunnel {
  const { protocol, hostname, username, password } = egress
  const login = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  const authorization =
    username === ''
      ? {}
      : { 'Proxy-Authorization': `Basic ${Buffer.from(login).toString('base64')}` }

  return (target, opened) => {
    const request = (protocol === 'https:' ? requestHttps : requestHttp)({
      host: hostname.replaceAll(/^\[|\]$/g, ''),
      port: portOf(egress),
      method: 'CONNECT',
      path: target,
      agent: false,
      headers: { Host: target, ...authorization },
    })
    request.once('connect', ({ statusCode = 0 }, tunnel: Socket) => {
      if (statusCode >= 200 && statusCode < 300) {
        opened(tunnel)
        return
      }
      tunnel.destroy()
      const code = statusCode === 407 ? CODES.proxyAuth : CODES.proxyRefused
      opened(new ConnectError('proxy', code, `status ${statusCode}`))
    })
    request.on('error', opened)
    return request.end()
  }
}
