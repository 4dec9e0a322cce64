import { expect, it } from 'vitest'
import type { Environment } from '../../src/config/load.ts'
import { foreign } from '../messages/foreign.ts'
import { SECRET_SETTINGS } from '../support/secrets.ts'
import { runHere } from './stand.ts'

// Start and `check` print the same about a wrong configuration, in both languages; test/config has a row for every mistake.

/** Settings, and text of stderr: setting, title or facts, code. */
const WRONG: readonly (readonly [string, Environment, RegExp])[] = [
  [
    'missing settings',
    { ISALES_URL: undefined, ISALES_PASSWORD: undefined },
    /ISALES_URL: A required setting is missing.* example: ISALES_URL=https:[^]*ISALES_PASSWORD: .*_FILE.*not-set/,
  ],
  [
    'an ISALES_URL without a scheme',
    { ISALES_URL: 'isales.example' },
    /ISALES_URL: .* Found: "isales.example"; Accepted: https:\/\/HOST\[:PORT\]; .*\[not-accepted\]/,
  ],
  [
    'a missing file',
    { ISALES_PASSWORD: undefined, ISALES_PASSWORD_FILE: '/etc/isales-none/password' },
    /ISALES_PASSWORD_FILE: .* Detail: it does not exist\. \[file-unreadable\]/,
  ],
  [
    'ISALES_USERNAME',
    { ISALES_USER: undefined, ISALES_USERNAME: 'obs' },
    /Warning: ISALES_USERNAME: .* Probably meant: ISALES_USER\. \[unknown-setting\]/,
  ],
]

/** Values, formats, examples, files, names of settings and codes. */
const GIVEN =
  /允许的格式：.*?(?=[；。])|例如：.*?(?=[；。] ?\[|$)|"(?:\\.|[^"\n])*"|[A-Z][A-Z_]+(?:=[\w.:/-]+)?|文件：[^；。]+|\[[a-z-]+\]|openssl [a-z\d -]+|docs\/configuration\.zh-CN\.md/gm

it.each(WRONG)('start and check print the same about %s', async (_, wrong, words) => {
  const printedIn = async (LANG: string): Promise<string> => {
    const env = { ...SECRET_SETTINGS, ...wrong, LANG }
    const { stderr, code } = await runHere(['serve'], { env, isTTY: true })
    const check = await runHere(['check'], { env })
    expect([code, check.code]).toEqual([2, 2])
    expect(check.stdout).toMatch(/^LOG_LEVEL +debug /m)
    expect(stderr).toContain(check.stderr)
    return check.stderr
  }
  expect(await printedIn('C')).toMatch(words)
  const chinese = await printedIn('zh_CN.UTF-8')
  expect(chinese).toMatch(/^(?:错误|警告)：\S+ ?\p{Script=Han}/u)
  expect(foreign(chinese.replaceAll(GIVEN, ''))).toEqual([])
})
