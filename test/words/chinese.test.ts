import { describe, expect, it } from 'vitest'
import { FINDING_NAMES } from '../../src/admin/findings.ts'
import type { Status } from '../../src/admin/index.ts'
import { WORDS } from '../../src/words/index.ts'
import { cause } from '../../src/causes.ts'
import { granted, NOW } from '../admin/token.ts'
import { adminOf, SCENES, type Scene } from '../browser/states.ts'
import { authFailure } from '../support/failure.ts'
import { foreign } from './foreign.ts'

const SHARED = {
  state: 'shared',
  reason: undefined,
  code: undefined,
  since: NOW,
  adoptedAt: undefined,
} as const

/** Stands for every value that a text names, and for what the value is a part of. */
const ANY: unknown = new Proxy(['甲'], {
  get: (target, key) => {
    if (key === 'side') return side
    if (typeof key === 'symbol' || key in target) return Reflect.get(target, key) as unknown
    return ANY
  },
})
let side = 'isales'

function textsOf(words: unknown): readonly string[] {
  if (typeof words === 'string') return [words]
  if (typeof words === 'function') {
    const say = words as (...values: readonly unknown[]) => unknown
    return textsOf(say(ANY, ANY, ANY))
  }
  return Object.values(words as object).flatMap(textsOf)
}

/** What the scenes are about. */
const OF_THIS_PROXY = `
  site-a-active cti-obs-0 status.json status.txt metrics English service.besclouds.com
  isales.example:443 store.example:6379 /run/secrets/user /run/secrets/password /var/lib/state /docs/operations.zh-CN.md
`.split(/\s+/)

describe('in Chinese', () => {
  it.each(['isales', 'egress', 'store', 'client', 'disk'])(
    'every text has Chinese words alone: %s',
    (each) => {
      side = each
      const { otherLanguage, ...page } = WORDS.zh.page
      expect(otherLanguage).toBe('English')
      const wrong = textsOf({ ...WORDS.zh, page }).flatMap((text) =>
        foreign(text).map((what) => `${what}: ${text}`),
      )
      expect(wrong).toEqual([])
    },
  )

  const failed = (code: Parameters<typeof authFailure>[1]) => {
    const failure = authFailure('untouched', code, { detail: 'ECONNREFUSED' })
    return { at: NOW, operation: 'login' as const, failure }
  }
  const OTHERS: Readonly<Record<string, Scene>> = {
    draining: { snapshot: {}, events: [], draining: true },
    idle: { snapshot: { usable: false, idle: true }, events: [] },
    lifetime: { snapshot: {}, events: [granted({ lifetimeDoubt: 'too-long' })] },
    state: {
      snapshot: { backoff: 'guarded', lastFailure: failed('account') },
      events: [],
      trouble: { cause: cause('disk-full', 'disk'), detail: 'ENOSPC' },
    },
    files: {
      snapshot: {},
      events: [],
      fileErrors: [{ setting: 'ISALES_PASSWORD_FILE', code: 'empty-file' }],
    },
    shared: {
      snapshot: {},
      events: [],
      sharing: { ...SHARED, adoptedAt: NOW },
    },
    alone: {
      snapshot: {},
      events: [],
      sharing: { ...SHARED, state: 'alone', reason: 'refused', code: 'NOAUTH' },
      certificateEnd: Date.UTC(2026, 2, 9),
    },
    declined: {
      snapshot: {},
      events: [],
      calls: [{ count: 9, apart: 9, call: { status: 404 } }],
    },
    'wrong logins of CTI-OBS': {
      snapshot: {},
      events: [],
      turnedAway: ['login', 'login', 'login'],
    },
    'clients without TLS': {
      snapshot: {},
      events: [],
      turnedAway: ['plain-http', 'plain-http', 'plain-http'],
    },
    mistakes: {
      snapshot: {},
      events: [],
      calls: [
        { count: 4, apart: 9, call: { status: 403, code: 'not-allowed' } },
        { count: 4, apart: 9, call: { status: 403, page: true } },
      ],
    },
  }
  const found = new Set<string>()
  const ALL: Readonly<Record<string, Scene>> = { ...SCENES, ...OTHERS }

  it.each(Object.entries(ALL))('page and text have: %s', async (_, scene) => {
    const app = adminOf(scene, { utcOffset: () => 480 })
    const read = async (path: string) => (await app.request(`${path}?lang=zh`)).text()
    const status = JSON.parse(await read('/status.json')) as Status
    for (const { finding } of status.findings) found.add(finding)
    const html = (await read('/'))
      .replace(/^.*?<body>/s, '')
      .replaceAll(/<(\w+)[^>]*? (?:aria-label|data-name)="([^"]*)"/g, '$2<$1')
      .replaceAll(/<[^>]*>/g, '\n')
    /** What is not ours to translate. */
    const given = [
      ...status.settings.flatMap(({ value, source }) => [value ?? '', source.slice(5)]),
      ...status.requests.lastFailed.flatMap(({ path, requestId }) => [path, requestId]),
      ...status.requests.failedPaths.map(({ path }) => path),
      ...OF_THIS_PROXY,
    ].filter((text) => text !== '')
    for (const { runbook } of status.findings) given.push(runbook ?? 'metrics')
    const longest = given.toSorted((one, other) => other.length - one.length)
    for (const text of [html, await read('/status.txt')]) {
      const own = longest.reduce((rest, each) => rest.replaceAll(each, ''), text)
      expect(
        own.split('\n').flatMap((line) => foreign(line).map((what) => `${what}: ${line}`)),
      ).toEqual([])
    }
  })

  it('every finding was among them', () => {
    expect(FINDING_NAMES.filter((name) => !found.has(name))).toEqual([])
  })
})
