// Promise 5: state, cause and cure are right within 5 s, in the same words on page, terminal and log, in both languages,
// and the alert leads to the same section. `check --live` says the same as the page of each mistake in
// test/cli/mistakes.test.ts.
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import type { Status } from '../../src/admin/index.ts'
import { openTimedWorld, type TimedWorld } from '../behaviour/session-world.ts'
import { runHere } from '../cli/stand.ts'
import { call } from '../support/call.ts'
import { freePort } from '../support/free-port.ts'
import type { WorldOptions } from '../support/world.ts'

interface Rules {
  readonly groups: readonly {
    readonly rules: readonly { readonly annotations: Readonly<Record<string, string>> }[]
  }[]
}
const rules = parse(readFileSync('config/prometheus/alerts.yaml', 'utf8')) as Rules
const runbooks = rules.groups.flatMap((group) =>
  group.rules.map(({ annotations }) => annotations['runbook_url']?.replace(/^.*(?=\/docs\/)/, '')),
)

/** As HTML has it. */
const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')

interface Happening {
  readonly options?: WorldOptions
  /** What happens to a proxy that serves. */
  readonly act?: (world: TimedWorld) => Promise<unknown>
  readonly state: Status['state']
  /** Of cause and cure, in English. */
  readonly words: RegExp
  /** Where the log says the same, the event. */
  readonly event?: string
}

const HAPPENINGS: Readonly<Record<string, Happening>> = {
  'a wrong password': {
    options: { ready: false, env: { ISALES_PASSWORD: 'out-of-date' } },
    state: 'refused',
    words: /refuses the user or password.* Correct ISALES_USER and ISALES_PASSWORD/,
    event: 'login-rejected',
  },
  'an iSales that is gone at the start': {
    options: { ready: false, prepare: (sim) => sim.down() },
    state: 'unauthenticated',
    words: /Nothing listens at .* Check the port in ISALES_URL/,
    event: 'login-failed',
  },
  'an iSales that goes while calls come': {
    act: async (world) => {
      await world.sim.down()
      const calls = Promise.all([world.tasks(), world.tasks()])
      await world.pass(3000)
      await calls
    },
    state: 'failing',
    words: /Nothing listens at .* Check the port in ISALES_URL/,
  },
  'a token that another program ends again and again': {
    act: async (world) => {
      for (let times = 0; times < 3; times += 1) {
        world.sim.revoke()
        const healed = world.tasks()
        await world.pass(2000)
        await healed
      }
    },
    state: 'conflict',
    words:
      /ends? our sessions|rejects our tokens early.* Let replicas share one token .*give each instance a user of its own/,
  },
}

test.each(Object.entries(HAPPENINGS))(
  '%s is said within 5 s, in the same words everywhere',
  async (_, { options = {}, act, state, words, event }) => {
    const admin = `127.0.0.1:${await freePort()}`
    const env = { ...options.env, ADMIN_LISTEN: admin }
    const world = await openTimedWorld({ ...options, env })
    await act?.(world)
    await world.pass(act === undefined ? 5000 : 2000)

    for (const [language, LANG, said, letters] of [
      ['en', 'C', words, /^[ -~]+$/],
      ['zh', 'zh_CN.UTF-8', /\p{Script=Han}/u, /\p{Script=Han}/u],
    ] as const) {
      const read = async (path: string) => call(`http://${admin}${path}?lang=${language}`)
      const status = (await read('/status.json')).json as unknown as Status
      const [{ title, reason, remedy, runbook }] = status.findings
      expect([status.state, status.title]).toEqual([state, title])
      expect(`${title}${reason}`).toMatch(letters)
      expect(`${reason} ${remedy}`).toMatch(said)
      const page = (await read('/')).text
      expect(page).toContain(`<h1>${title}</h1>`)
      const terminal = (await runHere(['status'], { env: { ADMIN_LISTEN: admin, LANG } })).stdout
      for (const sentence of [title, reason, remedy]) {
        expect(page).toContain(escaped(sentence))
        expect(terminal).toContain(sentence)
      }
      expect(runbooks).toContain(runbook?.replace('.zh-CN', ''))
    }
    const { renewal } = (await call(`http://${admin}/status.json`)).json as unknown as Status
    const { what, todo } = renewal.lastFailure?.explained ?? { what: '', todo: '' }
    const line = world.lines.find((each) => each.event === event)
    expect(line?.detail).toBe(event && `${what}. ${todo}.`)
  },
)

test('a failure is over for people 5 s after calls succeed again', async () => {
  const world = await openTimedWorld()
  await world.tasks()
  await world.sim.down()
  const calls = Promise.all([world.tasks(), world.tasks()])
  await world.pass(3000)
  await calls
  await world.sim.up()
  for (let times = 0; times < 3; times += 1) await world.tasks()
  await world.pass(5000)

  expect((await call(`${world.admin}/status.json`)).json).toMatchObject({ state: 'degraded' })
  expect(await world.metric('isales_proxy_state{state="failing"}')).toBe(0)
})
