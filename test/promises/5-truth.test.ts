// Guarantee 5: state, cause and remedy are right within 5 s. Page, terminal, log and alert lead to one section, in both
// languages. `test/cli/mistakes.test.ts` compares `check --live` with the page for every mistake, and
// `test/behaviour/every-request.test.ts` has a cause for each way in which a call is lost. Properties 1 to 5 and 7 of the
// simulation and of `npm run truth` ask the same for any mixture of faults; here are situations that they do not make.
import { expect, test } from 'vitest'
import type { Code } from '../../src/codes.ts'
import { findSection } from '../../src/messages/index.ts'
import { openTimedWorld, type TimedWorld } from '../support/timed-world.ts'
import { runHere } from '../cli/stand.ts'
import { ALERTS } from '../docs/pages.ts'
import { call } from '../support/call.ts'
import { exchangeRaw } from '../support/raw-client.ts'

const runbooks = ALERTS.map(({ annotations }) =>
  annotations['runbook_url']?.replace(/^.*(?=\/docs\/)/, ''),
)

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '"': '&quot;',
  "'": '&#39;',
}
/** Returns the text as HTML has it. */
const escaped = (text: string): string =>
  text.replaceAll(/[&<"']/g, (sign) => ESCAPES[sign] ?? sign)

const repeat = async (times: number, act: () => Promise<unknown>): Promise<void> => {
  for (let left = times; left > 0; left -= 1) await act()
}
/** Sends calls, and lets time pass until they have ended. */
const callFor = async (world: TimedWorld, ms: number, count = 1): Promise<void> => {
  const calls = Array.from({ length: count }, () => world.tasks())
  await world.pass(ms)
  await Promise.all(calls)
}
test.each([
  {
    name: 'a token that another program ends again and again',
    env: {},
    act: async (world: TimedWorld) => {
      await repeat(3, () => {
        world.sim.revoke()
        return callFor(world, 2000)
      })
      expect(await world.metric('isales_proxy_session_conflicts_total')).toBe(1)
    },
    state: 'conflict',
    codes: ['IsalesProxySessionConflict', null],
    words:
      /repeatedly rejects the proxy's tokens early.* Let replicas share one token .*give every instance its own user/,
    fact: '',
  },
  {
    name: 'a header that iSales does not read the token from',
    env: { ISALES_TOKEN_HEADER: 'X-Other: {token}' },
    act: (world: TimedWorld) => repeat(6, () => callFor(world, 3000)),
    state: 'failing',
    codes: ['IsalesProxyCallsRejected', 'token-rejected'],
    words: /rejects every call with the token.* names a form of ISALES_TOKEN_HEADER that works/,
    fact: 'X-Other: {token}',
  },
  {
    name: 'a login that renew cannot repeat yet',
    env: {},
    act: async (world: TimedWorld) => {
      world.sim.wrongPassword()
      world.sim.revokeRefresh()
      world.sim.revoke()
      await repeat(4, () => callFor(world, 12_000))
      await world.app.renew()
      await world.pass(3000)
      expect(world.sim.state().loginsRejected).toBe(4)
    },
    state: 'login-rejected',
    codes: ['IsalesProxyLoginRejected', 'password'],
    words: /Until the time shown, renew sends no login.* Fix ISALES_USER or/,
    fact: '',
  },
  {
    name: 'a client that uses the proxy as its HTTP_PROXY',
    env: {},
    act: (world: TimedWorld) =>
      repeat(6, async () => {
        const line = 'POST http://isales.example:81/rest/isales/a HTTP/1.1'
        const response = await exchangeRaw(world, `${line}\r\nHost: 127.0.0.1\r\n\r\n`)
        expect(response.status).toBe(421)
      }),
    state: 'failing',
    codes: ['IsalesProxyCallsFailing', 'other-host'],
    words: /target names the host.* as its HTTP_PROXY: unset that/,
    fact: 'isales.example',
  },
])(
  '$name is shown within 5 s, and leads to one section everywhere',
  async ({ env, act, state, codes, words, fact }) => {
    const world = await openTimedWorld({ env })
    const ADMIN_LISTEN = new URL(world.admin).host
    await act(world)
    await world.pass(2000)

    for (const [language, LANG, said, letters] of [
      ['en', 'C', words, /^[ -~]+$/],
      ['zh', 'zh_CN.UTF-8', /\p{Script=Han}/u, /\p{Script=Han}/u],
    ] as const) {
      const status = await world.status(language)
      const [finding] = status.findings
      const { title, reason, remedy, code, cause } = finding
      expect([status.state, status.title]).toEqual([state, title])
      expect([code, cause]).toEqual(codes)
      expect(`${title}${reason}`).toMatch(letters)
      expect(`${reason} ${remedy}`).toMatch(said)
      const page = (await call(`${world.admin}/?lang=${language}`)).text
      expect(page).toContain(`<h1>${title}</h1>`)
      const terminal = (await runHere(['status'], { env: { ADMIN_LISTEN, LANG } })).stdout
      for (const sentence of [title, reason, remedy, fact]) {
        expect(page).toContain(escaped(sentence))
        expect(terminal).toContain(sentence)
      }
      expect(runbooks).toContain(finding.runbooks[0]?.replace('.zh-CN', ''))
    }
    const said = await world.status()
    const line = world.lines.findLast(({ event }) => event === 'finding-began')
    expect([line?.code, line?.cause ?? null]).toEqual(codes)
    expect(line?.msg).toContain(said.title)
    expect(line?.msg).toContain(said.remedy)
    expect(line?.detail).toContain(fact)
    expect(line?.section).toBe(findSection('en', (codes[1] ?? codes[0]) as Code).at)
  },
)

test('a failure is over 5 s after calls succeed again: the page shows its end, and no remedy', async () => {
  const world = await openTimedWorld()
  await world.tasks()
  await world.sim.down()
  await callFor(world, 3000, 2)
  // The token is still valid, and removing the pod from its Service would not help.
  expect(await world.metric('isales_proxy_authenticated')).toBe(1)
  expect((await call(`${world.admin}/readyz`)).status).toBe(200)
  await world.sim.up()
  await repeat(3, () => world.tasks())
  await world.pass(5000)

  const status = await world.status()
  const [{ code, cause, remedy, facts }] = status.findings
  const over = ['degraded', 'IsalesProxyCallsLost', 'connection-refused', '']
  expect([status.state, code, cause, remedy]).toEqual(over)
  expect(facts.map(([name]) => name)).toContain('endedAt')
})

test('a call that waited for a token is not slow: iSales was not', async () => {
  const world = await openTimedWorld({
    ready: false,
    prepare: (sim) => sim.hang({ operation: 'login' }),
  })
  const calls = repeat(2, () => world.tasks())
  await world.waiting(1)
  await world.clock.advance(2500)
  world.sim.release()
  await calls
  const { state, groups } = await world.status()
  expect([state, groups.calls]).toMatchObject(['healthy', { answered: 2 }])
})
