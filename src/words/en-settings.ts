// What people read of a wrong or doubtful setting. docs/configuration.md says what each setting does.
import type { Kind, SettingProblem, SettingProblemCode } from '../setting-problem.ts'
import type { Said } from './said.ts'

type Phrase = string | ((problem: SettingProblem) => string)
/** Completes `NAME ...`, and what to do about it. */
type Sentence = Said | ((problem: SettingProblem) => Said)
export interface SettingSentences {
  /** What a text has to be: completes `is not ...`. */
  readonly kinds: Readonly<Record<Kind, Phrase>>
  readonly isNot: (found: string | undefined, kind: string, example: string | undefined) => string
  readonly at: (file: string) => string
  readonly others: Readonly<Record<Exclude<SettingProblemCode, Kind>, Sentence>>
}

const kinds: SettingSentences['kinds'] = {
  address: 'host:port',
  choice: ({ accepted }) => `one of ${accepted}`,
  count: ({ range }) => `a whole number from ${range?.min} to ${range?.max}`,
  duration: ({ range, accepted }) =>
    `a duration from ${range?.min} to ${range?.max}${accepted ? ', or off' : ''}`,
  file: 'the path of a file',
  'client-names': 'a list of names that client certificates have',
  'host-names': 'a list of host names or addresses without port',
  hosts: 'a list of hosts, .suffixes, networks or *, separated by commas',
  origin: 'scheme, host and port of a server, and nothing else',
  path: ({ accepted }) =>
    `a path of letters, digits and . _ ~ - after a /${accepted ? ', or off' : ''}`,
  paths: 'a list of paths of letters, digits and . _ ~ - after a /',
  'proxy-url': 'the URL of an HTTP proxy (in its password, % ? # are written %25 %3F %23)',
  rejections: 'a list of statuses from 400 to 499 and of result=TEXT',
  secret: ({ range }) => `a text of at least ${range?.min} bytes without NUL`,
  'server-name': 'a host name without port',
  size: ({ range }) => `a size from ${range?.min} to ${range?.max}`,
  'store-url': 'a redis, rediss, valkey or valkeys URL of one host, without a password',
  'token-header': 'header names, a colon, perhaps a scheme, and {token} or {refreshToken}',
  user: 'a text of 1 to 49 bytes without control characters',
}

const typed =
  (what: string) =>
  ({ found, isWarning }: SettingProblem): Said => [
    `${what}${found ? ` (it is ${found})` : ''}`,
    isWarning ? 'Correct it, unless it is meant to be so' : 'Correct it',
  ]
const PEM_FILE = 'Give the path of a PEM file; `openssl x509` and `openssl pkcs12 -nodes` make one'
const DATES = 'Renew it, or set the clock'
const READABLE = 'Give the path of a file that this user may read'

