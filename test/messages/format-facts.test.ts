import { expect, it } from 'vitest'
import { cause } from '../../src/causes.ts'
import { dateText, explained, factText, MESSAGES, messagesFor } from '../../src/messages/index.ts'
import type { Fact, FailureDetails, DiagnosticContext, Value } from '../../src/messages/index.ts'
import { PLACES } from '../support/failure.ts'

const { en, zh } = MESSAGES
const NOW = Date.parse('2026-03-02T09:41:05Z')

it.each<readonly [Value, english: string, chinese: string]>([
  [12_345, '12,345', '12,345'],
  [true, 'yes', '是'],
  [false, 'no', '否'],
  ['isales.example:443', 'isales.example:443', 'isales.example:443'],
  ['login-pause', 'login pause', '登录暂停，以防账号被锁定'],
  ['page', 'a web page', '网页'],
  ['constructor', 'constructor', 'constructor'],
  [{ seconds: 0 }, '0 s', '0 秒'],
  [{ seconds: 0.0004 }, '0 ms', '0 毫秒'],
  [{ seconds: 3.14 }, '3.1 s', '3.1 秒'],
  [{ seconds: 59.6 }, '1 min', '1 分钟'],
  [{ seconds: 235 }, '3 min 55 s', '3 分钟 55 秒'],
  [{ seconds: 187_200 }, '2 d 4 h', '2 天 4 小时'],
  [{ seconds: -3 }, '0 s', '0 秒'],
  [{ part: 145, of: 1200 }, '145 of 1,200', '145 / 1,200'],
  [{ at: '2026-03-02T09:53:05Z' }, '17:53:05 (in 12 min)', '17:53:05（12 分钟后）'],
  [{ at: '2026-03-02T07:41:00Z' }, '15:41:00 (2 h ago)', '15:41:00（2 小时前）'],
  [{ at: '2026-03-14T09:41:05Z' }, '2026-03-14 17:41 (in 12 d)', '2026-03-14 17:41（12 天后）'],
])('%j is formatted as %s and %s', (value, english, chinese) => {
  const reading = { now: NOW, offset: 480 }
  expect(factText(en, ['detail', value], reading)).toBe(english)
  expect(factText(zh, ['detail', value], reading)).toBe(chinese)
})

it.each(['user', 'host', 'serverName', 'allowedHosts', 'meant'] as const)(
  'the text of %s is shown as it is, also if it is a code',
  (name) => {
    for (const text of ['root', 'local', 'off', 'none'])
      expect([factText(en, [name, text]), factText(zh, [name, text])]).toEqual([text, text])
  },
)

it('a date has its time zone', () => {
  expect(factText(en, ['endedAt', { at: '2026-03-14T09:41:05Z' }])).toBe('2026-03-14 09:41 UTC')
  expect(dateText({ now: NOW, offset: 480 })).toBe('2026-03-02 17:41:05 +08:00')
  expect(dateText({ now: NOW, offset: -210 })).toBe('2026-03-02 06:11:05 −03:30')
})

it.each([
  ['timeout', 'login-timeout', 'login-timeout', 'upstream-timeout'],
  ['path-unknown', 'login-path-unknown', 'refresh-path-unknown', 'call-declined'],
  ['login-page', 'login-page', 'login-page', 'call-page'],
  ['expired', 'expired', 'expired', 'expired'],
] as const)('%s has the remedy of the kind of request', (code, ...codes) => {
  const requests = ['login', 'refresh', 'call'] as const
  const found = requests.map((each) => explained({ cause: cause(code) }, PLACES, each).code)
  expect(found).toEqual(codes)
})

const NOWHERE = { ...PLACES, hosts: { ...PLACES.hosts, disk: '' }, serverName: 'b' }
const certificate = { name: 'a.example', from: NOW, to: Number.NaN }
const ISALES = ['isales', 'isales.example:443'] as const
const FILES = [
  ['userFile', '/run/secrets/user'],
  ['passwordFile', '/run/secrets/password'],
] as const

it.each<readonly [FailureDetails, DiagnosticContext, facts: readonly Fact[]]>([
  // The files with user and password, and the cost of a restart without STATE_DIR.
  [{ cause: cause('password') }, PLACES, [ISALES, ...FILES]],
  [{ cause: cause('password') }, NOWHERE, [ISALES, ...FILES, ['restart', 'costs-attempt']]],
  [
    { cause: cause('not-yet-valid'), certificate },
    PLACES,
    [ISALES, ['certificate', 'a.example'], ['validFrom', { at: '2026-03-02T09:41:05.000Z' }]],
  ],
  [{ cause: cause('expired'), certificate }, PLACES, [ISALES, ['certificate', 'a.example']]],
  [
    { cause: cause('other-name'), certificate },
    NOWHERE,
    [ISALES, ['serverName', 'b'], ['certificate', 'a.example']],
  ],
])('a failed login has these facts (row %#)', (failure, diagnostics, facts) => {
  expect(explained(failure, diagnostics, 'login').facts).toEqual(facts)
})

it('every name and value has Chinese words and full-width punctuation', () => {
  const texts = [...Object.values(zh.facts), ...Object.values(zh.values)]
  expect(texts.filter((text) => !/\p{Script=Han}|^iSales（/u.test(text))).toEqual([])
  expect(texts.filter((text) => /[(),;:!?]|\.$/.test(text))).toEqual([])
})

it.each([
  [{ LANG: 'zh_CN.UTF-8' }, 'zh'],
  [{ LANG: 'zh_TW.utf8' }, 'zh'],
  [{ LC_ALL: 'C', LANG: 'zh_CN.UTF-8' }, 'en'],
  [{ LANG: 'zh_CN.GB18030' }, 'en'],
  [{ LANG: 'zh_CN' }, 'en'],
  [{ LANG: 'en_US.UTF-8' }, 'en'],
  [{}, 'en'],
])('the language of %j is %s', (env, language) => {
  expect(messagesFor(env).language).toBe(language)
})
