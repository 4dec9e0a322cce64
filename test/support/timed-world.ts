import { manualClock } from './manual-clock.ts'
import { until } from './until.ts'
import { openWorld, type WorldOptions } from './world.ts'

/** A world with a clock that only the test moves, for tokens, renewals, back-offs and deadlines. */
export type TimedWorld = Awaited<ReturnType<typeof openTimedWorld>>

/** Opens a world that is closed when the test ends. Jitter is half of its maximum. */
export async function openTimedWorld(options: WorldOptions = {}) {
  const clock = manualClock()
  const simulator = { now: () => clock.now(), ...options.simulator }
  const world = await openWorld({ clock, random: () => 0.5, ...options, simulator })
  const count = (...types: readonly string[]): number =>
    world.events.filter(({ type }) => types.includes(type)).length
  const waiters = () => world.metric('isales_proxy_token_waiters')
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
    waiting: (requests: number) => until(async () => (await waiters()) === requests),
    /** Waits until this call has its response or a request waits for a token. */
    async respondedOrWaiting(call: Promise<unknown>) {
      let responded = false
      void call.then(() => (responded = true))
      await until(async () => responded || (await waiters()) > 0)
    },
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
