import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it, type TestContext } from 'vitest'
import type { Status } from '../../src/admin/status.ts'
import { LOGIN_PATH } from '../../simulator/index.ts'
import { call } from '../support/call.ts'
import { until } from '../support/until.ts'
import { installed } from './support/tools.ts'
import { startWatched, type Watched } from './support/watched.ts'

const programs = await Promise.all(
  ['prometheus', 'prometheus-alertmanager'].map((program) => installed(program)),
)

const WAIT = 30_000

/** What an operator and a program are told, wherever they look. */
async function seenBy({ admin }: Watched) {
  const read = async () => {
    const status = (await call(`${admin}/status.json`)).json as unknown as Status
    const page = await call(admin)
    const metrics = await call(`${admin}/metrics`)
    const ready = await call(`${admin}/readyz`)
    const sample = (name: string) =>
      Number(new RegExp(`^isales_proxy_${name} (.*)$`, 'm').exec(metrics.text)?.[1])
    const gauge = /^isales_proxy_state\{state="(\w+)"\} 1$/m.exec(metrics.text)?.[1]
    const headline = /<h1>(.*)<\/h1>/.exec(page.text)?.[1]
    return {
      state: status.state,
      gauge,
      title: status.title,
      headline,
      reason: status.reason,
      runbook: status.runbook?.replace(/.*#/, ''),
      ready: ready.status,
      authenticated: sample('authenticated'),
      budget: sample('outage_budget_seconds'),
    }
  }
  // The state may change between two of the reads.
  return until(async () => {
    const [one, other] = [await read(), await read()]
    return one.state === other.state && one.headline === other.title ? one : undefined
  })
}

type Finishing = Pick<TestContext, 'onTestFinished'>

async function start(
  { onTestFinished }: Finishing,
  ...options: Parameters<typeof startWatched>
): Promise<Watched> {
  const watched = await startWatched(...options)
  onTestFinished(() => watched.stop())
  // An increase is seen from the first scrape on.
  const { monitoring } = watched
  await until(async () => (await monitoring.query('isales_proxy_build_info')).length > 0, WAIT)
  return watched
}

/** Does something again and again, as CTI-OBS and other programs do, until the test ends. */
function keep({ onTestFinished }: Finishing, everyMs: number, act: () => Promise<unknown>): void {
  const ending = new AbortController()
  const acting = (async () => {
    while (!ending.signal.aborted) {
      await act()
      await delay(everyMs)
    }
  })()
  onTestFinished(async () => {
    ending.abort()
    await acting
  })
}

// Together: they wait most of the time.
describe.skipIf(programs.includes(undefined))(
  'CTI-OBS gets errors, and',
  { concurrent: true },
  () => {
    const paged = ({ monitoring }: Watched) => [...new Set(monitoring.pages().flat())]

    it('iSales is gone while the token lives: all say so, and one page comes, also when the token ends', async (context) => {
      const watched = await start(context, { switches: { tokenLifetime: 25 } })
      const { simulator, ask, monitoring } = watched
      await until(async () => (await ask()).status === 200)
      keep(context, 200, ask)
      expect(await seenBy(watched)).toMatchObject({
        state: 'healthy',
        ready: 200,
        authenticated: 1,
      })

      await simulator.down()

      const failing = await until(async () => {
        const seen = await seenBy(watched)
        return seen.state === 'failing' && seen
      }, WAIT)
      expect(failing).toMatchObject({
        gauge: 'failing',
        headline: 'Calls fail',
        reason: expect.stringMatching(/\d+ of \d+ calls failed in the last minute: .*iSales/),
        runbook: 'isalesproxycallsfailing',
        authenticated: 1,
        ready: 200,
      })
      expect(failing.budget).toBeGreaterThan(0)
      await watched.proxy.find(/"event":"upstream-failing"/)
      await until(() => monitoring.pages().length > 0, WAIT)

      const ended = await until(async () => {
        const seen = await seenBy(watched)
        return seen.state === 'unauthenticated' && seen
      }, WAIT)
      expect(ended).toMatchObject({ gauge: 'unauthenticated', authenticated: 0, budget: 0 })
      expect(ended).toMatchObject({ ready: 503, headline: 'Not authenticated' })
      await until(
        async () => (await monitoring.firing()).includes('IsalesProxyNotAuthenticated'),
        WAIT,
      )
      await delay(3000)
      expect(paged(watched)).toEqual(['IsalesProxyCallsFailing'])
    })

    it('another program logs in as the same user: all say so, and one page comes', async (context) => {
      const watched = await start(context, { switches: { singleSession: true } })
      const { simulator, ask, monitoring } = watched
      const { user, password } = simulator.switches
      await until(async () => (await ask()).status === 200)
      const body = JSON.stringify({ user, passwd: password })
      keep(context, 1000, () => call(`${simulator.origin}${LOGIN_PATH}`, { method: 'POST', body }))
      keep(context, 200, ask)

      const conflict = await until(async () => {
        const seen = await seenBy(watched)
        return seen.state === 'conflict' && seen
      }, WAIT)
      expect(conflict).toMatchObject({
        gauge: 'conflict',
        headline: 'Somebody else uses this login',
        runbook: 'isalesproxysessionconflict',
        authenticated: 0,
        budget: 0,
        ready: 503,
      })
      await watched.proxy.find(/"event":"conflict"/)
      await until(() => monitoring.pages().length > 0, WAIT)
      await until(async () => (await monitoring.notified()).includes('IsalesProxySessionConflict'))
      await delay(3000)
      expect(paged(watched)).toEqual(['IsalesProxyCallsFailing'])
    })

    it('the token goes into the header of the other edition: all say so, and one page comes', async (context) => {
      const watched = await start(context, { switches: { edition: 'chinese' } })
      const { ask, monitoring } = watched
      await watched.proxy.find(/"event":"logged-in"/)
      expect([401, 403]).toContain((await ask()).status)
      keep(context, 200, ask)

      const rejected = await until(async () => {
        const seen = await seenBy(watched)
        return seen.state === 'unauthenticated' && seen.title === 'The token is rejected' && seen
      }, WAIT)
      expect(rejected).toMatchObject({
        gauge: 'unauthenticated',
        headline: 'The token is rejected',
        authenticated: 0,
        budget: 0,
        ready: 503,
      })
      await watched.proxy.find(/"event":"rejection-relayed"/)
      await until(() => monitoring.pages().length > 0, WAIT)
      await until(
        async () => (await monitoring.firing()).includes('IsalesProxyNotAuthenticated'),
        WAIT,
      )
      await delay(3000)
      expect(paged(watched)).toEqual(['IsalesProxyCallsFailing'])
    })
  },
)
