// Rejections, replicas and callers of one account in virtual time. The bounds show the value of the rules.
import { openScenario, type ScenarioWorld, type WorldOptions } from './scenario-world.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND

export interface Scenario {
  readonly world: WorldOptions
  readonly play?: (world: ScenarioWorld) => void
  readonly most: Partial<Record<'bad' | 'badFor' | 'requests' | 'perMinute' | 'conflicts', number>>
}

const SHARING = { replicas: 3, shared: true }

export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  'another client logs in every second for an hour': {
    world: { minutes: 60, calls: 250, singleSession: true },
    play: (world) => world.repeat(SECOND, world.login),
    most: { bad: 18, perMinute: 40 },
  },
  'three replicas with a shared store lose the session every minute, and a login takes 5.5 s': {
    world: { ...SHARING, minutes: 10, calls: 500, singleSession: true, loginTakes: 5500 },
    play: (world) => world.repeat(MINUTE, world.endSessions),
    most: { bad: 185, requests: 10, perMinute: 2 },
  },
  'three replicas with a shared store lose the token every second': {
    world: { ...SHARING, minutes: 5, calls: 500 },
    play: (world) => world.repeat(SECOND, world.endTokens),
    most: { bad: 25, perMinute: 40 },
  },
  'calls that iSales accepts without checking the token seem to confirm one that has ended': {
    world: { minutes: 5, calls: 500 },
    play(world) {
      world.at(20 * SECOND, () => world.traffic('refused', SECOND, 24 * SECOND))
      world.at(30 * SECOND, world.endSessions)
      world.at(30 * SECOND, () => world.traffic('public', 225))
    },
    most: { bad: 44, badFor: 30 * SECOND, perMinute: 6 },
  },
  'iSales rejects all calls for a minute, and then ends the token': {
    world: { minutes: 5, calls: 500 },
    play(world) {
      world.at(MINUTE, () => (world.isales.refusesAll = true))
      world.at(2 * MINUTE, () => (world.isales.refusesAll = false))
      world.at(2 * MINUTE + 20 * SECOND, world.endSessions)
    },
    most: { badFor: MINUTE, perMinute: 8 },
  },
  'iSales ends the session, and fails all logins for a minute': {
    world: { minutes: 5, calls: 500 },
    play(world) {
      world.at(MINUTE, world.endSessions)
      world.at(MINUTE, () => (world.isales.failsLogins = true))
      world.at(2 * MINUTE, () => (world.isales.failsLogins = false))
    },
    most: { badFor: 90 * SECOND, perMinute: 10 },
  },
  'an edition without the interface rejects all calls from the start, for ten minutes': {
    world: { minutes: 10, calls: SECOND, refusesAll: true },
    most: { requests: 26 },
  },
  'three replicas without a store fight for one session': {
    world: { minutes: 20, calls: 250, replicas: 3, singleSession: true },
    most: { bad: 65, perMinute: 40 },
  },
  'iSales rejects paths of 20 calls per second, next to few others': {
    world: { minutes: 5, calls: 3 * SECOND },
    play: (world) => world.traffic('refused', 50),
    most: { bad: 0, perMinute: 8 },
  },
  "the proxy's own renewals end the token of calls in flight": {
    world: { minutes: 5, calls: 200, refreshEndsOld: true, singleSession: true, callTakes: 400 },
    play: (world) => world.traffic('refused', SECOND),
    most: { bad: 0, perMinute: 16, conflicts: 0 },
  },
}

/** Returns the result, and the figures that exceed their bounds. */
export async function played({ world: options, play, most }: Scenario) {
  const world = openScenario(options)
  play?.(world)
  const result = await world.result()
  const over = Object.entries(most).filter(
    ([name, bound]) => result[name as keyof typeof most] > bound,
  )
  return { ...result, over }
}

export async function isWithin(scenario: Scenario): Promise<boolean> {
  return (await played(scenario)).over.length === 0
}
