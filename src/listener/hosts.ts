import { urlHost, type ListenAddress } from '../config/address.ts'
import type { Config } from '../config/settings.ts'

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
  return [urlHost(address.host)]
}

function lowerCase(names: readonly string[]): ReadonlySet<string> {
  return new Set(names.map((name) => name.toLowerCase()))
}
