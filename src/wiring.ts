import { randomBytes } from 'node:crypto'
import { readListenTls } from './config/certificates.ts'
import { valueOf } from './config/files.ts'
import type { Config } from './config/settings.ts'
import type { ListenAddress } from './listener/address.ts'
import type { ListenerOptions } from './listener/listener.ts'
import { rewriteInterface } from './proxy/rewrite-interface.ts'
import { createInspector, type Inspector, type Rewriting } from './proxy/inspect.ts'

/** Options that several settings make together. */

export function listenerOptions(
  config: Config,
): Pick<ListenerOptions, 'address' | 'socketMode' | 'tls' | 'limits'> {
  const tls = valueOf(readListenTls(config))
  return {
    address: config.listen,
    socketMode: config.listenSocketMode,
    limits: {
      headerTimeout: config.headerTimeout,
      bodyIdleTimeout: config.bodyIdleTimeout,
      maxConnections: config.listenMaxConnections,
      keepAliveTimeout: config.listenKeepAlive,
    },
    ...(tls === undefined ? {} : { tls }),
  }
}

/** What is looked for in responses before they are relayed; undefined: nothing. */
export function responseInspector(config: Config): Inspector | undefined {
  return createInspector({
    rejectedResults: config.isalesRejectedResults,
    rewriting: config.obsRewriteInterface ? interfaceRewriting(config) : undefined,
  })
}

function interfaceRewriting(config: Config): Rewriting {
  const scheme = listenScheme(config)
  return {
    path: config.isalesInterfacePath,
    rewrite: (body, authority) =>
      rewriteInterface(body, config.isalesUrl, `${scheme}://${authority}`),
  }
}

/** What clients speak to the proxy. */
export function listenScheme(config: Config): 'http' | 'https' {
  return config.listenTlsCertFile === undefined ? 'http' : 'https'
}

/** The admin listener serves probes, Prometheus and a person or two. */
export const ADMIN_LIMITS = {
  headerTimeout: 5000,
  bodyIdleTimeout: 5000,
  maxConnections: 64,
} as const satisfies ListenerOptions['limits']

/** The names that a `Host` field may give us: a page that rebinds its own name to this machine gives another. */
export function ownHosts(config: Config): ReadonlySet<string> {
  const loopback = ['localhost', '127.0.0.1', '[::1]']
  return lowerCase([...loopback, ...hostOf(config.listen), ...config.allowedHosts])
}

/** The same for the status page, beside every address. */
export function adminHosts(config: Config, machine: string): ReadonlySet<string> {
  return lowerCase(['localhost', machine, ...hostOf(config.adminListen), ...config.adminHosts])
}

function hostOf(address: ListenAddress): readonly string[] {
  if (address.kind === 'unix' || address.host === '') return []
  return [address.host.includes(':') ? `[${address.host}]` : address.host]
}

function lowerCase(names: readonly string[]): ReadonlySet<string> {
  return new Set(names.map((name) => name.toLowerCase()))
}

/** Received-by of our `Via`. It differs between processes, so that one proxy may be in front of another. */
export function viaPseudonym(): string {
  return `isales-auth-proxy-${randomBytes(6).toString('hex')}`
}

/** Unique in this process and, by a random start, between processes. */
export function requestIds(): () => string {
  const start = randomBytes(6).toString('hex')
  let count = 0
  return () => {
    count += 1
    return `${start}-${count.toString(36)}`
  }
}
