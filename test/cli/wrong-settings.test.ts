import { expect, it } from 'vitest'
import type { Environment } from '../../src/config/load.ts'
import { environment } from '../behaviour/secrets-stand.ts'
import { temporaryFiles } from '../support/temporary.ts'
import { foreign } from '../messages/foreign.ts'
import { runHere } from './stand.ts'

// The start and `check` say the same of a wrong configuration, in both languages; test/config has a row for each mistake.

const inFile = (text: string): string => temporaryFiles()('file', text)

/** The input, and stderr: setting, title or facts, code. */
const WRONG: readonly (readonly [string, Environment, RegExp])[] = [
  [
    'nothing',
    { ISALES_URL: undefined, ISALES_PASSWORD: undefined },
    /ISALES_URL: A required setting is missing.* example: ISALES_URL=https:[^]*ISALES_PASSWORD: .*_FILE.*not-set/,
  ],
  [
    'an ISALES_URL without a scheme',
    { ISALES_URL: 'isales.example' },
    /ISALES_URL: .* Found: "isales.example"; Accepted: https:\/\/HOST\[:PORT\]; .*\[not-accepted\]/,
  ],
  [
    'a deadline of an hour',
    { CLIENT_DEADLINE: '1h' },
    /CLIENT_DEADLINE: .* Found: "1h"; Accepted: 100ms…30s; For/,
  ],
  [
    'LISTEN on all interfaces without a login',
    { LISTEN: '0.0.0.0:8080', OBS_USER: undefined, OBS_PASSWORD: undefined },
    /LISTEN: Other machines could call iSales through LISTEN\. Set OBS_USER and OBS_PASSWORD, or.*\[open-listener\]/,
  ],
  [
    'half a login',
    { OBS_PASSWORD: undefined },
    /OBS_USER: .* The other setting: OBS_PASSWORD\. \[incomplete\]/,
  ],
  [
    'a file that is not there',
    { ISALES_PASSWORD: undefined, ISALES_PASSWORD_FILE: '/etc/isales-none/password' },
    /ISALES_PASSWORD_FILE: .* Detail: it does not exist\. \[file-unreadable\]/,
  ],
  [
    'an empty file',
    { ISALES_PASSWORD: undefined, ISALES_PASSWORD_FILE: inFile('') },
    /A file is empty\. Write the value into the file\. File: \/.* \[empty-file\]/,
  ],
  [
    'a certificate in DER',
    { ISALES_CA_FILE: inFile('\u0030\u0082') },
    /ISALES_CA_FILE: .* Detail: it has no PEM certificate, .* \[not-pem\]/,
  ],
  [
    'ISALES_USERNAME',
    { ISALES_USER: undefined, ISALES_USERNAME: 'obs' },
    /Warning: ISALES_USERNAME: .* Probably meant: ISALES_USER\. \[unknown-setting\]/,
  ],
]

/** Values, what is accepted, examples, files, names of settings and codes. */
const GIVEN =
  /允许的格式：.*?(?=[；。])|例如：.*?(?=[；。] ?\[|$)|"(?:\\.|[^"\n])*"|[A-Z][A-Z_]+(?:=[\w.:/-]+)?|文件：[^；。]+|\[[a-z-]+\]|openssl [a-z\d -]+|docs\/configuration\.zh-CN\.md/gm

it.each(WRONG)('the start and check say the same of %s', async (_, wrong, words) => {
  const saidIn = async (LANG: string): Promise<string> => {
    const env = { ...environment('http://127.0.0.1:1'), ...wrong, LANG }
    const { stderr, code } = await runHere(['serve'], { env, isTTY: true })
    const check = await runHere(['check', '--live'], { env })
    expect([code, check.code]).toEqual([2, 2])
    expect(check.stdout).toMatch(/^LOG_LEVEL +debug /m)
    expect(stderr).toContain(check.stderr)
    return check.stderr
  }
  expect(await saidIn('C')).toMatch(words)
  const chinese = await saidIn('zh_CN.UTF-8')
  expect(chinese).toMatch(/^(?:错误|警告)：\S+ ?\p{Script=Han}/u)
  expect(foreign(chinese.replaceAll(GIVEN, ''))).toEqual([])
})
