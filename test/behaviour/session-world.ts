import type { Environment } from '../../src/config/load.ts'
import type { Simulator } from '../../simulator/index.ts'
import { accountOf } from '../cli/stand.ts'
import { call } from '../support/call.ts'
import { manualClock } from '../support/manual-clock.ts'
import { until } from '../support/until.ts'
import { openWorld, type WorldOptions } from '../support/world.ts'

/** A world with a clock that only the test moves, for tokens, renewals, back-offs and deadlines. */
export type TimedWorld = Awaited<ReturnType<typeof openTimedWorld>>

/** Returns the settings of a built program in front of this iSales. */
export function builtEnvironment(sim: Simulator, env: Environment = {}): Environment {
  return { ...accountOf(sim), LISTEN: '127.0.0.1:0', ADMIN_LISTEN: '127.0.0.1:0', ...env }
}

const DATE = Date.parse('2026-03-01T12:00:00Z')
/** Opens a world that is closed when the test ends. Jitter is half of its maximum. */
export async function openTimedWorld(options: WorldOptions = {}) {
  const clock = manualClock()
  const startedAt = clock.now()
  const world = await openWorld({
    clock,
    wallClock: () => DATE + clock.now() - startedAt,
    random: () => 0.5,
    ...options,
    simulator: { now: () => clock.now(), ...options.simulator },
  })
  const count = (...types: readonly string[]): number =>
    world.events.filter(({ type }) => types.includes(type)).length
  const settled = async (): Promise<void> => {
    // The login is recorded before iSales is asked.
    await clock.advance(0)
    await until(async () => {
      if (count('request-started') === count('granted', 'failed')) return true
      // Ends a hanging login by its timeout.
      if (world.sim.state().hanging > 0) await clock.advance(clock.waiting()[0] ?? 0)
      return false
    })
  }

  return {
    ...world,
    clock,
    /** Waits until no login or refresh is in progress. */
    settled,
    /** Waits until `requests` requests wait for a token. */
    async waiting(requests: number) {
      await until(async () => (await world.metric('isales_proxy_token_waiters')) === requests)
    },
    /** Waits until this call has its response or a request waits for a token. */
    async respondedOrWaiting(call: Promise<unknown>) {
      let responded = false
      void call.then(() => (responded = true))
      const waiters = () => world.metric('isales_proxy_token_waiters')
      await until(async () => responded || (await waiters()) > 0, 20_000)
    },
    /** Returns the number of logins and refreshes that have begun. */
    exchanges: () => count('request-started'),
    probe: (path: '/livez' | '/startupz' | '/readyz') => call(`${world.admin}${path}`),
    /** Advances the clock, and waits at every timer until its token request has ended. */
    async pass(ms: number) {
      const end = clock.now() + ms
      await settled()
      for (;;) {
        const [next] = clock.waiting()
        if (next === undefined || clock.now() + next > end) break
        await clock.advance(next)
        await settled()
      }
      await clock.advance(end - clock.now())
      await settled()
    },
  }
}
