import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Environment } from '../../src/config/load.ts'
import { environment } from '../behaviour/secrets-stand.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { foreign } from '../words/foreign.ts'
import { runHere } from './stand.ts'

// One wrong configuration a row: the start and `check` say the same of it, in both languages.

const inFile = (text: string): string => {
  const file = join(temporaryDirectory(), 'file')
  writeFileSync(file, text)
  return file
}
const OPEN = { OBS_USER: undefined, OBS_PASSWORD: undefined }
const STORE = { SESSION_STORE_KEY_FILE: inFile('0123456789abcdef'.repeat(2)) }

const WRONG: Readonly<Record<string, readonly [Environment, RegExp]>> = {
  nothing: [
    { ISALES_URL: undefined, ISALES_PASSWORD: undefined },
    /ISALES_URL is not set\. Set it, for example ISALES_URL=https:[^]*ISALES_PASSWORD is not set, nor/,
  ],
  'quotes around ISALES_URL': [
    { ISALES_URL: '"https://isales.example"' },
    /ISALES_URL has quotes, which `docker --env-file` keeps \(it is .*\)\. Correct it$/m,
  ],
  'a full-width colon in ISALES_URL': [{ ISALES_URL: 'https：//isales.example' }, /full-width/],
  'an ISALES_URL without a scheme': [
    { ISALES_URL: 'isales.example' },
    /ISALES_URL is "isales.example", which is not scheme, host and port .* such as ISALES_URL=https/,
  ],
  'a path in ISALES_URL': [{ ISALES_URL: 'https://isales.example/rest' }, /and nothing else/],
  'a password in ISALES_URL': [
    { ISALES_URL: 'https://u:p@isales.example' },
    /ISALES_URL is not scheme/,
  ],
  'plain http': [{ ISALES_URL: 'http://isales.example' }, /ISALES_URL is plain http/],
  'a port over 65535': [
    { ISALES_URL: 'https://isales.example:84433' },
    /which is not scheme, host/,
  ],
  'a space without break': [{ ISALES_URL: 'https://isales.\u00a0example' }, /which is not scheme/],
  'LISTEN as a port': [
    { LISTEN: '8080' },
    /LISTEN is "8080", which is not host:port, such as LISTEN/,
  ],
  'LISTEN with its name': [{ LISTEN: 'LISTEN=:8080' }, /LISTEN begins with its own name/],
  'the port of the other listener': [
    { ADMIN_LISTEN: '127.0.0.1:8080', LISTEN: ':8080' },
    /same|port of LISTEN/,
  ],
  'LISTEN on all interfaces without a login': [
    { LISTEN: '0.0.0.0:8080', ...OPEN },
    /LISTEN is reachable from other machines.* Set OBS_USER and OBS_PASSWORD, or/,
  ],
  'a weak password': [{ LISTEN: ':8443', OBS_PASSWORD: 'short' }, /OBS_PASSWORD is easy to guess/],
  'half a login': [{ OBS_PASSWORD: undefined }, /OBS_USER is set without OBS_PASSWORD/],
  'a path with a query': [{ ISALES_LOGIN_PATH: '/a?b' }, /ISALES_LOGIN_PATH is "\/a\?b", which/],
  'another login path': [
    { ISALES_LOGIN_PATH: '/signin' },
    /ISALES_REFRESH_PATH is not set, and does/,
  ],
  'a token header without a token': [
    { ISALES_TOKEN_HEADER: 'Authorization' },
    /ISALES_TOKEN_HEADER is/,
  ],
  'a status that is none': [
    { ISALES_REJECTED: '500' },
    /ISALES_REJECTED is "500", which is not a list/,
  ],
  'a full-width comma': [
    { ALLOWED_HOSTS: 'a.example，b.example' },
    /ALLOWED_HOSTS has a full-width/,
  ],
  semicolons: [{ NO_PROXY: 'localhost;isales.example' }, /NO_PROXY is .* separated by commas/],
  'a SOCKS proxy': [
    { HTTPS_PROXY: 'socks5://proxy' },
    /HTTPS_PROXY is not the URL of an HTTP proxy/,
  ],
  'a deadline of an hour': [
    { CLIENT_DEADLINE: '1h' },
    /is not a duration from 100ms to 30s, such as/,
  ],
  'no attempts': [{ LOGIN_REJECTED_ATTEMPTS: '0' }, /is not a whole number from 1 to 5/],
  'a level that is none': [
    { LOG_LEVEL: 'loud' },
    /which is not one of debug, info, warn, error, fatal/,
  ],
  yes: [
    { ISALES_ALLOW_HTTP: 'yes' },
    /ISALES_ALLOW_HTTP is "yes", which is not one of true, false/,
  ],
  'a file that is not there': [
    { ISALES_PASSWORD: undefined, ISALES_PASSWORD_FILE: '/etc/isales-none/password' },
    /ISALES_PASSWORD_FILE names a file that does not exist/,
  ],
  'a directory': [
    { ISALES_PASSWORD: undefined, ISALES_PASSWORD_FILE: '/proc' },
    /names a directory/,
  ],
  'an empty file': [
    { ISALES_PASSWORD: undefined, ISALES_PASSWORD_FILE: inFile('') },
    /names an empty file \(the file \/.*\)\. Put the value into it/,
  ],
  both: [
    { ISALES_PASSWORD_FILE: inFile('x') },
    /ISALES_PASSWORD and ISALES_PASSWORD_FILE are both/,
  ],
  'a certificate in DER': [
    { ISALES_CA_FILE: inFile('\u0030\u0082') },
    /ISALES_CA_FILE names a file without a PEM certificate/,
  ],
  'a certificate without its key': [
    { LISTEN_TLS_CERT_FILE: inFile('x') },
    /LISTEN_TLS_CERT_FILE is set without LISTEN_TLS_KEY_FILE/,
  ],
  'a store without its key': [
    { SESSION_STORE_URL: 'redis://127.0.0.1' },
    /SESSION_STORE_URL is set without SESSION_STORE_KEY_FILE/,
  ],
  'a password in the URL of the store': [
    { ...STORE, SESSION_STORE_URL: 'redis://u:p@127.0.0.1' },
    /SESSION_STORE_URL is not a redis, .* without a password/,
  ],
  ISALES_USERNAME: [
    { ISALES_USER: undefined, ISALES_USERNAME: 'obs' },
    /ISALES_USERNAME is not a setting\. Did you mean ISALES_USER\?/,
  ],
  'any certificate': [{ NODE_TLS_REJECT_UNAUTHORIZED: '0' }, /accepts any certificate/],
}

/** Values, examples, files and choices. */
const GIVEN =
  /，例如 [A-Z_]+=.*$|"(?:\\.|[^"\n])*"|[A-Z][A-Z_]+(?:=[\w.:/-]+)?|文件 [^）]+|[a-z]+(?:, [a-z]+)+/gm

describe('the start and check say the same of', () => {
  it.each(Object.entries(WRONG))('%s', async (_, [wrong, words]) => {
    const saidIn = async (LANG: string): Promise<string> => {
      const env = { ...environment('http://127.0.0.1:1'), ...wrong, LANG }
      const { stderr, code } = await runHere(['serve'], { env, isTTY: true })
      const check = await runHere(['check', '--live', '--quiet'], { env })
      expect([code, check.code]).toEqual([2, 2])
      expect(stderr).toContain(check.stderr)
      return check.stderr
    }
    expect(await saidIn('C')).toMatch(words)
    const chinese = await saidIn('zh_CN.UTF-8')
    expect(chinese).toMatch(/^(?:错误|警告)：\S+ ?\p{Script=Han}/u)
    expect(foreign(chinese.replaceAll(GIVEN, ''))).toEqual([])
  })
})
