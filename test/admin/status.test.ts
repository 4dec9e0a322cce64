import { expect, it } from 'vitest'
import type { SharingSnapshot } from '../../src/sharing/index.ts'
import { authFailure } from '../support/failure.ts'
import { SCENES, adminOf, calls, type Scene } from '../browser/states.ts'
import { CANARY, loginOf, NOW, tokenOf } from './token.ts'

const [reason, since] = ['unreachable', NOW - 600_000] as const
const SHARED: SharingSnapshot = { state: 'local', reason, since, code: undefined }

const PATHS = ['/', '/status.txt', '/status.json']

it.each(PATHS)('%s shows neither a token nor a query', async (path) => {
  for (const scene of [SCENES.failing, SCENES['some rejected']]) {
    const text = await (await adminOf(scene).request(`${path}?x=<b>y`)).text()
    expect(text).not.toMatch(new RegExp(`${CANARY}|batch=7|<b>|%3Cb|&lt;b`))
  }
})

it.each<[Scene, object]>([
  [SCENES.starting, { token: null }],
  [SCENES['login-rejected'], { groups: { renewal: { backoff: 'login-pause', failedInRow: 3 } } }],
  [SCENES.failing, { failedCalls: [{ count: 145, status: 502 }] }],
  // Something that is over is in the past tense, and says until when.
  [SCENES['failing no longer'], { title: 'Some calls were lost, until 09:40:57' }],
  [
    { calls: [calls({ status: 403 }, 9, 100, 6000), calls({ status: 200, headMs: 8 }, 9)] },
    { title: 'iSales rejected calls, until 09:40:59' },
  ],
  [
    { sharing: SHARED, snapshot: { adoptedAt: NOW - 120_000 } },
    {
      cause: 'store-unreachable',
      groups: { renewal: { sharing: 'local', adoptedAt: { at: '2026-03-02T09:39:05.000Z' } } },
    },
  ],
  [SCENES.degraded, { groups: { certificates: { listener: { at: '2026-03-14T09:41:05.000Z' } } } }],
])(
  'status.json has dates, and leaves out facts that do not apply (row %#)',
  async (scene, expected) => {
    expect(await (await adminOf(scene).request('/status.json')).json()).toMatchObject(expected)
  },
)

const certificate = { name: 'service.besclouds.com', from: NOW, to: NOW }
const failure = authFailure('not-processed', 'other-name', { certificate })
const other: Scene = {
  snapshot: {
    ...SCENES['login-rejected'].snapshot,
    login: loginOf('login-pause', failure, { failures: 3, until: NOW + 722_000 }),
  },
  calls: [calls({ status: 403 }, 3)],
  fileErrors: [{ setting: 'OBS_USER_FILE', code: 'file-unreadable', facts: [['file', '/etc/a']] }],
  sharing: SHARED,
}
const PRIVATE = /(?:isales|egress|store)\.example|besclouds|openapi|\/etc|\/run\/secrets|\/var\/lib/
const USER = /obs-proxy[^]*ISALES_PASSWORD has/
const textsFor = async (address: string) => {
  const admins = [other, SCENES['login-rejected']].map((scene) => adminOf(scene, {}, address))
  const responses = PATHS.flatMap((path) => admins.map(({ request }) => request(path)))
  return Promise.all(responses.map(async (response) => (await response).text()))
}

it.each(['127.0.0.1', '127.8.0.1', '::1', '::ffff:127.0.0.1'])(
  'hosts, paths and files are shown to a reader on this machine: %s',
  async (address) => {
    const texts = await textsFor(address)
    for (const text of texts) expect(text).toMatch(PRIVATE)
    expect(texts.filter((text) => USER.test(text))).toHaveLength(2)
  },
)

it.each(['10.0.0.7', '::ffff:10.0.0.7', 'fe80::1', ''])(
  'hosts, paths and files are hidden from other readers, who see state, code and remedy: %s',
  async (address) => {
    for (const text of await textsFor(address)) {
      expect(text).not.toMatch(PRIVATE)
      expect(text).not.toMatch(USER)
      expect(text).toMatch(/IsalesProxy|#isalesproxy/)
      expect(text).toMatch(/Fix |Set /)
    }
  },
)

it.each([
  { sentAt: NOW - 900_000, expiresAt: NOW - 600_000, usableUntil: NOW - 605_000 },
  { sentAt: NOW - 500, lifetime: { ms: 1000 }, expiresAt: NOW + 500, usableUntil: NOW + 400 },
])('the status page survives a token that ended long ago, or lives a second: %j', async (life) => {
  const { request } = adminOf({ snapshot: { token: tokenOf(life), usable: false } })
  const page = await request('/')
  expect(page.status).toBe(200)
  expect(await page.text()).not.toMatch(/NaN|Infinity|undefined|-\d+%/)
})

it('the status page is in Chinese by Accept-Language or ?lang=, which wins', async () => {
  const { request } = adminOf(SCENES.failing)
  const read = async (path: string, accepts: string) =>
    (await request(path, { headers: { 'Accept-Language': accepts } })).text()
  const page = /"title":"调用失败".*operations\.zh-CN\.md#isalesproxycallsfailing/
  expect(await read('/status.json', 'zh-CN,zh;q=0.9,en;q=0.8')).toMatch(page)
  expect(await read('/', 'de, zh-TW;q=0.5')).toContain('<html lang="zh-CN">')
  expect(await read('/status.txt?lang=en', 'zh-CN')).toContain('[Calls fail]')
  expect(await read('/status.txt?lang=zh', 'en')).toContain('[调用失败] 该地址没有程序在监听。')
  expect(await read('/?lang=%3Cb%3E', '<script>')).toContain('<html lang="en">')
})
