import { isIPv4 } from 'node:net'

/** Where a listener listens. */
export type ListenAddress = (
  | {
      readonly kind: 'tcp'
      /** Empty: all interfaces. IPv6 without brackets. */
      readonly host: string
      /** 0: a free one. */
      readonly port: number
    }
  | { readonly kind: 'unix'; readonly path: string }
) & {
  /** The descriptor of a socket that listens there already. */
  readonly fd?: number
}

/** True when only this machine can reach the address. */
export function isLocal(address: ListenAddress): boolean {
  return address.kind === 'unix' || isLoopback(address.host)
}

/** True for `localhost`, 127.0.0.0/8 and ::1 (without brackets). */
export function isLoopback(host: string): boolean {
  if (isIPv4(host)) return host.startsWith('127.')
  return host === '::1' || host.toLowerCase() === 'localhost'
}

const PORTS: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443 }

/** Where an http or https URL leads: IPv6 without brackets, and the scheme's own port when the URL names none. */
export function endpointOf({ protocol, hostname, port }: URL): {
  readonly host: string
  readonly port: number
} {
  const host = hostname.replaceAll(/^\[|\]$/g, '')
  return { host, port: port === '' ? (PORTS[protocol] ?? 0) : Number(port) }
}

/** As a URL and a `Host` header have it: IPv6 in brackets. */
export function urlHost(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}
