// Guarantee 5: state, cause and remedy are right within 5 s. Page, terminal, log and alert lead to one section, in both
// languages. `test/cli/mistakes.test.ts` compares `check --live` with the page for every mistake, and
// `test/behaviour/every-request.test.ts` has a cause for each way in which a call is lost.
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { INTERFACE_PATHS, LOGIN_PATH } from '../../simulator/index.ts'
import type { Status } from '../../src/admin/index.ts'
import type { Code } from '../../src/codes.ts'
import { findSection } from '../../src/messages/index.ts'
import { openTimedWorld, type TimedWorld } from '../support/timed-world.ts'
import { runHere } from '../cli/stand.ts'
import { call } from '../support/call.ts'
import { connectRaw, requestText } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { ACCOUNT, REQUIRE, type WorldOptions } from '../support/world.ts'

interface Rules {
  readonly groups: readonly {
    readonly rules: readonly { readonly annotations: Readonly<Record<string, string>> }[]
  }[]
}
const rules = parse(readFileSync('helm/isales-auth-proxy/files/alerts.yaml', 'utf8')) as Rules
const runbooks = rules.groups.flatMap((group) =>
  group.rules.map(({ annotations }) => annotations['runbook_url']?.replace(/^.*(?=\/docs\/)/, '')),
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

interface Happening {
  readonly options?: WorldOptions
  /** Events that a running proxy meets. */
  readonly act?: (world: TimedWorld) => Promise<unknown>
  readonly state: Status['state']
  /** The headline, and what is behind it. */
  readonly codes: readonly [code: string, cause: string | null]
  /** Words of cause and remedy, in English. */
  readonly words: RegExp
  /** The value of a fact. */
  readonly fact?: string
}

const repeat = async (times: number, act: () => Promise<unknown>): Promise<void> => {
  for (let left = times; left > 0; left -= 1) await act()
}
/** Sends calls, and lets time pass until they have ended. */
const callFor = async (world: TimedWorld, ms: number, count = 1): Promise<void> => {
  const calls = Array.from({ length: count }, () => world.tasks())
  await world.pass(ms)
  await Promise.all(calls)
}
const goAway = async (world: TimedWorld): Promise<void> => {
  await world.sim.down()
  await callFor(world, 3000, 2)
}

const HAPPENINGS: Readonly<Record<string, Happening>> = {
  'a wrong password': {
    options: { ready: false, env: { ISALES_PASSWORD: 'out-of-date' } },
    state: 'login-rejected',
    codes: ['IsalesProxyAccountRejected', 'password'],
    words: /rejected the user or the password.* Fix ISALES_USER or ISALES_PASSWORD/,
  },
  'an iSales that is gone at the start': {
    options: { ready: false, prepare: (sim) => sim.down() },
    state: 'unauthenticated',
    codes: ['IsalesProxyNotAuthenticated', 'connection-refused'],
    words: /Nothing listens at .* Check the port in ISALES_URL/,
  },
  'an iSales that goes away while calls arrive': {
    act: goAway,
    state: 'failing',
    codes: ['IsalesProxyCallsFailing', 'connection-refused'],
    words: /Nothing listens at .* Check the port in ISALES_URL/,
  },
  'a token that another program ends again and again': {
    act: async (world) => {
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
  },
  'calls that all get 404': {
    act: (world) => {
      world.sim.failBusiness({ status: 404, times: 'always' })
      return repeat(6, () => world.tasks())
    },
    state: 'degraded',
    codes: ['IsalesProxyCallsRefused', 'call-declined'],
    words: /iSales declined a call.* Compare the path and the parameters/,
  },
  'the page of a gateway, with 200': {
    act: (world) => {
      world.sim.html({ operation: 'business', times: 'always' })
      return repeat(2, () => world.tasks())
    },
    state: 'failing',
    codes: ['IsalesProxyCallsFailing', 'page-relayed'],
    words: /Calls get a web page.* Contact the operator of the gateway/,
  },
  'a header that iSales does not read the token from': {
    options: { env: { ISALES_TOKEN_HEADER: 'X-Other: {token}' } },
    act: (world) => repeat(6, () => callFor(world, 3000)),
    state: 'failing',
    codes: ['IsalesProxyCallsRefused', 'token-rejected'],
    words: /rejects every call with the token.* Check ISALES_TOKEN_HEADER with/,
    fact: 'X-Other: {token}',
  },
  'an obsUrl that ends with a slash in its path': {
    act: (world) =>
      repeat(3, () => world.post(INTERFACE_PATHS.getTask.replace('/obs/', '/obs//'), {})),
    state: 'failing',
    codes: ['IsalesProxyCallsFailing', 'double-slash'],
    words: /path has an empty segment.* Remove the slash at the end of obsUrl/,
  },
  'a wrong password of CTI-OBS': {
    options: { env: REQUIRE },
    act: (world) => repeat(3, () => world.post(LOGIN_PATH, { ...ACCOUNT, passwd: 'wrong' })),
    state: 'failing',
    codes: ['IsalesProxyCallsFailing', 'obs-login'],
    words: /CTI-OBS cannot log in.* to OBS_USER and OBS_PASSWORD/,
  },
  'a Host that is not allowed': {
    act: (world) =>
      repeat(2, () => world.post(INTERFACE_PATHS.getTask, {}, { Host: 'isales-proxy.example' })),
    state: 'failing',
    codes: ['IsalesProxyCallsFailing', 'other-host'],
    words: /Host of a request is not allowed.* Add the host of the request to ALLOWED_HOSTS/,
    fact: 'isales-proxy.example',
  },
  'a path outside ALLOWED_PATHS': {
    options: { env: { ALLOWED_PATHS: INTERFACE_PATHS.getTask } },
    act: async (world) => {
      await world.tasks()
      await repeat(2, () => world.post(INTERFACE_PATHS.getUserData, {}))
    },
    state: 'degraded',
    codes: ['IsalesProxyCallsRefused', 'other-path'],
    words: /path is outside ALLOWED_PATHS.* ALLOWED_PATHS/,
    fact: INTERFACE_PATHS.getUserData.slice(0, 50),
  },
  'bodies that are too large': {
    options: { env: { MAX_BODY_SIZE: '1KiB' } },
    act: (world) =>
      repeat(2, () => world.post(INTERFACE_PATHS.getTask, { padding: 'x'.repeat(2000) })),
    state: 'failing',
    codes: ['IsalesProxyCallsFailing', 'too-large'],
    words: /body is too large.* raise MAX_BODY_SIZE/,
  },
  'a 429 for half of the calls': {
    act: (world) =>
      repeat(2, async () => {
        await world.tasks()
        world.sim.failBusiness({ status: 429 })
        await world.tasks()
      }),
    state: 'degraded',
    codes: ['IsalesProxyCallsRefused', 'call-throttled'],
    words: /too many.* call less often/,
    fact: '429',
  },
  'a result that is not 0 for every call': {
    act: (world) => {
      world.sim.failBusiness({ status: 200, body: { result: 7 }, times: 'always' })
      return repeat(3, () => world.tasks())
    },
    state: 'degraded',
    codes: ['IsalesProxyCallsRefused', 'call-result'],
    words: /result that is not 0.* check --live/,
    fact: '7',
  },
  'callers that give up before the response': {
    act: async (world) => {
      world.sim.hang({ operation: 'business', times: 'always' })
      await repeat(3, () => giveUp(world))
      world.sim.release()
    },
    state: 'failing',
    codes: ['IsalesProxyCallsFailing', 'gave-up'],
    words: /did not get the whole response.* timeout of CTI-OBS/,
  },
  'TLS spoken to the port for HTTP': {
    act: ({ port }) =>
      repeat(2, async () => {
        const client = await connectRaw({ port })
        await client.send('\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03')
        await client.closed()
      }),
    state: 'degraded',
    codes: ['IsalesProxyClientHandshakesRefused', 'tls-to-http'],
    words: /sent TLS to the plain HTTP port.* Write http:\/\/ in obsUrl/,
  },
}

/** Sends a call whose client leaves while iSales has the call. */
async function giveUp(world: TimedWorld): Promise<void> {
  const abandoned = 'isales_proxy_requests_total{outcome="abandoned",cause="gave-up"}'
  const before = await world.metric(abandoned)
  const { hanging } = world.sim.state()
  const client = await connectRaw({ port: world.port })
  await client.send(
    requestText(`POST ${INTERFACE_PATHS.getTask} HTTP/1.1`, ['Host: localhost'], '{}'),
  )
  await until(() => world.sim.state().hanging > hanging)
  client.reset()
  await until(async () => (await world.metric(abandoned)) > before)
}

test.each(Object.entries(HAPPENINGS))(
  '%s is shown within 5 s, and leads to one section everywhere',
  async (_, { options = {}, act, state, codes, words, fact = '' }) => {
    const world = await openTimedWorld(options)
    const ADMIN_LISTEN = new URL(world.admin).host
    await act?.(world)
    await world.pass(act === undefined ? 5000 : 2000)

    for (const [language, LANG, said, letters] of [
      ['en', 'C', words, /^[ -~]+$/],
      ['zh', 'zh_CN.UTF-8', /\p{Script=Han}/u, /\p{Script=Han}/u],
    ] as const) {
      const status = await world.status(language)
      const [{ title, reason, remedy, runbook, code, cause }] = status.findings
      expect([status.state, status.title]).toEqual([state, title])
      expect([code, cause]).toEqual(codes)
      expect(`${title}${reason}`).toMatch(letters)
      expect(`${reason} ${remedy}`).toMatch(said)
      const page = (await call(`${world.admin}/?lang=${language}`)).text
      expect(page).toContain(`<h1>${title}</h1>`)
      const terminal = (await runHere(['status'], { env: { ADMIN_LISTEN, LANG } })).stdout
      for (const sentence of [title, reason, remedy]) {
        expect(page).toContain(escaped(sentence))
        expect(terminal).toContain(sentence)
      }
      for (const text of [page, terminal]) expect(text).toContain(escaped(fact))
      expect(runbooks).toContain(runbook?.replace('.zh-CN', ''))
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
  await goAway(world)
  // The token is still valid, and removing the pod from its Service would not help.
  expect(await world.metric('isales_proxy_state{state="failing"}')).toBe(1)
  expect(await world.metric('isales_proxy_authenticated')).toBe(1)
  expect((await call(`${world.admin}/readyz`)).status).toBe(200)
  await world.sim.up()
  await repeat(3, () => world.tasks())
  await world.pass(5000)

  const status = await world.status()
  const [{ code, cause, remedy, facts }] = status.findings
  expect([status.state, code, cause, remedy]).toEqual([
    'degraded',
    'IsalesProxyErrorRatio',
    null,
    '',
  ])
  expect(facts.map(([name]) => name)).toContain('endedAt')
  const found = world.lines.filter(({ event }) => event.startsWith('finding-'))
  expect(found.map(({ event, finding }) => [event, finding])).toEqual([
    ['finding-began', 'failed'],
    ['finding-ended', 'failed'],
  ])
  expect(await world.metric('isales_proxy_state{state="failing"}')).toBe(0)
  await repeat(20, () => world.tasks())
  await world.pass(61_000)
  expect(await world.metric('isales_proxy_state{state="healthy"}')).toBe(1)
})
