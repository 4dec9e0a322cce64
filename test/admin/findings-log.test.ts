import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { logFindings } from '../../src/admin/findings-log.ts'
import { FINDING_NAMES, STATES, type Finding } from '../../src/admin/judge.ts'
import type { Status } from '../../src/admin/status.ts'
import { cause } from '../../src/causes.ts'
import type { LogEventName, LogFields } from '../../src/log/log-events.ts'
import { LANGUAGES, sectionOf } from '../../src/words/index.ts'
import { SCENES, adminOf, type Scene } from '../browser/states.ts'
import { read } from '../docs/pages.ts'
import { authFailure } from '../support/failure.ts'
import { manualClock } from '../support/manual-clock.ts'
import { failed, granted, NOW } from './token.ts'

type Line = LogFields & { readonly event: LogEventName; readonly level: unknown }

function follow(findings: readonly Finding[]) {
  const clock = manualClock()
  const lines: Line[] = []
  let now = findings
  logFindings(
    clock,
    (event, fields, level) => lines.push({ event, level, ...fields }),
    () => now,
  )
  return {
    lines,
    /** After a second of it. */
    change: async (next: readonly Finding[]): Promise<readonly Line[]> => {
      now = next
      lines.length = 0
      await clock.advance(1000)
      return [...lines]
    },
  }
}

const calls = (state: 'degraded' | 'failing', code: 'no-route' | 'lost'): Finding => ({
  finding: 'calls',
  state,
  code: state === 'failing' ? 'IsalesProxyCallsFailing' : 'IsalesProxyErrorRatio',
  facts: [['failedCalls', { part: 4, of: 60 }]],
  why: { code, facts: [['isales', 'isales.example:443']] },
})
const HEALTHY: Finding = {
  finding: 'healthy',
  state: 'healthy',
  code: 'healthy',
  facts: [],
  why: undefined,
}

describe('the log says what the page says', () => {
  it('when it begins, with code, section, cause, cure and facts, and when it ends', async () => {
    const { lines, change } = follow([HEALTHY])
    expect(lines).toMatchObject([{ event: 'finding-began', level: 'info', state: 'healthy' }])
    expect(await change([calls('failing', 'no-route')])).toEqual([
      { event: 'finding-ended', level: undefined, finding: 'healthy', durationSeconds: 1 },
      {
        event: 'finding-began',
        level: 'error',
        finding: 'calls',
        state: 'failing',
        code: 'IsalesProxyCallsFailing',
        cause: 'no-route',
        section: 'errors.md#no-route',
        detail:
          'Calls fail. There is no route to the address. Check the network, the firewall and the address in ISALES_URL (of the egress proxy: HTTPS_PROXY). iSales (ISALES_URL): isales.example:443; Failed calls: 4 of 60.',
      },
    ])
    expect(await change([calls('failing', 'no-route')])).toEqual([])
    expect(await change([HEALTHY])).toMatchObject([
      { event: 'finding-ended', finding: 'calls', durationSeconds: 2 },
      { event: 'finding-began', finding: 'healthy' },
    ])
  })

  it('anew when it is worse or has another cause, and once of those that take turns', async () => {
    const { change } = follow([calls('degraded', 'no-route')])
    const levels = async (...next: readonly Finding[]) =>
      (await change(next)).map(({ level, cause: why }) => [level, why])
    expect(await levels(calls('failing', 'no-route'))).toEqual([['error', 'no-route']])
    expect(await levels(calls('failing', 'lost'))).toEqual([['error', 'lost']])
    expect(await levels(calls('failing', 'no-route'))).toEqual([])
    expect(await levels(calls('degraded', 'no-route'))).toEqual([])
    expect(await levels(HEALTHY)).toHaveLength(2)
    expect(await levels(calls('degraded', 'no-route'))).toEqual([
      [undefined, undefined],
      ['warn', 'no-route'],
    ])
  })
})