const others: SettingSentences['others'] = {
  'own-name': ['begins with its own name and =', 'Keep only what follows'],
  spaces: typed('begins or ends with white space'),
  lines: typed('has more than one line'),
  quotes: typed('has quotes, which `docker --env-file` keeps'),
  'odd-character': typed('has a full-width or an invisible character'),
  'is-path': ({ setting }) => [
    'looks like the path of a file',
    `Set ${setting}_FILE to it instead, unless it is meant to be so`,
  ],
  'not-set': ({ accepted, example }) => [
    `is not set${accepted ? `, nor is ${accepted}` : ''}`,
    `Set it, for example ${example}`,
  ],
  'set-twice': ({ accepted }) => [`and ${accepted} are both set`, 'Unset one of them'],
  'not-utf8': ['is not valid UTF-8', 'Write it in UTF-8'],
  unknown: ({ accepted }) => [
    'is not a setting',
    accepted ? `Did you mean ${accepted}?` : 'docs/configuration.md lists them all',
  ],
  missing: ['names a file that does not exist', READABLE],
  denied: ['names a file that this user may not read', READABLE],
  unreadable: ['names a file that cannot be read', READABLE],
  'no-file': ['names a directory, or something else that is not a file', READABLE],
  'too-large': ['names a file that is too large', READABLE],
  'empty-file': ['names an empty file', 'Put the value into it'],
  'not-text': ['names a file that is not UTF-8 text', 'Write the value in UTF-8'],
  'no-certificate': ['names a file without a PEM certificate, or with a damaged one', PEM_FILE],
  'no-key': ['names a file without a PEM private key, or with a damaged one', PEM_FILE],
  'encrypted-key': ['names a file with an encrypted key', '`openssl pkey` decrypts it'],
  'other-key': ({ accepted }) => [
    `holds a key that is not the one of ${accepted}`,
    'Give the two files of one pair; the own certificate comes first in a chain',
  ],
  'weak-certificate': ({ found }) => [
    `names a certificate that this OpenSSL refuses (${found})`,
    'Have one issued with a longer key and a newer signature',
  ],
  ended: ({ found }) => [`names a certificate that ended on ${found}`, DATES],
  'not-begun': ({ found }) => [`names a certificate that begins on ${found} only`, DATES],
  'plain-http': [
    'is plain http to a host that is not loopback',
    'Use https, or set ISALES_ALLOW_HTTP=true on a network where nobody listens',
  ],
  'plain-http-allowed': [
    'is on: the password and the token cross the network in the clear',
    'Use https as soon as iSales has it',
  ],
  itself: [
    'names this proxy itself',
    'Give the address of iSales, which is neither LISTEN nor ADMIN_LISTEN',
  ],
  'same-path': ['is the same as ISALES_LOGIN_PATH', 'Give the path of the refresh call, or off'],
  'no-refresh-path': [
    'is not set, and does not follow from an ISALES_LOGIN_PATH that does not end with auth/login',
    'Set it to the path of the refresh call, or to off',
  ],
  without: ({ accepted }) => [`is set without ${accepted}`, 'Set both, or neither'],
  'store-without-tls': [
    'is set, and SESSION_STORE_URL is not rediss or valkeys',
    'Use TLS, or unset it',
  ],
  'plain-store': [
    'is without TLS to a host that is not loopback',
    'Use rediss or valkeys: the token is sealed, the password of the store is not',
  ],
  'same-port': ['takes the port of LISTEN', 'Give the two listeners different ports'],
  open: [
    'is reachable from other machines, and nothing keeps others out',
    'Set OBS_USER and OBS_PASSWORD, or LISTEN_CLIENT_CA_FILE, or listen on 127.0.0.1; UNSAFE_LISTEN=true overrides this',
  ],
  'open-allowed': [
    'is on: whoever reaches LISTEN calls iSales as ISALES_USER',
    'Set OBS_USER and OBS_PASSWORD, or LISTEN_CLIENT_CA_FILE, instead when you can',
  ],
  'any-client': [
    'lets in every certificate of that authority',
    'Name those of CTI-OBS in LISTEN_CLIENT_NAMES',
  ],
  'plain-listen': [
    'takes passwords in the clear from other machines',
    'Set LISTEN_TLS_CERT_FILE and LISTEN_TLS_KEY_FILE',
  ],
  weak: [
    'is easy to guess, and other machines can try',
    'Use 12 or more characters, 4 of them different, such as `openssl rand -base64 32` gives',
  ],
  'long-deadline': [
    'is 3 s or more: CTI-OBS gives up after 3 s unless its `timeout` was raised',
    'Lower it, unless the `timeout` of the OBS URL resource is longer',
  ],
  'unused-for-http': ['is not used, since ISALES_URL is plain http', 'Unset it, or use https'],
  'other-paths': [
    'does not hold the paths beside ISALES_LOGIN_PATH, so calls to them get 403',
    'Add the prefix of the paths of your iSales',
  ],
  'insecure-node': [
    'is 0, which accepts any certificate',
    'Unset it, and trust your own authority with ISALES_CA_FILE',
  ],
}

export const settings: SettingSentences = {
  kinds,
  isNot: (found, kind, example) => {
    const such = example === undefined ? '' : `, such as ${example}`
    return found === undefined
      ? `is not ${kind}${such}`
      : `is ${found}, which is not ${kind}${such}`
  },
  at: (file) => ` (the file ${file})`,
  others,
}
