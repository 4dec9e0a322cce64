import { AUTH_FAILURES, PROBLEM_CODES, STORE_FAILURES } from '../../src/codes.ts'
import { KNOWN } from '../../src/config/unknown-variables.ts'

// Chinese texts contain only these English words, and only full-width punctuation.

const CODES = [...PROBLEM_CODES, ...AUTH_FAILURES, ...STORE_FAILURES, 'isales-error', 'unexpected']
/** Names of programs and protocols, iSales's interface, and texts to type. */
const NAMES = `
  iSales CTI-OBS OBS UTC DNS TLS HTTP http https URL CA PEM TCP CPU ID UTF-8 Valkey Redis Host Expect
  Authentication GET HEAD POST result timeout obsUrl tokenExpirationTime x
  isales-auth-proxy check discover renew status timedatectl chrony systemctl kubectl get pod
  http://user:password@host:port http:// https:// redis:// rediss:// /etc/resolv.conf docs/errors.zh-CN.md
  docs/sharing.md attempts- .json NOAUTH WRONGPASS root maxmemory min-replicas-to-write protected-mode no
  CC-iSales OpenSSL Windows Unix Kubernetes Service Pod IPv4 IPv6 HTTPS SNI JSON PEM NUL NFC Bearer
  help serve wait version text json default north auto off full require true false redis rediss valkey valkeys
  host:port v6 port suffixes uid gid KiB business/interface docs/configuration.zh-CN.md docs/sizing.md example.env
  _FILE T /usr/share/doc/isales-auth-proxy COMMAND FLAGS NAME isales-auth-proxy@NAME isales-auth-proxy@north
  DER pfx p12 p7b AmbientCapabilities= HEALTHCHECK /livez /readyz systemd
`.split(/\s+/)
const ALLOWED: ReadonlySet<string> = new Set([...KNOWN, ...CODES, ...NAMES])
/** Codes of Node and OpenSSL, settings with a value, signals, capabilities, locales, durations, sizes and flags. */
const FORMS =
  /^(?:E[A-Z]{4,}|CERT_[A-Z_]+|[A-Z][A-Z_]+=[a-z]+|\dxx|SIG[A-Z0-9]+|CAP_[A-Z_]+|LC_[A-Z]+|LANG|[\d.]+(?:ms|s|m|h|KiB|MiB)|3F)$/
/** Literal input and output, and lists of single characters. */
const LITERAL = /`[^`]*`|--[a-z-]+|\. _ ~ -|@ \/ \? #|\? 或 #/g

/** Returns English words that are not names, and half-width punctuation. */
export const foreign = (whole: string): readonly string[] => {
  const text = whole.replaceAll(LITERAL, '')
  return [
    ...(text.match(/[\w/][\w./:@=-]*/g) ?? [])
      .map((word) => word.replace(/[.:]$/, ''))
      .filter((word) => /[a-z]/i.test(word) && !ALLOWED.has(word) && !FORMS.test(word)),
    // A comma or a colon may belong to a number, a time or a URL.
    ...(text.match(/[;!?()]|,(?!\d{3})|:(?!\d|\/\/|password|port)|\.(?=\s|$)/g) ?? []),
  ]
}
