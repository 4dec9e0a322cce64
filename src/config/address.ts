import { isIP, isIPv4, isIPv6 } from 'node:net'

export interface ListenAddress {
  /** Empty for all interfaces; IPv6 without brackets. */
  readonly host: string
  /** 0 for any free port. */
  readonly port: number
  /** Descriptor of an inherited socket that already listens there. */
  readonly fd?: number
}

/** Returns true for `localhost`, 127.0.0.0/8 and ::1 (without brackets), which only this machine can reach. */
export function isLoopback(host: string): boolean {
  if (isIPv4(host)) return host.startsWith('127.')
  return host === '::1' || host.toLowerCase() === 'localhost'
}

/** Parses `host`, `:port` or both; undefined if invalid. IPv6 loses its brackets. Validates no name; a port has at most 5 digits. */
export function parseEndpoint(text: string) {
  if (isIPv6(text)) return { host: text, port: undefined }
  const [, v6, name = '', digits] = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(\d{1,5}))?$/.exec(text) ?? []
  const port = digits === undefined ? undefined : Number(digits)
  const isEndpoint = v6 === undefined ? name !== '' || port !== undefined : isIPv6(v6)
  return isEndpoint ? { host: v6 ?? name, port } : undefined
}

/** Returns host and port of an http or https URL, with the scheme's default port if the URL has none. */
export function toEndpoint({ protocol, host: text }: URL) {
  const { host = '', port } = parseEndpoint(text) ?? {}
  return { host, port: port ?? (protocol === 'https:' ? 443 : 80) }
}

/**
 * Creates the rule for `Host`: the listener's own name, `others` (lower case, without port), and every address, but no name that
 * a page rebinds to this machine (DNS rebinding). The port is ignored, because it may be mapped between client and proxy.
 */
export function createHostRule({ host }: ListenAddress, others: readonly string[]) {
  const names = new Set(['localhost', host.toLowerCase() || 'localhost', ...others])
  return (authority: string): boolean => {
    const name = authority.replace(/:\d*$/, '').toLowerCase()
    return names.has(name) || isIP(name.replace(/^\[(.*)\]$/, '$1')) !== 0
  }
}

/** Formats a host for a URL or a `Host` header: IPv6 in brackets. */
export function urlHost(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}
