import { isIPv6 } from 'node:net'
import { Refusal, schemaOf, type Kind } from './kinds.ts'
import { isLoopback } from './loopback.ts'

/** Where a listener listens. */
export type ListenAddress =
  /** An empty host means all interfaces; IPv6 without brackets. Port 0 means a free one. */
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string }

/** Linux keeps 108 bytes for the path of a socket, the last of them NUL. */
const LONGEST_SOCKET_PATH = 107
const HOST_NAME =
  /^(?=.{1,253}$)[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9_-]+)*\.?$/

/** `host:port`, `[v6]:port`, `:port` (all interfaces) or `unix:/path`. */
export function listenAddress({ unix }: { readonly unix: boolean }): Kind<ListenAddress> {
  const forms = `host:port, [v6]:port${unix ? ', :port or unix:/path' : ' or :port'}`
  return {
    type: 'address',
    limits: forms,
    quotable: true,
    format: formatListen,
    schema: schemaOf((text) => {
      if (text.startsWith('unix:')) {
        return unix ? socketPath(text.slice(5)) : new Refusal('cannot be a Unix socket')
      }
      const [, v6, name, digits] = /^(?:\[([^\]]*)\]|([^:[\]]*)):(\d{1,5})$/.exec(text) ?? []
      if (digits === undefined) return new Refusal(`is not an address: ${forms}`)
      const port = Number(digits)
      if (port > 65_535) return new Refusal('has a port over 65535')
      const host = v6 ?? name ?? ''
      if (v6 !== undefined && !isIPv6(v6)) return new Refusal('has no IPv6 address in its brackets')
      if (v6 === undefined && host !== '' && !HOST_NAME.test(host)) {
        return new Refusal('has no valid host before its port')
      }
      return { kind: 'tcp', host: host.toLowerCase(), port }
    }),
  }
}

function socketPath(path: string): ListenAddress | Refusal {
  if (!path.startsWith('/')) return new Refusal('is not an absolute path after unix:')
  if (path.endsWith('/')) return new Refusal('names a directory, not a socket')
  return Buffer.byteLength(path) > LONGEST_SOCKET_PATH
    ? new Refusal(`has a socket path over ${LONGEST_SOCKET_PATH} bytes`)
    : { kind: 'unix', path }
}

function formatListen(address: ListenAddress): string {
  if (address.kind === 'unix') return `unix:${address.path}`
  return `${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`
}

/** A host name or address without port, in lower case; IPv6 in brackets, as a `Host` field has it. */
export function hostName(): Kind<string> {
  return {
    type: 'host',
    limits: 'without port',
    quotable: true,
    format: (value) => value,
    schema: schemaOf((text) => {
      const v6 = /^\[(.*)\]$/.exec(text)?.[1] ?? text
      if (isIPv6(v6)) return `[${v6.toLowerCase()}]`
      return HOST_NAME.test(text)
        ? text.toLowerCase()
        : new Refusal('is not a host name or address (without port)')
    }),
  }
}

/** The hosts that are reached without the egress proxy, as curl and Go read them; parted by commas in the end. */
export function noProxy(): Kind<string> {
  return {
    type: 'list of hosts',
    limits: 'hosts, .suffixes, host:port or *',
    quotable: false,
    format: (hosts) => hosts,
    schema: schemaOf((text) => {
      return text
        .toLowerCase()
        .split(/[\s,]+/)
        .filter(Boolean)
        .join(',')
    }),
  }
}

/** True when only this machine can reach the address. */
export function isLocal(address: ListenAddress): boolean {
  return address.kind === 'unix' || isLoopback(address.host)
}
