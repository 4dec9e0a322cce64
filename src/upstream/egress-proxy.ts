import { request as requestHttp, type ClientRequest, type RequestOptions } from 'node:http'
import { request as requestHttps } from 'node:https'
import { BlockList, isIP, type Socket } from 'node:net'
import { causeOfError, CODES } from '../causes.ts'
import { endpointOf, parseEndpoint, type Config } from '../config/index.ts'
import { ConnectError } from './errors.ts'

/** The egress proxy for this origin, by the rules of curl and Go; undefined: connect directly. */
export function egressFor({
  isalesUrl,
  httpsProxy,
  noProxy = '',
}: Pick<Config, 'isalesUrl' | 'httpsProxy' | 'noProxy'>): URL | undefined {
  const url = new URL(isalesUrl)
  if (httpsProxy === undefined || url.protocol !== 'https:') return undefined
  const { host, port } = endpointOf(url)
  const direct = noProxy
    .toLowerCase()
    .split(/[\s,]+/)
    .some((entry) => entry === '*' || covers(entry, host, port))
  return direct ? undefined : new URL(httpsProxy.reveal())
}

/** How many bits of an address name a network, in CIDR notation. */
const BITS = /\/(\d{1,3})(?=$|:\d+$)/

/** True when one entry of `NO_PROXY` covers the host: an address, a network or a name; then a port, which only Go knows. */
function covers(entry: string, host: string, port: number): boolean {
  const [, bits] = BITS.exec(entry) ?? []
  const { host: name = '', port: only = port } = parseEndpoint(entry.replace(BITS, '')) ?? {}
  if (only !== port || name === '') return false
  if (isIP(host) !== 0 && isIP(name) !== 0) return inNetwork(host, name, bits)
  // A name covers itself and its subdomains, with or without a leading dot (curl); trailing dots do not count.
  const suffix = `.${name.replaceAll(/^\.|\.$/g, '')}`
  return `.${host.replace(/\.$/, '')}`.endsWith(suffix) && isIP(host) === 0
}

function inNetwork(host: string, network: string, bits: string | undefined): boolean {
  const family = isIP(network) === 6 ? 'ipv6' : 'ipv4'
  const most = family === 'ipv6' ? 128 : 32
  const prefix = Number(bits ?? most)
  if (prefix > most) return false
  const list = new BlockList()
  list.addSubnet(network, prefix, family)
  return list.check(host, isIP(host) === 6 ? 'ipv6' : 'ipv4')
}

/** Opens a tunnel to `host:port`. `opened` is called once; destroy the request to cancel. */
export type OpenTunnel = (
  target: string,
  opened: (outcome: Socket | Error) => void,
) => ClientRequest

/**
 * Tunnels by CONNECT (RFC 9110 section 9.3.6).
 *
 * @param finding how the egress proxy's address is found, as options of `net.connect`.
 * @throws {URIError} when user or password cannot be decoded.
 */
export function createTunnels(egress: URL, finding: RequestOptions): OpenTunnel {
  const { protocol, username, password } = egress
  const login = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  const authorization =
    username === ''
      ? {}
      : { 'Proxy-Authorization': `Basic ${Buffer.from(login).toString('base64')}` }

  return (target, opened) => {
    const request = (protocol === 'https:' ? requestHttps : requestHttp)({
      ...finding,
      ...endpointOf(egress),
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
      const why = causeOfError(code, { side: 'egress', stage: 'connect' })
      opened(new ConnectError(why, code, `status ${statusCode}`))
    })
    request.on('error', opened)
    return request.end()
  }
}