const NOTHING = { snapshot: {}, events: [] } as const
const refreshFailed = failed({
  operation: 'refresh',
  failure: authFailure('refused', 'refresh-refused', { status: 401 }),
})
/** What has no scene of its own. */
const OTHERS: Readonly<Record<string, Scene>> = {
  draining: { ...NOTHING, draining: true },
  idle: { snapshot: { usable: false, idle: true }, events: [] },
  rejected: { snapshot: { rejected: true }, events: [] },
  clock: {
    snapshot: {
      backoff: 'transient',
      lastFailure: {
        at: NOW,
        operation: 'login',
        failure: authFailure('untouched', 'not-yet-valid'),
      },
    },
    events: [],
  },
  refresh: { snapshot: {}, events: [refreshFailed, refreshFailed, refreshFailed] },
  lifetime: { snapshot: {}, events: [granted({ lifetimeDoubt: 'too-long' })] },
  state: { ...NOTHING, trouble: { cause: cause('disk-full', 'disk'), detail: 'ENOSPC' } },
  files: {
    ...NOTHING,
    fileErrors: [{ setting: 'ISALES_PASSWORD_FILE', code: 'empty-file', facts: [] }],
  },
  store: {
    ...NOTHING,
    sharing: {
      state: 'alone',
      reason: 'refused',
      since: NOW,
      code: 'NOAUTH',
      adoptedAt: undefined,
    },
  },
  'calls that all get 404': { ...NOTHING, calls: [{ count: 9, apart: 9, call: { status: 404 } }] },
  'a page': { ...NOTHING, calls: [{ count: 9, apart: 9, call: { status: 200, page: true } }] },
  'a scanner': {
    ...NOTHING,
    calls: [
      {
        count: 9,
        apart: 9,
        call: { method: 'GET', status: 403, code: 'not-allowed', refusal: 'other-path' },
      },
    ],
  },
  'clients without TLS': { ...NOTHING, turnedAway: ['plain-http', 'plain-http', 'plain-http'] },
  'wrong logins of CTI-OBS': {
    ...NOTHING,
    calls: SCENES.healthy.calls,
    turnedAway: ['obs-login', 'obs-login', 'obs-login'],
  },
}

interface Rule {
  readonly alert: string
  readonly annotations: { readonly runbook_url: string }
}
const { groups } = parse(read('config/prometheus/alerts.yaml')) as {
  readonly groups: readonly { readonly rules: readonly Rule[] }[]
}
const RUNBOOKS = new Map(
  groups.flatMap(({ rules }) =>
    rules.map(({ alert, annotations }) => [
      alert,
      annotations.runbook_url.replace(/^.*(?=\/docs\/)/, ''),
    ]),
  ),
)
const LEVELS = { bad: 'error', warning: 'warn', quiet: 'info', good: 'info' }
const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')

const walked = new Set<string>()
it.each(Object.entries({ ...SCENES, ...OTHERS }))(
  'page, text, log and alert lead to one section: %s',
  async (_, scene) => {
    const admin = adminOf(scene)
    const { lines } = follow(admin.findings())
    for (const language of LANGUAGES) {
      const get = async (path: string) => (await admin.request(`${path}?lang=${language}`)).text()
      const { findings } = JSON.parse(await get('/status.json')) as Status
      const [page, text] = [await get('/'), await get('/status.txt')]
      expect(findings.length).toBe(lines.length)
      for (const [index, { finding, state, code, cause: why, ...said }] of findings.entries()) {
        walked.add(finding)
        const [headline, behind] = [code, why ?? code].map((each) => sectionOf(language, each))
        expect(said.title).toBe(headline?.title)
        expect(said.reason).toContain(why === null ? '' : behind?.title)
        expect(said.remedy).toBe(behind?.todo || headline?.todo)
        for (const each of [said.title, said.reason, said.remedy]) {
          expect(page).toContain(escaped(each))
          expect(text).toContain(each)
        }
        const links = said.runbook === null ? [] : [headline, ...(why === null ? [] : [behind])]
        for (const section of links) {
          expect(page).toContain(`href="/docs/${section?.at}"`)
          expect(text).toContain(`/docs/${section?.at}`)
        }
        const line = lines[index]
        expect(line).toMatchObject({ finding, state, code, level: LEVELS[STATES[state]] })
        expect([line?.cause ?? null, line?.section]).toEqual([why, sectionOf('en', why ?? code).at])
        const alert = RUNBOOKS.get(code)
        expect(alert).toBe(
          code.startsWith('IsalesProxy') ? `/docs/${sectionOf('en', code).at}` : undefined,
        )
      }
    }
  },
)

it('every finding was walked over', () => {
  expect(FINDING_NAMES.filter((name) => !walked.has(name))).toEqual([])
})
