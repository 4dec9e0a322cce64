import * as fc from 'fast-check'

type Lines = readonly (readonly [name: string, value: string])[]

/** RFC 9110 section 7.6.1, by hand: not the list under test. */
const ENDS_HERE = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'proxy-authorization',
  'proxy-authenticate',
]
/** Made anew here. Theirs never go on, but for `via`. */
const OURS = ['via', 'x-request-id', 'content-length', 'max-forwards']
/** Never go on, besides those that end here and ours. */
const NEVER = [
  'host',
  'expect',
  'authorization',
  'authentication',
  'cookie',
  'proxy-authentication-info',
  'http2-settings',
  'x-original-url',
  'x-rewrite-url',
  'x-http-method-override',
  'x-http-method',
  'x-method-override',
]

const knownName = fc.constantFrom(
  ...ENDS_HERE,
  ...OURS,
  ...NEVER,
  'X-Auth-Token',
  'x_auth_token',
  'X-Auth_Token',
  'Set-Cookie',
)
export const name = fc.oneof(
  fc.stringMatching(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,12}$/),
  knownName,
  knownName.map((known) => known.toUpperCase()),
  knownName.map((known) => known.replaceAll('-', '_')),
  knownName.map((known) => `${known}x`),
)
const list = fc
  .array(fc.oneof(name, fc.constantFrom('close', 'keep-alive', '')), { maxLength: 4 })
  .map((names) => names.join(', '))

/** Field lines with these names and values, and ones of `Connection` that nominate some of them. */
export function lineOf(names: fc.Arbitrary<string>, value: fc.Arbitrary<string>) {
  return fc.oneof(
    fc.tuple(names, value),
    fc.tuple(fc.constantFrom('Connection', 'connection', 'CONNECTION'), list),
  )
}

function nominated(fields: Lines): readonly string[] {
  return fields
    .filter(([field]) => field.toLowerCase() === 'connection')
    .flatMap(([, value]) => value.split(','))
    .map((option) => option.trim().toLowerCase())
}

/** Names that differ in punctuation or case only are the same to some server. */
export const plain = (name: string): string => name.toLowerCase().replaceAll(/[^a-z0-9]/g, '')

/** The lines that a client sent and that have to go on, in their order, by hand: not the code under test. */
export function endToEnd(fields: Lines): Lines {
  const dropped = new Set([...ENDS_HERE, ...NEVER, ...OURS.slice(1)].map(plain))
  const named = nominated(fields)
  return fields.filter(
    ([field]) => !named.includes(field.toLowerCase()) && !dropped.has(plain(field)),
  )
}
