import { portOf } from './connector.ts'

/** How the way out is set: `HTTPS_PROXY` and `NO_PROXY`. */
export interface EgressSettings {
  readonly httpsProxy: string | undefined
  /** Hosts, `.suffixes`, `host:port` or `*`, parted by commas. */
  readonly noProxy: string | undefined
}

/** The egress proxy on the way to an origin, as curl and Go would have it; undefined: straight. */
export function egressFor(origin: string, settings: EgressSettings): URL | undefined {
  const { httpsProxy, noProxy = '' } = settings
  const url = new URL(origin)
  if (httpsProxy === undefined || url.protocol !== 'https:') return undefined
  const port = String(portOf(url))
  const straight = noProxy
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .some((entry) => entry === '*' || covers(entry.toLowerCase(), url.hostname, port))
  return straight ? undefined : new URL(httpsProxy)
}

/** A name covers itself and what is under it; one with a dot before it, only what is under it. */
function covers(entry: string, hostname: string, port: string): boolean {
  const [, name = `[${entry}]`, only] = /^(\[.*\]|[^:]*)(?::(\d+))?$/.exec(entry) ?? []
  if (only !== undefined && only !== port) return false
  return hostname === name || hostname.endsWith(name.startsWith('.') ? name : `.${name}`)
}
