import { randomBytes } from 'node:crypto'
import { readListenTls } from './config/certificates.ts'
import { valueOf } from './config/files.ts'
import type { Config } from './config/settings.ts'
import type { ProblemCode, Refusal } from './http/problem.ts'
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

const LISTENER_REFUSALS: Partial<Record<ProblemCode, Refusal>> = {
  'request-timeout': 'timeout',
  overloaded: 'connections',
}

/** Why a listener responded by itself; undefined: a handler failed. */
export function refusalBehind(code: ProblemCode): Refusal | undefined {
  return code === 'internal' ? undefined : (LISTENER_REFUSALS[code] ?? 'parser')
}

/** The names that a `Host` field may give us: a page that rebinds its own name to this machine gives another. */
export function ownHosts(config: Config): ReadonlySet<string> {
  const names = ['localhost', '127.0.0.1', '[::1]', ...config.allowedHosts]
  if (config.listen.kind === 'tcp' && config.listen.host !== '') {
    const { host } = config.listen
    names.push(host.includes(':') ? `[${host}]` : host)
  }
  return new Set(names.map((name) => name.toLowerCase()))
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
