import { isIPv4 } from 'node:net'

/** True for `localhost`, 127.0.0.0/8 and ::1; brackets around an IPv6 address do not matter. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[(.*)\]$/, '$1').toLowerCase()
  if (bare === 'localhost' || bare === '::1') return true
  return isIPv4(bare) && bare.startsWith('127.')
}
