import { problemOf, Refusal, schemaOf, type Kind } from './kinds.ts'

/** RFC 3986 section 3.3, what a path may consist of. */
const PATH = /^\/(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})*$/
const LONGEST_PATH = 1024

/** An absolute path without query. */
export function path(): Kind<string> {
  return {
    type: 'path',
    limits: 'starts with /',
    quotable: true,
    format: (value) => value,
    schema: schemaOf(parsePath),
  }
}

/** A path, or `off`: undefined. */
export function pathOrOff(): Kind<string | undefined> {
  return orOff(path())
}

function parsePath(text: string): string | Refusal {
  if (!text.startsWith('/')) return new Refusal('does not start with /')
  if (text.length > LONGEST_PATH) return new Refusal(`is longer than ${LONGEST_PATH} characters`)
  if (!PATH.test(text)) return new Refusal('is not a path (no query, no spaces, ASCII only)')
  const segments = text.split('/').slice(1)
  const ambiguous = segments.some((segment, i) => {
    return segment === '.' || segment === '..' || (segment === '' && i < segments.length - 1)
  })
  return ambiguous ? new Refusal('has an empty or a dot segment') : text
}

/** RFC 9110 section 5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
/** Fields that frame or route a message, or end at the next hop: a token in one of them would break every call. */
const NOT_FOR_TOKENS: ReadonlySet<string> = new Set([
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'date',
  'expect',
  'host',
  'http2-settings',
  'keep-alive',
  'max-forwards',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'via',
  'x-request-id',
])

/** The name of a header field that may carry a token. */
export function headerName(): Kind<string> {
  return {
    type: 'header name',
    limits: 'not one that frames or routes a message',
    quotable: true,
    format: (value) => value,
    schema: schemaOf((text) => {
      if (!TOKEN.test(text) || text.length > 128) return new Refusal('is not a header name')
      return NOT_FOR_TOKENS.has(text.toLowerCase())
        ? new Refusal('is a header that frames or routes a message')
        : text
    }),
  }
}

/** A header name, or `off`: undefined. */
export function headerNameOrOff(): Kind<string | undefined> {
  return orOff(headerName())
}

/** What stands before the token (RFC 9110 section 11.1); may be empty. */
export function authScheme(): Kind<string> {
  return {
    type: 'auth scheme',
    limits: 'may be empty',
    quotable: true,
    emptyIsValue: true,
    format: (value) => value,
    schema: schemaOf((text) => {
      const valid = text === '' || (TOKEN.test(text) && text.length <= 64)
      return valid ? text : new Refusal('is not an authentication scheme such as Bearer')
    }),
  }
}

/** A status between 400 and 499. */
export function rejectionStatus(): Kind<number> {
  return {
    type: 'status code',
    limits: '400 to 499',
    quotable: true,
    format: String,
    schema: schemaOf((text) => {
      return /^4\d\d$/.test(text) ? Number(text) : new Refusal('is not a status from 400 to 499')
    }),
  }
}

function orOff(of: Kind<string>): Kind<string | undefined> {
  return {
    type: `${of.type} or off`,
    limits: of.limits,
    quotable: of.quotable,
    format: (value) => value ?? 'off',
    schema: schemaOf((text) => {
      if (text === 'off') return undefined
      const outcome = of.schema.safeParse(text)
      return outcome.success ? outcome.data : new Refusal(problemOf(outcome.error))
    }),
  }
}
