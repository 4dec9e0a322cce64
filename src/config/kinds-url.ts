import { Refusal, schemaOf, type Kind } from './kinds.ts'
import { Secret } from './secret.ts'

/** Scheme, host and port of a server, and nothing else. */
export function origin(): Kind<string> {
  return {
    type: 'origin',
    limits: 'https (http to loopback), no path',
    quotable: false,
    format: (value) => value,
    schema: schemaOf((text) => {
      const url = parseUrl(text)
      if (url instanceof Refusal) return url
      if (/[?#]/.test(text))
        return new Refusal('has a query or a fragment; give scheme, host, port')
      return url.pathname === '/'
        ? url.origin
        : new Refusal('has a path; give scheme, host and port only')
    }),
  }
}

/** An http or https URL. */
export function url(): Kind<string> {
  return {
    type: 'URL',
    limits: 'http or https',
    quotable: false,
    format: (value) => value,
    schema: schemaOf((text) => {
      const parsed = parseUrl(text)
      return parsed instanceof Refusal ? parsed : parsed.href
    }),
  }
}

/** The egress proxy; a secret, for it may hold a password. `http://` is understood. */
export function proxyUrl(): Kind<Secret> {
  return {
    type: 'proxy URL',
    limits: 'http or https',
    quotable: false,
    format: String,
    schema: schemaOf((text) => {
      const whole = text.includes('://') ? text : `http://${text}`
      // An unescaped `#` in the password would make a host of the user's name.
      if (/[?#]/.test(whole)) {
        return new Refusal('contains ? or #, which in a password are written %3F and %23')
      }
      if (!/^https?:\/\/[^\s\\]+$/i.test(whole) || !URL.canParse(whole)) {
        return new Refusal('is not the URL of an HTTP proxy')
      }
      const parsed = new URL(whole)
      if (parsed.pathname !== '/') return new Refusal('has a path; an HTTP proxy has none')
      return isEncoded(parsed.username) && isEncoded(parsed.password)
        ? new Secret(whole)
        : new Refusal('has a user or password that cannot be decoded; a % in one is written %25')
    }),
  }
}

/** The URL parser lets a % pass that escapes nothing. */
function isEncoded(text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}

function parseUrl(text: string): URL | Refusal {
  // The URL parser forgives what an operator should see: backslashes, tabs, a missing slash.
  if (!/^https?:\/\/[^\s\\]+$/i.test(text) || !URL.canParse(text)) {
    return new Refusal('is not an http or https URL')
  }
  const parsed = new URL(text)
  if (parsed.username !== '' || parsed.password !== '' || text.includes('@')) {
    return new Refusal('contains a user name or password; those have settings of their own')
  }
  return parsed
}
