import { isIPv4, isIPv6 } from 'node:net'

/** Where a listener listens. */
export interface ListenAddress {
  /** Empty: all interfaces. IPv6 without brackets. */
  readonly host: string
  /** 0: a free one. */
  readonly port: number
  /** The descriptor of a socket that listens there already. */
  readonly fd?: number
}

/** True for `localhost`, 127.0.0.0/8 and ::1 (without brackets): only this machine can reach them. */
export function isLoopback(host: string): boolean {
  if (isIPv4(host)) return host.startsWith('127.')
  return host === '::1' || host.toLowerCase() === 'localhost'
}

export interface Endpoint {
  /** IPv6 without brackets; a name is not checked. */
  readonly host: string
  /** At most 99999. */
  readonly port: number | undefined
}

/**
 * Reads `host`, `host:port`, `:port`, `[v6]`, `[v6]:port`, or an IPv6 address without brackets; undefined: none of them.
 */
export function parseEndpoint(text: string): Endpoint | undefined {
  if (isIPv6(text)) return { host: text, port: undefined }
  const [, v6, name = '', digits] = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(\d{1,5}))?$/.exec(text) ?? []
  const port = digits === undefined ? undefined : Number(digits)
  const isEndpoint = v6 === undefined ? name !== '' || port !== undefined : isIPv6(v6)
  return isEndpoint ? { host: v6 ?? name, port } : undefined
}

const PORTS: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443 }

/** Where an http or https URL leads: the scheme's own port when the URL names none. */
export function endpointOf({ protocol, host: text }: URL): Required<Endpoint> & { port: number } {
  const { host = '', port } = parseEndpoint(text) ?? {}
  return { host, port: port ?? PORTS[protocol] ?? 0 }
}

/**
 * The host that a `Host` header or a request target names, in lower case. Its port is not judged: between the client and
 * us it may be mapped to another.
 */
export function hostIn(authority: string): string {
  return authority.replace(/:\d*$/, '').toLowerCase()
}

/** As a URL and a `Host` header have it: IPv6 in brackets. */
export function urlHost(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}
