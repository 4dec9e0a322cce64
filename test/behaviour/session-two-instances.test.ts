import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { CallResponse } from '../support/call.ts'
import { manualClock, type ManualClock } from '../support/manual-clock.ts'
import { until } from '../support/until.ts'
import { openWorld, type World } from '../support/world.ts'

const MINUTES = 6
/** Seconds between two calls of a client. */
const STEP = 3
const CALLS = (2 * MINUTES * 60) / STEP

/** Jitter that is the same in each run and differs between the two. */
function jitter(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 16_807) % 2_147_483_647
    return state / 2_147_483_647
  }
}

test('two instances that share a user and its one session hold off from each other', async () => {
  const clock = manualClock()
  const one = await openWorld({
    clock,
    random: jitter(1),
    simulator: { now: () => clock.now(), switches: { singleSession: true } },
  })
  const { sim } = one
  const other = await openWorld({ clock, random: jitter(7), env: { ISALES_URL: sim.origin } })
  const worlds = [one, other]
  const statuses = new Map<number, number>()

  for (let second = 0; second < MINUTES * 60; second += STEP) {
    for (const world of worlds) {
      const { status } = await responseOf(world, clock)
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
    }
    await clock.advance(STEP * 1000)
    await until(() => worlds.every(isQuiet))
  }

  const count = (status: number): number => statuses.get(status) ?? 0
  // How a hold-off meets a call depends on the jitter: about half with these two.
  expect(count(200)).toBeGreaterThan(CALLS / 3)
  // A call that was sent and finds no newer token in time gets the rejection as iSales sent it.
  expect(count(200) + count(401) + count(503)).toBe(CALLS)
  expect(sim.state().logins).toBeLessThan(8 * MINUTES)
  for (const world of worlds) {
    expect(await world.metric('isales_proxy_session_conflicts_total')).toBeGreaterThan(0)
    const warnings = world.lines.filter(
      ({ event, level }) => event === 'conflict' && level === 'warn',
    )
    expect(warnings.length).toBeGreaterThan(0)
    expect(warnings.length).toBeLessThan(5)
    for (const event of world.events) {
      if (event.type !== 'conflict') continue
      expect(event.holdOff).toBeGreaterThanOrEqual(5000)
      expect(event.holdOff).toBeLessThanOrEqual(60_000)
    }
  }
}, 30_000)

function isQuiet({ events }: World): boolean {
  const begun = events.filter(({ type }) => type === 'request-started').length
  return begun === events.filter(({ type }) => type === 'granted' || type === 'failed').length
}

/** The response of one call; while that waits for a token, time goes on. */
async function responseOf(world: World, clock: ManualClock): Promise<CallResponse> {
  const response = world.tasks()
  for (;;) {
    const first = await Promise.race([response, delay(20)])
    if (first !== undefined) return first
    if ((await world.metric('isales_proxy_token_waiters')) === 1) await clock.advance(250)
  }
}
