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

/** What is written, and on stderr: setting, title or facts, code. */
const WRONG: Readonly<Record<string, readonly [Environment, RegExp]>> = {
  nothing: [
    { ISALES_URL: undefined, ISALES_PASSWORD: undefined },
    /ISALES_URL: .* required and not set.* example: ISALES_URL=https:[^]*ISALES_PASSWORD: .*_FILE.*not-set/,
  ],
  'quotes around ISALES_URL': [
    { ISALES_URL: '"https://isales.example"' },
    /ISALES_URL: .* hardly meant.* Detail: quotes\. \[typing\]$/m,
  ],
  'a full-width colon in ISALES_URL': [
    { ISALES_URL: 'https：//isales.example' },
    /Detail: a full-width or .*\[typing\]/,
  ],
  'an ISALES_URL without a scheme': [
    { ISALES_URL: 'isales.example' },
    /ISALES_URL: .* Found: "isales.example"; Accepted: https:\/\/HOST\[:PORT\]; .*\[not-accepted\]/,
  ],
  'a path in ISALES_URL': [
    { ISALES_URL: 'https://isales.example/rest' },
    /Accepted: https:\/\/HOST\[:PORT\];/,
  ],
  'a password in ISALES_URL': [
    { ISALES_URL: 'https://u:p@isales.example' },
    /ISALES_URL: .* accepted form\. Accepted: https/,
  ],
  'plain http': [
    { ISALES_URL: 'http://isales.example' },
    /ISALES_URL: Plain http .*-not-allowed\]/,
  ],
  'a port over 65535': [{ ISALES_URL: 'https://isales.example:84433' }, /\[not-accepted\]/],
  'a space without break': [{ ISALES_URL: 'https://isales.\u00a0example' }, /\[not-accepted\]/],
  'LISTEN as a port': [
    { LISTEN: '8080' },
    /LISTEN: .* Found: "8080"; Accepted: HOST:PORT; For example: LISTEN=/,
  ],
  'LISTEN with its name': [{ LISTEN: 'LISTEN=:8080' }, /begins with its own name\..*\[own-name\]/],
  'the port of the other listener': [
    { ADMIN_LISTEN: '127.0.0.1:8080', LISTEN: ':8080' },
    /ADMIN_LISTEN: .*\[same-port\]/,
  ],
  'LISTEN on all interfaces without a login': [
    { LISTEN: '0.0.0.0:8080', ...OPEN },
    /LISTEN: Anybody who reaches LISTEN .* Set OBS_USER and OBS_PASSWORD, or.*\[open-listener\]/,
  ],
  'a weak password': [
    { LISTEN: ':8443', OBS_PASSWORD: 'short' },
    /OBS_PASSWORD: .* easy to guess.*\[weak-secret\]/,
  ],
  'half a login': [
    { OBS_PASSWORD: undefined },
    /OBS_USER: .* The other setting: OBS_PASSWORD\. \[incomplete\]/,
  ],
  'a path with a query': [
    { ISALES_LOGIN_PATH: '/a?b' },
    /ISALES_LOGIN_PATH: .* Found: "\/a\?b"; Accepted: \/PATH/,
  ],
  'another login path': [
    { ISALES_LOGIN_PATH: '/signin' },
    /ISALES_REFRESH_PATH: .*\[no-refresh-path\]/,
  ],
  'a token header without a token': [
    { ISALES_TOKEN_HEADER: 'Authorization' },
    /ISALES_TOKEN_HEADER: .* Accepted: NAME.*\{token\}/,
  ],
  'a status that is none': [
    { ISALES_REJECTED: '500' },
    /ISALES_REJECTED: .* Found: "500"; Accepted: 400…499/,
  ],
  'a full-width comma': [
    { ALLOWED_HOSTS: 'a.example，b.example' },
    /ALLOWED_HOSTS: .* a full-width or/,
  ],
  semicolons: [
    { NO_PROXY: 'localhost;isales.example' },
    /NO_PROXY: .* For example: NO_PROXY=\.svc,10/,
  ],
  'a SOCKS proxy': [
    { HTTPS_PROXY: 'socks5://proxy' },
    /HTTPS_PROXY: .* form\. Accepted: http\[s\]:\/\/\[USER/,
  ],
  'a deadline of an hour': [
    { CLIENT_DEADLINE: '1h' },
    /CLIENT_DEADLINE: .* Found: "1h"; Accepted: 100ms…30s; For/,
  ],
  'no attempts': [{ LOGIN_REJECTED_ATTEMPTS: '0' }, /Found: "0"; Accepted: 1…5;/],
  'a level that is none': [{ LOG_LEVEL: 'loud' }, /Accepted: debug, info, warn, error, fatal;/],
  yes: [{ ISALES_ALLOW_HTTP: 'yes' }, /ISALES_ALLOW_HTTP: .* "yes"; Accepted: true, false;/],
  'a file that is not there': [
    { ISALES_PASSWORD: undefined, ISALES_PASSWORD_FILE: '/etc/isales-none/password' },
    /ISALES_PASSWORD_FILE: .* Detail: it does not exist\. \[file-unreadable\]/,
  ],
  'a directory': [
    { ISALES_PASSWORD: undefined, ISALES_PASSWORD_FILE: '/proc' },
    /Detail: it is a directory, or/,
  ],
  'an empty file': [
    { ISALES_PASSWORD: undefined, ISALES_PASSWORD_FILE: inFile('') },
    /A file is empty\. Put the value into it\. File: \/.* \[empty-file\]/,
  ],
  both: [
    { ISALES_PASSWORD_FILE: inFile('x') },
    /ISALES_PASSWORD: .* given twice.* ISALES_PASSWORD_FILE\. \[set-twice\]/,
  ],
  'a certificate in DER': [
    { ISALES_CA_FILE: inFile('\u0030\u0082') },
    /ISALES_CA_FILE: .* Detail: it has no PEM certificate, .* \[not-pem\]/,
  ],
  'a certificate without its key': [
    { LISTEN_TLS_CERT_FILE: inFile('x') },
    /LISTEN_TLS_CERT_FILE: .* The other setting: LISTEN_TLS_KEY_FILE\. \[incomplete\]/,
  ],
  'a store without its key': [
    { SESSION_STORE_URL: 'redis://127.0.0.1' },
    /SESSION_STORE_URL: .* The other setting: SESSION_STORE_KEY_FILE\. \[incomplete\]/,
  ],
  'a password in the URL of the store': [
    { ...STORE, SESSION_STORE_URL: 'redis://u:p@127.0.0.1' },
    /SESSION_STORE_URL: .* form\. Accepted: redis/,
  ],
  ISALES_USERNAME: [
    { ISALES_USER: undefined, ISALES_USERNAME: 'obs' },
    /Warning: ISALES_USERNAME: .* Probably meant: ISALES_USER\. \[unknown-setting\]/,
  ],
  'any certificate': [
    { NODE_TLS_REJECT_UNAUTHORIZED: '0' },
    /NODE_TLS_REJECT_UNAUTHORIZED: Any certificate is accepted.*\[insecure-node\]/,
  ],
}

/** Values, what is accepted, examples, files, names of settings and codes. */
const GIVEN =
  /可接受：.*?(?=[；。])|例如：.*?(?=[；。] ?\[|$)|"(?:\\.|[^"\n])*"|[A-Z][A-Z_]+(?:=[\w.:/-]+)?|文件：[^；。]+|\[[a-z-]+\]|openssl [a-z\d -]+|docs\/configuration\.zh-CN\.md/gm

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
